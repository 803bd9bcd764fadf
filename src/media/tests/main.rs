//! Images through the public door: what is read, and what is refused.

mod hostile;
mod reads;
mod support;
mod urls;
