//! `POST /api/ocr`: the text of an image; `GET /api/ocr`: whether it can be read, and in which languages.

use std::time::Instant;

use poem_openapi::OpenApi;
use tern_engine::{Capability, tasks::ReadOptions};
use tern_registry::hints;

use crate::{
    app::{
        ocr_types::{OcrRequest, OcrResult, OcrStatus, languages},
        picture::Picture,
    },
    error::{ApiError, ErrorReply},
    http::{body::ApiJson, upload::FormOrJson},
    routes::ApiTags,
    state::State,
    tasks::{Needed, TaskTimings},
};

/// Its id, and the name of its engine.
const TESSERACT: &str = "tesseract";
const OCR: Needed =
    Needed { capability: Capability::Ocr, what: "text recognition", hint: "it takes the program tesseract" };

pub(crate) struct OcrApi(pub State);

#[OpenApi(prefix_path = "/api", tag = "ApiTags::Images")]
impl OcrApi {
    /// Read the text of an image
    ///
    /// The image comes as `file` in a form, or as a data URL in JSON. It is held in memory while it is read and kept
    /// nowhere. Lines come in reading order; corners are pixels of the image as it was sent, turned by its EXIF
    /// orientation.
    #[oai(path = "/ocr", method = "post", operation_id = "readImage")]
    async fn read(&self, request: FormOrJson<OcrRequest>) -> Result<ApiJson<OcrResult>, ErrorReply> {
        Ok(ApiJson(read(&self.0, request.0).await?))
    }

    /// Whether text can be read, and in which languages
    #[oai(path = "/ocr", method = "get", operation_id = "ocrStatus")]
    async fn status(&self) -> Result<ApiJson<OcrStatus>, ErrorReply> {
        Ok(ApiJson(status(&self.0).await?))
    }
}

async fn read(state: &State, request: OcrRequest) -> Result<OcrResult, ApiError> {
    let started = Instant::now();
    let picture = Picture::of(request.file, request.image)?;
    let options = ReadOptions {
        languages: languages(request.language)?,
        find_orientation: request.detect_orientation.unwrap_or(false),
        layout: request.layout.and_then(|layout| layout.of_engine()),
    };
    let name = request.model.as_deref();
    let (lease, load) = match state.acquire_able(name, OCR).await {
        // There is nothing to pull: it is a program of the system.
        Err(error) if error.status == 404 && name.is_none_or(|name| name.trim().is_empty() || name == TESSERACT) => {
            let message = format!("no program that reads text in images is installed; {}", hints::tesseract());
            return Err(ApiError::new(501, "program_not_installed", message));
        }
        other => other?,
    };
    let of_tesseract = lease.entry.engine == TESSERACT;
    let read = lease.reader()?.run(move |reader, cancelled| {
        let image = match picture.decode() {
            Ok(image) => image,
            Err(error) => return Ok(Err(error)),
        };
        let known = reader.languages();
        if let Some(missing) = options.languages.iter().find(|name| !known.contains(name)) {
            return Ok(Err(not_installed(missing, &known, of_tesseract)));
        }
        let page = reader.read(&image, &options, cancelled)?;
        Ok(Ok((page, image.width(), image.height())))
    });
    let (page, width, height) = read.await??;
    let timings = TaskTimings::since(started, load);
    Ok(OcrResult::of(lease.entry.id.clone(), &page, (width, height), timings))
}

fn not_installed(language: &str, known: &[String], of_tesseract: bool) -> ApiError {
    let mut message = format!("the language {language:?} is not installed; there are {}", known.join(", "));
    // Else the hint would quote what cannot be the name of a package.
    if of_tesseract && language.chars().all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c)) {
        message.push_str(&format!(" ({} gets it)", hints::tesseract_language(language)));
    }
    ApiError { code: Some("language_not_installed"), ..ApiError::invalid("language", message) }
}

async fn status(state: &State) -> Result<OcrStatus, ApiError> {
    let Some(model) = state.find_able(None, Capability::Ocr).await? else {
        return Ok(OcrStatus {
            available: false,
            model: None,
            version: None,
            languages: vec![],
            install: Some(hints::tesseract()),
        });
    };
    let lease = state.registry.acquire(&model.entry.id).await?;
    let languages = lease.reader()?.run(|reader, _| Ok(reader.languages())).await?;
    let version = model.entry.info.name;
    Ok(OcrStatus { available: true, model: Some(model.entry.id), version, languages, install: None })
}
