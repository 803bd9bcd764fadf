//! `POST /api/caption`: what is in an image.

use std::time::Instant;

use poem_openapi::{Object, OpenApi};
use serde::{Deserialize, Serialize};
use tern_engine::{Capability, tasks::Wish};

use crate::{
    app::picture::{EXAMPLE, Picture},
    error::{ApiError, ErrorReply},
    http::{
        body::ApiJson,
        lenient,
        upload::{Form, FormOrJson, FromForm, Upload},
        upload_fields::{FieldKind, FormField},
    },
    routes::ApiTags,
    state::State,
    tasks::{Needed, TaskTimings},
};

/// Tokens of an answer when nothing is said: captions are a sentence.
const DEFAULT_TOKENS: u32 = 50;
/// Most tokens of an answer.
const MAX_TOKENS: u32 = 500;
/// Longest prompt or question in characters; models read 512 tokens, of which each takes one at least.
const MAX_TEXT: usize = 480;

const CAPTION: Needed =
    Needed { capability: Capability::Caption, what: "captions", hint: "`tern pull blip-base` gets one" };
const ANSWER: Needed = Needed {
    capability: Capability::VisualQuestions,
    what: "questions about images",
    hint: "`tern pull blip-vqa-base` gets one",
};

/// An image, and what to say about it.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct CaptionRequest {
    /// Model id, as `GET /v1/models` lists them; without it one in memory, or the smallest that can do this.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The image as a data URL: `data:image/png;base64,...`. PNG, JPEG, WebP, GIF, TIFF and BMP; up to 20 MiB and 50
    /// megapixels.
    #[oai(nullable)]
    pub image: Option<String>,
    /// Words that the caption begins with, such as `a photo of`.
    #[oai(nullable)]
    pub prompt: Option<String>,
    /// Answer this question instead; takes a model that was trained for it.
    #[oai(nullable)]
    pub question: Option<String>,
    /// Most tokens of the answer, 1 to 500. Default 50.
    #[oai(nullable)]
    #[serde(deserialize_with = "lenient::u32")]
    pub max_tokens: Option<u32>,
    #[oai(skip)]
    #[serde(skip)]
    pub(crate) file: Option<Upload>,
}

impl poem_openapi::types::Example for CaptionRequest {
    fn example() -> Self {
        Self { image: Some(EXAMPLE.into()), ..Self::default() }
    }
}

impl FromForm for CaptionRequest {
    const FIELDS: &'static [FormField] = &[
        FormField {
            name: "file",
            kind: FieldKind::File,
            required: true,
            about: "The image: PNG, JPEG, WebP, GIF, TIFF or BMP.",
        },
        FormField { name: "model", kind: FieldKind::Text, required: false, about: "Model id." },
        FormField {
            name: "prompt",
            kind: FieldKind::Text,
            required: false,
            about: "Words that the caption begins with.",
        },
        FormField { name: "question", kind: FieldKind::Text, required: false, about: "Answer this question instead." },
        FormField {
            name: "max_tokens",
            kind: FieldKind::Integer,
            required: false,
            about: "Most tokens of the answer.",
        },
    ];

    fn from_form(form: &mut Form) -> Result<Self, ApiError> {
        Ok(Self {
            file: form.file("file"),
            image: None,
            model: form.text("model")?,
            prompt: form.text("prompt")?,
            question: form.text("question")?,
            max_tokens: form.value("max_tokens")?,
        })
    }
}

/// What was said.
#[derive(Debug, Object, Serialize)]
pub struct CaptionResult {
    /// Model that said it.
    pub model: String,
    /// The caption, or the answer.
    pub text: String,
    /// Token counts.
    pub usage: CaptionUsage,
    /// How long it took.
    pub timings: TaskTimings,
}

/// Token counts.
#[derive(Debug, Object, Serialize)]
pub struct CaptionUsage {
    /// Tokens that were generated, without those of the prompt.
    pub completion_tokens: u32,
}

pub(crate) struct CaptionsApi(pub State);

#[OpenApi(prefix_path = "/api", tag = "ApiTags::Images")]
impl CaptionsApi {
    /// Describe an image, or answer a question about it
    ///
    /// The image comes as `file` in a form, or as a data URL in JSON. It is held in memory while it is looked at and
    /// kept nowhere.
    #[oai(path = "/caption", method = "post", operation_id = "captionImage")]
    async fn caption(&self, request: FormOrJson<CaptionRequest>) -> Result<ApiJson<CaptionResult>, ErrorReply> {
        Ok(ApiJson(caption(&self.0, request.0).await?))
    }
}

async fn caption(state: &State, request: CaptionRequest) -> Result<CaptionResult, ApiError> {
    let started = Instant::now();
    let picture = Picture::of(request.file, request.image)?;
    let text = |name: &str, text: Option<String>| match text {
        Some(text) if text.chars().count() > MAX_TEXT => {
            let message = format!("{name} has {} characters; {MAX_TEXT} are read", text.chars().count());
            Err(ApiError::invalid(name, message))
        }
        text => Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())),
    };
    let (needed, wish) = match (text("prompt", request.prompt)?, text("question", request.question)?) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "prompt",
                "prompt begins a caption and question asks for an answer; send one",
            ));
        }
        (_, Some(question)) => (ANSWER, Wish::Answer(question)),
        (prompt, None) => (CAPTION, Wish::Caption(prompt)),
    };
    let max_tokens = request.max_tokens.unwrap_or(DEFAULT_TOKENS);
    if !(1..=MAX_TOKENS).contains(&max_tokens) {
        return Err(ApiError::invalid(
            "max_tokens",
            format!("max_tokens is {max_tokens}; the range is 1 to {MAX_TOKENS}"),
        ));
    }
    let (lease, load) = state.acquire_able(request.model.as_deref(), needed).await?;
    let described = lease.describer()?.run(move |model, cancelled| {
        Ok(match picture.decode() {
            Ok(image) => Ok(model.describe(&image, &wish, max_tokens as usize, cancelled)?),
            Err(error) => Err(error),
        })
    });
    let description = described.await??;
    Ok(CaptionResult {
        model: lease.entry.id.clone(),
        text: description.text,
        usage: CaptionUsage { completion_tokens: description.tokens as u32 },
        timings: TaskTimings::since(started, load),
    })
}
