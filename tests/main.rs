//! The one integration binary.

mod cli; // the commands as a user runs them
mod rules; // promises of ARCHITECTURE.md, README.md and openapi/, kept true
