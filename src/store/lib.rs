//! Conversations and comparisons that last. Knows neither HTTP nor engines.
//!
//! Read `types` for what is kept and `store` for the contract; `embedded` keeps it in a file, whose layout `README.md`
//! describes and `tables` names.

mod backend;
mod comparisons;
mod conversations;
mod disk;
mod embedded;
mod error;
mod file;
mod growing;
mod index;
mod list;
mod messages;
mod places;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod types;
mod upgrade;

pub use embedded::RedbStore;
pub use error::StoreError;
pub use store::{ConversationStore, Hit, ListQuery, Order, Page, StoreState};
pub use types::*;
