//! Images in messages: found, fetched, decoded, before a model sees any.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use tern_chat::MAX_IMAGES;
use tern_engine::{Capability, tasks::Image};
use tern_media::{ImageLimits, MediaError, decode, from_data_url, media_type};
use tern_registry::ModelStatus;

use super::chat_types::{ChatMessage, Content, ContentPart};
use crate::{
    error::ApiError,
    http::{fetch, union::any_of},
    state::{State, beside},
};

/// Where an image is: OpenAI's object, or the bare URL that some clients send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected an object with a url, or a string")]
pub enum ImageRef {
    /// The URL alone.
    Url(String),
    /// With its options.
    Object(ImageUrl),
}

any_of!(ImageRef { String, ImageUrl });

/// An image by its URL.
#[derive(Debug, Clone, Default, PartialEq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub struct ImageUrl {
    /// `data:image/png;base64,...` (PNG, JPEG, WebP, GIF, TIFF, BMP; the first picture of several), or with
    /// `--allow-image-urls` an `http` or `https` URL.
    pub url: String,
    /// Accepted; every model sees as much as it can.
    #[oai(nullable)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl ImageRef {
    /// The URL.
    pub fn url(&self) -> &str {
        match self {
            Self::Url(url) => url,
            Self::Object(object) => &object.url,
        }
    }
}

/// An image of a request: which part it is, and its URL.
struct Found<'a> {
    place: String,
    url: &'a str,
}

fn found(messages: &[ChatMessage]) -> impl Iterator<Item = Found<'_>> {
    messages.iter().enumerate().flat_map(|(index, message)| {
        let parts: &[ContentPart] = match &message.content {
            Some(Content::Parts(parts)) => parts,
            _ => &[],
        };
        parts.iter().enumerate().filter_map(move |(at, part)| {
            let image = part.image_url.as_ref().filter(|_| part.is_image())?;
            Some(Found { place: format!("messages[{index}].content[{at}].image_url"), url: image.url() })
        })
    })
}

/// Refuses what can be refused without looking at an image: kinds of URL, and their number.
pub(crate) fn check(messages: &[ChatMessage], allow_urls: bool) -> Result<(), ApiError> {
    let mut count = 0;
    for Found { place, url } in found(messages) {
        count += 1;
        if count > MAX_IMAGES {
            return Err(ApiError::invalid("messages", format!("the messages have more than {MAX_IMAGES} images")));
        }
        let has_scheme = |scheme: &str| url.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme));
        if has_scheme("data:") {
            continue;
        }
        if !has_scheme("http://") && !has_scheme("https://") {
            return Err(refused(&place, "is not a data URL (data:image/png;base64,...)".into()));
        }
        if !allow_urls {
            let message = "is an http URL, which this server does not fetch; send the image as a data URL \
                           (data:image/png;base64,...), or start the server with --allow-image-urls";
            return Err(refused(&place, message.into()));
        }
    }
    Ok(())
}

/// Refuses images for a model that cannot see, and says which can.
pub(crate) fn check_model(state: &State, messages: &[ChatMessage], model: &ModelStatus) -> Result<(), ApiError> {
    let sees = |status: &ModelStatus| status.entry.info.capabilities.contains(&Capability::Vision);
    let Some(Found { place, .. }) = found(messages).next().filter(|_| !sees(model)) else { return Ok(()) };
    let able: Vec<String> =
        state.registry.list().into_iter().filter(sees).map(|status| format!("`{}`", status.entry.id)).collect();
    let able = match able.as_slice() {
        [] => "no installed model can (tern pull smolvlm-500m brings one)".to_owned(),
        able => format!("models that can: {}", able.join(", ")),
    };
    let message = format!("The model `{}` cannot see images; {able}.", model.entry.id);
    Err(ApiError { code: Some("model_without_vision"), ..ApiError::invalid(place, message) })
}

/// The images of the messages, in their order.
///
/// # Errors
/// 400 with the part whose image cannot be fetched or decoded, and why.
pub(crate) async fn load(state: &State, messages: &[ChatMessage]) -> Result<Vec<Arc<Image>>, ApiError> {
    let limits = ImageLimits::default();
    let mut images = Vec::new();
    for Found { place, url } in found(messages) {
        let remote = !url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
        let fetched = match remote && state.config.allow_image_urls {
            true => Some(fetch::image(url, limits.bytes).await.map_err(|why| refused(&place, why))?),
            false => None,
        };
        let url = url.to_owned();
        let decoded = beside(move || {
            Ok(match fetched {
                Some(bytes) => decode(&bytes, &limits),
                None => from_data_url(&url, &limits),
            })
        });
        images.push(Arc::new(
            decoded.await?.map_err(|error: MediaError| refused(&place, format!("is refused: {error}")))?,
        ));
    }
    Ok(images)
}

/// Fetches what is not in the messages themselves, and puts it there as data URLs: what is kept has to have its images.
///
/// # Errors
/// 400 with the part whose image cannot be fetched, and why.
pub(crate) async fn inline(state: &State, messages: &mut [ChatMessage]) -> Result<(), ApiError> {
    if !state.config.allow_image_urls {
        return Ok(());
    }
    for (index, message) in messages.iter_mut().enumerate() {
        let Some(Content::Parts(parts)) = &mut message.content else { continue };
        for (at, part) in parts.iter_mut().enumerate().filter(|(_, part)| part.is_image()) {
            let Some(image) = &mut part.image_url else { continue };
            if image.url().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:")) {
                continue;
            }
            let place = format!("messages[{index}].content[{at}].image_url");
            let fetched = fetch::image(image.url(), ImageLimits::default().bytes).await;
            let bytes = fetched.map_err(|why| refused(&place, why))?;
            let media_type = media_type(&bytes).unwrap_or("application/octet-stream");
            *image = ImageRef::Url(format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(&bytes)));
        }
    }
    Ok(())
}

/// 400 about one image.
fn refused(place: &str, why: String) -> ApiError {
    ApiError { code: Some("invalid_image_url"), ..ApiError::invalid(place, format!("{place} {why}")) }
}
