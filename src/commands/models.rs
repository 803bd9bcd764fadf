//! `tern models`: what is on disk, and what the catalogue has.

use std::process::ExitCode;

use serde_json::{Value, json};
use tern_catalog::{LocalModel, Resolution};
use tern_engine::Capability;
use tern_registry::{ModelStatus, Registry};

use crate::{
    Error,
    commands::Models,
    config::Config,
    output::{self, Table},
};

/// Prints both lists.
///
/// # Errors
/// When the built-in model cannot be placed or the hub's settings cannot be read.
pub async fn run(json: bool, config: Config) -> Result<ExitCode, Error> {
    let models = Models::open(&config)?;
    let registry = &models.registry;
    let local: Vec<_> = registry.catalog().local().into_iter().map(|local| row(registry, local)).collect();
    if json {
        let on_disk: Vec<_> = local.iter().map(Row::json).collect();
        output::print_json(&json!({"on_disk": on_disk, "catalogue": catalogue_json(registry)}));
        return Ok(ExitCode::SUCCESS);
    }
    output::print(&on_disk_table(&local));
    output::print(&format!(
        "Put .gguf files, or folders with config.json and safetensors, into {} to have them served.\n\n",
        config.models_dir.display()
    ));
    output::print(&catalogue_table(registry));
    output::print("* is on disk. Fetch one with: tern pull NAME, or NAME:QUANT for another than the first.\n");
    Ok(ExitCode::SUCCESS)
}

/// A file, and what an engine says about it.
struct Row {
    local: LocalModel,
    status: Result<ModelStatus, String>,
}

fn row(registry: &Registry, local: LocalModel) -> Row {
    let status = registry.status(&local.id).map_err(|error| error.to_string());
    Row { local, status }
}

impl Row {
    fn json(&self) -> Value {
        let LocalModel { id, aliases, path, origin, bytes } = &self.local;
        let mut value = json!({"id": id, "aliases": aliases, "path": path, "origin": origin, "bytes": bytes});
        match &self.status {
            Err(error) => value["error"] = json!(error),
            Ok(ModelStatus { entry, cost, context_length, .. }) => {
                value["engine"] = json!(entry.engine);
                value["architecture"] = json!(entry.info.architecture);
                value["quantization"] = json!(entry.info.quantization);
                value["parameters"] = json!(entry.info.parameters);
                value["capabilities"] = json!(entry.info.capabilities);
                value["context_length"] = json!(context_length);
                value["memory_bytes"] = json!(cost.total_bytes());
            }
        }
        value
    }
}

fn on_disk_table(rows: &[Row]) -> String {
    let mut table = Table::new(["ON DISK", "PARAMETERS", "WEIGHTS", "SIZE", "MEMORY", "CONTEXT", "DOES", "FILE"])
        .right(&[1, 3, 4, 5]);
    for Row { local, status } in rows {
        let (size, path) = (output::size(local.bytes), local.path.display().to_string());
        match status {
            Ok(ModelStatus { entry, cost, context_length, .. }) => table.row([
                entry.id.clone(),
                output::count(entry.info.parameters),
                entry.info.quantization.clone(),
                size,
                output::size(cost.total_bytes()),
                context_length.to_string(),
                capabilities(&entry.info.capabilities),
                path,
            ]),
            Err(error) => {
                let dash = || "-".to_owned();
                let why = format!("{path}: {error}");
                table.row([local.id.clone(), dash(), dash(), size, dash(), dash(), dash(), why]);
            }
        }
    }
    table.render()
}

fn capabilities(capabilities: &[Capability]) -> String {
    let word = |capability: &Capability| match capability {
        Capability::Chat => Some("chat"),
        Capability::Embedding => Some("embeddings"),
        // Whoever chats also completes.
        Capability::Completion if capabilities.contains(&Capability::Chat) => None,
        other => Some(other.name()),
    };
    capabilities.iter().filter_map(word).collect::<Vec<_>>().join(", ")
}

/// The quantizations of a row, the default first, with whether each is on disk.
fn quants<'a>(registry: &Registry, entry: &'a tern_catalog::Entry) -> Vec<(&'a tern_catalog::Quant, bool)> {
    let mut quants: Vec<_> = entry.quants.iter().collect();
    quants.sort_by_key(|quant| *quant != entry.default_quant());
    let on_disk = |quant| matches!(registry.catalog().resolve(&entry.id(quant)), Resolution::Local { .. });
    quants.into_iter().map(|quant| (quant, on_disk(quant))).collect()
}

fn catalogue_table(registry: &Registry) -> String {
    let mut table = Table::new(["CATALOGUE", "PARAMETERS", "LICENCE", "WEIGHTS TO CHOOSE FROM"]).right(&[1]);
    for entry in registry.catalog().entries() {
        let quants = quants(registry, entry).into_iter().map(|(quant, on_disk)| {
            let size = quant.bytes.map_or(String::new(), |bytes| format!(" ({})", output::size(bytes)));
            format!("{}{size}{}", quant.name, if on_disk { "*" } else { "" })
        });
        let quants = quants.collect::<Vec<_>>().join(", ");
        table.row([entry.name, entry.parameters, entry.license, quants.as_str()]);
    }
    table.render()
}

fn catalogue_json(registry: &Registry) -> Vec<Value> {
    let entry_json = |entry: &tern_catalog::Entry| {
        let files = quants(registry, entry).into_iter().map(|(quant, on_disk)| {
            json!({
                "id": entry.id(quant), "aliases": entry.aliases(quant), "quantization": quant.name,
                "engine": quant.engine, "repo": quant.repo, "file": quant.file, "bytes": quant.bytes,
                "on_disk": on_disk,
            })
        });
        json!({
            "name": entry.name, "title": entry.title, "parameters": entry.parameters, "license": entry.license,
            "files": files.collect::<Vec<_>>(),
        })
    };
    registry.catalog().entries().iter().map(entry_json).collect()
}
