//! `POST /api/pull`: downloads, told as Ollama tells them.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use poem_openapi::{ApiResponse, Object, OpenApi, ResponseContent};
use serde::{Deserialize, Serialize};
use tern_catalog::{HubFile, Progress, PullError, Reference, ReferenceError, Resolution, Stage, reference::MAIN};

use super::{
    errors::OllamaError,
    models::hash,
    names::{has_quantization, repository, spellings},
};
use crate::{
    app::{PullStep, steps},
    error::ApiError,
    http::{
        body::{ApiBody, ApiJson},
        dialect::Refused,
        ndjson::{self, JsonLines},
    },
    routes::ApiTags,
    state::{State, beside},
};

/// The quantization that a repository means without one, as at Ollama.
const USUAL: &str = "Q4_K_M";

/// What to fetch.
#[derive(Debug, Default, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none, example)]
#[serde(default)]
pub struct OllamaPullRequest {
    /// A name of the catalogue, also as `family:size`; `hf.co/org/repo:quantization`; or what `POST /api/models/pull`
    /// takes.
    #[oai(nullable)]
    pub model: Option<String>,
    /// The older name of `model`.
    #[oai(nullable)]
    pub name: Option<String>,
    /// Tell the progress, a JSON object a line. Default true.
    #[oai(nullable)]
    pub stream: Option<bool>,
    /// Accepted; downloads are always checked.
    #[oai(nullable)]
    pub insecure: Option<bool>,
}

impl poem_openapi::types::Example for OllamaPullRequest {
    fn example() -> Self {
        Self { model: Some("qwen2.5:0.5b".into()), ..Self::default() }
    }
}

/// How far a download is; the last has `status: "success"`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object, Serialize)]
#[oai(skip_serializing_if_is_none)]
pub struct OllamaProgress {
    /// `pulling manifest`, `pulling ...`, `verifying sha256 digest`, `writing manifest` or `success`.
    pub status: String,
    /// What is being fetched: the SHA-256 of its name, as its own is known only behind the last byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Bytes in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Bytes on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<u64>,
}

#[derive(ResponseContent)]
pub(crate) enum PullContent {
    Lines(JsonLines<OllamaProgress>),
    Json(ApiJson<OllamaProgress>),
}

#[derive(ApiResponse)]
pub(crate) enum OllamaPullResponse {
    /// A stream of lines, or the last one when `stream` is false.
    #[oai(status = 200)]
    Ok(PullContent),
}

pub(crate) struct OllamaPullApi(pub State);

#[OpenApi(prefix_path = "/api", tag = "ApiTags::Ollama")]
impl OllamaPullApi {
    /// Download a model, as Ollama does
    ///
    /// A JSON object a line, unless `stream` is false. Closing the connection stops the download; the same request
    /// later goes on from there.
    #[oai(path = "/pull", method = "post", operation_id = "ollamaPull")]
    async fn pull(&self, request: ApiBody<OllamaPullRequest>) -> Result<OllamaPullResponse, Refused<OllamaError>> {
        let request = request.0;
        let Some(name) = request.model.or(request.name).filter(|name| !name.trim().is_empty()) else {
            return Err(ApiError::invalid("model", "model is missing").into());
        };
        let reference = resolve(&self.0, name.trim()).await?;
        let steps = steps(self.0.registry.clone(), reference);
        if request.stream.unwrap_or(true) {
            let lines = JsonLines::new(lines(steps), &said("pulling manifest"));
            return Ok(OllamaPullResponse::Ok(PullContent::Lines(lines)));
        }
        let mut steps = std::pin::pin!(steps);
        while let Some(step) = steps.next().await {
            match step {
                PullStep::Progress(_) => {}
                PullStep::Done { .. } => {
                    return Ok(OllamaPullResponse::Ok(PullContent::Json(ApiJson(said("success")))));
                }
                PullStep::Failed(error) => return Err(ApiError::from(error).into()),
            }
        }
        Err(ApiError::new(500, "internal_error", "the download ended without an end").into())
    }
}

/// What a name means to the catalogue.
async fn resolve(state: &State, name: &str) -> Result<Reference, ApiError> {
    if let Some((repository, quantization)) = repository(name) {
        return of_repository(state, repository, quantization).await;
    }
    let catalog = state.registry.catalog().clone();
    let names = spellings(name);
    // Looking for a name reads folders.
    beside(move || {
        let mut refused = None;
        for name in &names {
            let reference = match name.parse::<Reference>() {
                Ok(reference) => reference,
                Err(error) => {
                    refused.get_or_insert(wrong(&error));
                    continue;
                }
            };
            match catalog.resolve(name) {
                Resolution::Unknown { near } => {
                    refused.get_or_insert(PullError::UnknownName { name: name.clone(), near }.into());
                }
                Resolution::Local { .. } | Resolution::NotOnDisk { .. } => return Ok(reference),
            }
        }
        Err(refused.unwrap_or_else(|| ApiError::invalid("model", "model is missing")))
    })
    .await
}

fn wrong(error: &ReferenceError) -> ApiError {
    ApiError::invalid("model", error.to_string())
}

/// The file of a repository with a quantization, or the repository itself if that is a model.
async fn of_repository(state: &State, name: &str, quantization: Option<&str>) -> Result<Reference, ApiError> {
    let repository = Reference::File(HubFile::repository(name, MAIN).map_err(|error| wrong(&error))?);
    let available = match state.registry.catalog().remote_info(&repository).await {
        // What has no model of its own lists the files that it has.
        Err(PullError::NoFolder { available, .. }) => available,
        Err(error) => return Err(error.into()),
        Ok(_) if quantization.is_none() => return Ok(repository),
        Ok(_) => {
            let message = format!("{name} is a model in safetensors, which has no quantizations to choose from");
            return Err(ApiError::invalid("model", message));
        }
    };
    let wanted = quantization.unwrap_or(USUAL);
    let fitting = available.iter().find(|file| has_quantization(file, wanted));
    match fitting.or_else(|| available.first().filter(|_| quantization.is_none())) {
        Some(file) => Ok(Reference::File(HubFile::new(name, MAIN, file).map_err(|error| wrong(&error))?)),
        None => {
            let available = if available.is_empty() { "no GGUF file".to_owned() } else { available.join(", ") };
            let message = format!("{name} has no file with the quantization {wanted}; it has {available}");
            Err(ApiError { param: Some("model".into()), ..ApiError::new(404, "model_not_found", message) })
        }
    }
}

fn said(status: &str) -> OllamaProgress {
    OllamaProgress { status: status.into(), ..OllamaProgress::default() }
}

/// The lines of a download. Nothing is said twice in a row.
fn lines(steps: impl Stream<Item = PullStep> + Send + 'static) -> impl Stream<Item = Bytes> + Send + 'static {
    let first = said("pulling manifest");
    let mut last = first.clone();
    let rest = steps.flat_map(move |step| {
        let lines = match step {
            PullStep::Progress(progress) => {
                let line = of_progress(&progress);
                let is_new = line != last;
                last = line.clone();
                is_new.then(|| ndjson::line(&line)).into_iter().collect()
            }
            PullStep::Done { .. } => vec![ndjson::line(&said("writing manifest")), ndjson::line(&said("success"))],
            PullStep::Failed(error) => vec![ndjson::line(&OllamaError { error: ApiError::from(error).message })],
        };
        stream::iter(lines)
    });
    stream::iter([ndjson::line(&first)]).chain(rest)
}

fn of_progress(progress: &Progress) -> OllamaProgress {
    match progress.stage {
        Stage::Checking => said("pulling manifest"),
        Stage::Downloading => {
            let digest = hash(&progress.file);
            OllamaProgress {
                status: format!("pulling {}", &digest[..12]),
                digest: Some(format!("sha256:{digest}")),
                total: (progress.bytes_total > 0).then_some(progress.bytes_total),
                completed: Some(progress.bytes_done),
            }
        }
        Stage::Verifying | Stage::Done => said("verifying sha256 digest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stage: Stage, bytes_done: u64) -> PullStep {
        PullStep::Progress(Progress {
            stage,
            file: "org/repo:a.gguf".into(),
            bytes_done,
            bytes_total: 100,
            resumed_from: 0,
        })
    }

    async fn all(steps: Vec<PullStep>) -> Vec<serde_json::Value> {
        let lines: Vec<Bytes> = lines(stream::iter(steps)).collect().await;
        lines.iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_download_is_told_in_the_words_that_clients_look_for() {
        let done = PullStep::Done { last: None, model: "a".into() };
        let steps = vec![
            at(Stage::Checking, 0),
            at(Stage::Downloading, 10),
            at(Stage::Downloading, 100),
            at(Stage::Verifying, 100),
            at(Stage::Done, 100),
            done,
        ];
        let lines = all(steps).await;
        let digest = lines[1]["digest"].as_str().unwrap();
        assert_eq!(digest.len(), "sha256:".len() + 64);
        let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_str().unwrap().to_owned()).collect();
        let pulling = format!("pulling {}", &digest[7..19]);
        let expected =
            ["pulling manifest", &pulling, &pulling, "verifying sha256 digest", "writing manifest", "success"];
        assert_eq!(statuses, expected);
        assert_eq!((&lines[1]["completed"], &lines[1]["total"]), (&10.into(), &100.into()));
        assert_eq!(lines[2]["digest"], lines[1]["digest"]);
    }

    #[tokio::test]
    async fn a_download_that_fails_ends_with_its_error() {
        let lines = all(vec![PullStep::Failed(PullError::Cancelled)]).await;
        assert_eq!(lines.len(), 2);
        assert!(lines[1]["error"].is_string() && lines[1].as_object().unwrap().len() == 1, "{lines:?}");
    }
}
