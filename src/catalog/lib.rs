//! Which models exist: those of the built-in table, those on disk, and how the former become the latter.
//!
//! In reading order: [`reference`] is how models are named, [`table`] the built-in list, [`local`] what is on disk,
//! [`hub`] the downloads. [`Catalog`] puts them together. What a file holds and which engine runs it is decided
//! elsewhere (the registry, and the engines' `inspect`); nothing here opens a model but [`Catalog::remote_header`].
//!
//! # Why not the `hf-hub` crate
//! Version 1.0.0 stores an error page as a model file when the second request fails, cannot resume, follows an ETag
//! out of the cache folder, gives up on a file that another task is fetching after 10 s, and ignores
//! `HF_HUB_OFFLINE`. So the bytes had to be fetched otherwise, and what was left for it (a listing of a repository)
//! is one JSON request. With default features off it brings 236 crates, `aws-lc-sys` (a C library that needs cmake)
//! and `hf-xet` among them, 142 of which the server does not have otherwise; `reqwest` with rustls and ring brings 87,
//! and this whole crate adds 51 to what poem needs. The cache layout is kept, so that Python's `huggingface_hub` and
//! we share files.

mod catalog;
mod delete;
mod folder;
pub mod hub;
pub mod local;
pub mod reference;
mod split;
pub mod table;

pub use catalog::{Catalog, CatalogConfig, RemoteInfo, Resolution};
pub use delete::delete;
pub use folder::stamp;
pub use hub::{Cancel, OnProgress, Progress, PullError, Stage};
pub use local::{LocalModel, Origin};
pub use reference::{HubFile, Reference, ReferenceError};
pub use split::all_parts;
pub use table::{Entry, Quant};
