//! Files that are uploaded: `multipart/form-data`, read into memory within bounds and never onto the disk.
//!
//! poem's own reader puts every file into the system's temporary folder, of any size. Here the whole body is bounded by
//! `--body-limit`, and a field of text by [`MAX_TEXT`]. Fields that an operation does not know are read over, as with
//! JSON.

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream::BoxStream};
use multer::{Constraints, Multipart, SizeLimit};
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde::de::DeserializeOwned;

use crate::{
    error::{ApiError, ErrorReply},
    http::{
        body::{ApiBody, admit, body_limit, drain, too_large, unreadable},
        upload_fields::{FormField, schema},
    },
};

/// Most bytes of a field that is no file: prompts and questions, not books.
const MAX_TEXT: usize = 64 << 10;
/// Most fields that are kept.
const MAX_FIELDS: usize = 100;

/// A file as it was sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    /// What the client calls it; of use for messages alone.
    pub name: Option<String>,
    /// What is in it.
    pub bytes: Bytes,
}

/// The fields that were sent and that the operation knows, in their order.
#[derive(Debug, Default)]
pub(crate) struct Form {
    fields: Vec<(&'static str, Upload)>,
}

/// What can be read from a form.
pub(crate) trait FromForm: Sized + Send {
    /// The fields it knows; all others are passed over.
    const FIELDS: &'static [FormField];

    /// Takes what it wants.
    ///
    /// # Errors
    /// 400 that names the field.
    fn from_form(form: &mut Form) -> Result<Self, ApiError>;
}

impl Form {
    /// The file in `name`, if there is one. One without bytes is what a browser sends for a field that was left empty.
    pub fn file(&mut self, name: &str) -> Option<Upload> {
        let at = self.fields.iter().position(|(field, _)| *field == name)?;
        let (_, upload) = self.fields.remove(at);
        (!upload.bytes.is_empty() || upload.name.as_deref().is_some_and(|name| !name.is_empty())).then_some(upload)
    }

    /// All texts in `name`.
    ///
    /// # Errors
    /// When one is not UTF-8.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let fields = self.fields.iter().filter(|(field, _)| *field == name);
        fields
            .map(|(_, upload)| {
                let text = std::str::from_utf8(&upload.bytes).map(str::to_owned);
                text.map_err(|_| ApiError::invalid(name, format!("{name}: not UTF-8 text")))
            })
            .collect()
    }

    /// The text in `name`; an empty one counts as none, as forms send what nobody filled in.
    ///
    /// # Errors
    /// As [`Form::texts`].
    pub fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        Ok(self.texts(name)?.pop().filter(|text| !text.is_empty()))
    }

    /// The value in `name`: a number, `true` or `false`, or a word, as JSON would have it, where a word needs no
    /// quotes.
    ///
    /// # Errors
    /// When it is not what it should be.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let text = text.trim();
        // `True` is what Python's clients make of a boolean.
        let spelled = match text {
            "True" => "true",
            "False" => "false",
            other => other,
        };
        let value = serde_json::from_str(spelled).or_else(|_| serde_json::from_value(text.into()));
        value.map(Some).map_err(|error| ApiError::invalid(name, format!("{name}: {error}")))
    }
}

/// Whether a form was sent.
fn is_form(request: &Request) -> bool {
    let essence = request.content_type().and_then(|kind| kind.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

/// Reads the fields of `known` and passes over all others.
async fn read(request: &Request, body: &mut RequestBody, known: &'static [FormField]) -> Result<Form, ApiError> {
    let kind = request.content_type().unwrap_or_default();
    if !is_form(request) {
        let message = format!("the content type is {kind:?}; expected multipart/form-data with a boundary");
        return Err(ApiError::new(400, "invalid_body", message));
    }
    let boundary = multer::parse_boundary(kind).map_err(|error| {
        ApiError::new(400, "invalid_body", format!("the content type {kind:?} has no usable boundary: {error}"))
    })?;
    let limit = body_limit(request);
    let mut chunks = admit(request, body, limit).await?.into_bytes_stream().boxed();
    let result = fields(&mut chunks, boundary, limit, known).await;
    if result.is_err() {
        drain(chunks).await;
    }
    result
}

async fn fields(
    chunks: &mut BoxStream<'_, std::io::Result<Bytes>>,
    boundary: String,
    limit: usize,
    known: &'static [FormField],
) -> Result<Form, ApiError> {
    let whole = Constraints::new().size_limit(SizeLimit::new().whole_stream(limit as u64));
    let mut parts = Multipart::with_constraints(chunks, boundary, whole);
    let refused = |error: multer::Error| match error {
        multer::Error::StreamSizeExceeded { .. } => too_large(limit),
        other => unreadable(&other),
    };
    let mut form = Form::default();
    while let Some(mut part) = parts.next_field().await.map_err(refused)? {
        // PHP's habit of `name[]` for what may come more than once.
        let name = part.name().map(|name| name.strip_suffix("[]").unwrap_or(name));
        let field = known.iter().find(|field| Some(field.name) == name);
        let Some(field) = field else {
            while part.chunk().await.map_err(refused)?.is_some() {}
            continue;
        };
        let again = form.fields.iter().any(|(name, _)| *name == field.name);
        if again && !field.kind.may_repeat() {
            return Err(ApiError::invalid(field.name, format!("{}: sent twice", field.name)));
        }
        if form.fields.len() == MAX_FIELDS {
            return Err(ApiError::new(400, "invalid_body", format!("the form has more than {MAX_FIELDS} fields")));
        }
        let most = if field.kind.is_file() { limit } else { MAX_TEXT };
        let file_name = part.file_name().map(str::to_owned);
        let mut bytes = BytesMut::new();
        while let Some(chunk) = part.chunk().await.map_err(refused)? {
            if chunk.len() > most - bytes.len() {
                let message = format!("{}: larger than {most} bytes", field.name);
                return Err(ApiError {
                    param: Some(field.name.into()),
                    ..ApiError::new(413, "field_too_large", message)
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        form.fields.push((field.name, Upload { name: file_name, bytes: bytes.freeze() }));
    }
    Ok(form)
}

async fn read_form<T: FromForm>(request: &Request, body: &mut RequestBody) -> Result<T, ApiError> {
    T::from_form(&mut read(request, body, T::FIELDS).await?)
}

fn form_media<T: FromForm>() -> MetaMediaType {
    MetaMediaType { content_type: "multipart/form-data", schema: schema(T::FIELDS) }
}

/// The body of an operation that takes forms only.
pub(crate) struct FormBody<T>(pub T);

impl<'a, T: FromForm> ApiExtractor<'a> for FormBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest { description: None, content: vec![form_media::<T>()], required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        read_form(request, body).await.map(Self).map_err(|error| ErrorReply::from(error).into())
    }
}

/// The body of an operation that takes a form, or JSON with the file as a data URL. What does not call itself a form is
/// taken for JSON.
pub(crate) struct FormOrJson<T>(pub T);

impl<'a, T: FromForm + Type + DeserializeOwned> ApiExtractor<'a> for FormOrJson<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        // JSON first: it has an example, which Swagger UI then offers.
        let json = MetaMediaType { content_type: "application/json", schema: T::schema_ref() };
        Some(MetaRequest { description: None, content: vec![json, form_media::<T>()], required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let value = if is_form(request) {
            read_form(request, body).await
        } else {
            ApiBody::read(request, body).await.map(|ApiBody(value)| value)
        };
        value.map(Self).map_err(|error| ErrorReply::from(error).into())
    }
}

#[cfg(test)]
mod tests;
