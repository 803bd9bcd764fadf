//! Images and recordings through the public door: what is read, and what is refused.

mod audio;
mod hostile;
mod reads;
mod support;
mod urls;
