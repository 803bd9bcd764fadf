//! `tern compare`: models and quantizations side by side, in this process or by a server; the result as Markdown, CSV or
//! JSON on stdout.

use std::{process::ExitCode, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use tern_compare::{AttachedFile, Column, CompareError, CompareRequest, Comparisons, export};
use tern_store::{Comparison, RedbStore, Status};

use crate::{
    Error,
    cli::{CompareArgs, ComparisonFormat},
    client::Client,
    commands::Models,
    config::Config,
    output::{self, StatusLine},
    signals::Signals,
};

/// Compares, and prints what came of it.
///
/// # Errors
/// What is wrong with the request, or with the server. A model that fails is part of the result, with exit code 1.
pub async fn run(args: CompareArgs, config: Config) -> Result<ExitCode, Error> {
    let mut signals = Signals::listen().map_err(Error::io("signals cannot be received"))?;
    let request = request(&args)?;
    let comparison = tokio::select! {
        comparison = compare(&args, &config, request) => comparison?,
        _ = signals.next() => return Ok(ExitCode::from(130)),
    };
    let format = match args.format {
        ComparisonFormat::Markdown => export::Format::Markdown,
        ComparisonFormat::Csv => export::Format::Csv,
        ComparisonFormat::Json => export::Format::Json,
    };
    output::print(&export::write(&comparison, format).map_err(refused)?);
    let cells = comparison.results["cells"].as_array().map(Vec::as_slice).unwrap_or_default();
    let whole = comparison.status == Status::Complete && cells.iter().all(|cell| cell["error"].is_null());
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn refused(error: CompareError) -> Error {
    Error::Refused(error.to_string())
}

fn request(args: &CompareArgs) -> Result<CompareRequest, Error> {
    let mut parameters = Map::new();
    if let Some(temperature) = args.temperature {
        // As it was typed: 0.7, and not what 32 bits make of it.
        parameters.insert("temperature".into(), json!(temperature.to_string().parse::<f64>().unwrap_or_default()));
    }
    parameters.extend(args.max_tokens.map(|most| ("max_tokens".to_owned(), json!(most.get()))));
    parameters.extend(args.seed.map(|seed| ("seed".to_owned(), json!(seed))));
    let attach = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).map_err(Error::io(path.display().to_string()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok::<_, Error>(AttachedFile { name, media_type: "text/plain".to_owned(), data: BASE64_STANDARD.encode(bytes) })
    };
    let column = |model: &String| Column { model: model.clone(), ..Column::default() };
    Ok(CompareRequest {
        prompts: args.prompt.clone(),
        system_prompt: args.system.clone(),
        attachments: args.attach.iter().map(attach).collect::<Result<_, _>>()?,
        columns: args.compared.iter().map(column).collect(),
        parameters,
        repetitions: args.repetitions.get(),
        warmup: true,
        quality: true,
        ..CompareRequest::default()
    })
}

async fn compare(args: &CompareArgs, config: &Config, request: CompareRequest) -> Result<Comparison, Error> {
    let mut status = StatusLine::new();
    let mut tell = |event: &Value| {
        if let (Some(column), Some(state)) = (event["column"].as_u64(), event["state"].as_str()) {
            let model = args.compared.get(column as usize).map(String::as_str).unwrap_or_default();
            status.set(&format!("{model}: {state}"));
        }
    };
    if let Some(url) = &args.url {
        let client = Client::new(url, args.api_key.clone())?;
        let body = serde_json::to_value(&request).unwrap_or_default();
        let comparison = client.compare(&body, tell).await?;
        return serde_json::from_value(comparison)
            .map_err(|error| Error::Refused(format!("{url} sent a comparison that cannot be read: {error}")));
    }
    let models = Models::open(config)?;
    let comparisons = Comparisons::new(models.registry.clone(), Arc::new(RedbStore::temporary()));
    let mut reader = comparisons.start("cmp_cli".to_owned(), request).await.map_err(refused)?;
    while let Some((_, event)) = reader.next().await {
        tell(&serde_json::to_value(&event).unwrap_or_default());
    }
    comparisons.get("cmp_cli").map_err(refused)
}
