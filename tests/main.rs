//! The one integration binary.

mod rules; // promises of ARCHITECTURE.md, README.md and openapi/, kept true
