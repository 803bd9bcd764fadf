//! What scripts and the page use beyond OpenAI's API: conversations, comparisons, loading, downloads, the state of the server.

mod catalog;
mod compare;
mod compare_results;
mod compare_types;
mod conversation_types;
mod conversations;
mod deleting;
mod loading;
mod messages;
mod ner;
mod pull;
mod server;
mod store;
mod transfer;

pub(crate) use catalog::CatalogApi;
pub(crate) use compare::CompareApi;
pub(crate) use conversations::ConversationsApi;
pub(crate) use deleting::DeletingApi;
pub(crate) use loading::LoadingApi;
pub(crate) use messages::MessagesApi;
pub(crate) use ner::NerApi;
pub(crate) use pull::PullApi;
pub(crate) use server::ServerApi;
pub(crate) use store::StoreApi;
pub(crate) use transfer::{TransferApi, an_export};
