//! Files that people send, decoded within limits: what an engine is given has been checked here.
//!
//! No HTTP, no engine and no file is touched: bytes come in, an [`Image`](tern_engine::Image) or samples go out. The decoders are
//! pure Rust (`image`, `symphonia`, `opus-decoder`), and none is asked for a pixel before the header's claims have been compared
//! with the limits.

pub mod audio;
mod error;
pub mod images;
mod url;

pub use error::MediaError;
pub use images::{ImageLimits, decode, from_data_url, media_type};
pub use url::data_url_bytes;
