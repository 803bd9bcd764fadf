//! What scripts and the page use beyond OpenAI's API: conversations, comparisons, images, loading, downloads, the
//! state of the server.

mod captions;
mod catalog;
mod compare;
mod compare_results;
mod compare_types;
mod conversation_types;
mod conversations;
mod deleting;
mod keys;
mod loading;
mod messages;
mod ner;
mod ocr;
mod ocr_types;
mod picture;
mod pull;
mod server;
mod store;
mod transfer;

pub(crate) use captions::CaptionsApi;
pub(crate) use catalog::CatalogApi;
pub(crate) use compare::CompareApi;
pub(crate) use conversations::ConversationsApi;
pub(crate) use deleting::DeletingApi;
pub(crate) use keys::KeysApi;
pub(crate) use loading::LoadingApi;
pub(crate) use messages::MessagesApi;
pub(crate) use ner::NerApi;
pub(crate) use ocr::OcrApi;
pub(crate) use pull::{PullApi, PullStep, steps};
pub(crate) use server::ServerApi;
pub(crate) use store::StoreApi;
pub(crate) use transfer::{TransferApi, an_export};
