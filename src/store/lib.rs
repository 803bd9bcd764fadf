//! Conversations and comparisons that last. Knows neither HTTP nor engines.
//!
//! Read `types` for what is kept and `store` for the contract.

mod error;
mod store;
mod types;

pub use error::StoreError;
pub use store::{ConversationStore, Hit, ListQuery, Order, Page, StoreState};
pub use types::*;
