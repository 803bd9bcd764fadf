//! What scripts and the page use beyond OpenAI's API: conversations, loading, downloads, the state of the server.

mod catalog;
mod conversation_types;
mod conversations;
mod deleting;
mod loading;
mod messages;
mod pull;
mod server;
mod store;
mod transfer;

pub(crate) use catalog::CatalogApi;
pub(crate) use conversations::ConversationsApi;
pub(crate) use deleting::DeletingApi;
pub(crate) use loading::LoadingApi;
pub(crate) use messages::MessagesApi;
pub(crate) use pull::PullApi;
pub(crate) use server::ServerApi;
pub(crate) use store::StoreApi;
pub(crate) use transfer::{TransferApi, an_export};
