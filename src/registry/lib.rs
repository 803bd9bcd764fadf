//! Which models exist for this server, which are loaded, and what they may take.
//!
//! [`Registry::acquire`] is the one way to a loaded model: it loads on first use, waits with everyone else who wants
//! the same model, makes room by unloading idle ones, and refuses with numbers when memory would not suffice.
//! `engines.rs` is the closed list of engines and the only file that names an engine crate.

mod embedding;
mod engines;
mod entry;
mod error;
mod loaded;
pub mod machine;
mod options;
mod registry;
mod rewritten;
mod table;
mod tasks;

pub use embedding::EmbedHandle;
pub use engines::{EngineSlot, engine_for, engines, hints};
pub use entry::{LoadState, ModelEntry, ModelStatus};
pub use error::{DeleteError, RegistryError};
pub use loaded::{Lease, Loaded, TextHandle};
pub use options::{ProjectorOf, RegistryConfig, TemplateOverride};
pub use registry::{Deleted, Registry};
pub use tasks::{TaskError, TaskHandle};
