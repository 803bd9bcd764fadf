//! Forms from outside: what is enforced, what is refused, and that what comes out is what was asked for.

mod grammars;
mod hostile;
mod refusals;
mod schemas;
mod support;
