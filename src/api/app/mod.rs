//! What scripts and the page use beyond OpenAI's API: loading, downloads, the state of the server.

mod catalog;
mod loading;
mod pull;
mod server;

pub(crate) use catalog::CatalogApi;
pub(crate) use loading::LoadingApi;
pub(crate) use pull::PullApi;
pub(crate) use server::ServerApi;
