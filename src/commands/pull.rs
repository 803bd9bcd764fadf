//! `tern pull`: fetches a model, after saying what that means for disk and memory.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    sync::Mutex,
    time::Instant,
};

use serde_json::Value;
use tern_catalog::{Cancel, Catalog, Progress, Reference, ReferenceError, RemoteInfo, Resolution, Stage};
use tern_engine::{Cost, ModelInfo};
use tern_gguf::summary;
use tern_registry::engine_for;

use crate::{Error, cli::PullArgs, commands::Models, config::Config, output, output::StatusLine, signals::Signals};

/// Fetches the model, unless it is here or would not fit into memory.
///
/// # Errors
/// A name nobody knows, a model that would not fit (without `--force`), and what can go wrong in a download.
pub async fn run(args: PullArgs, config: Config) -> Result<ExitCode, Error> {
    let models = Models::open(&config)?;
    let catalog = models.registry.catalog();
    if let Resolution::Local { model, .. } = catalog.resolve(&args.model) {
        println!("{} is here already: {}", model.id, model.path.display());
        return Ok(ExitCode::SUCCESS);
    }
    let reference: Reference = args.model.parse().map_err(|error: ReferenceError| Error::Refused(error.to_string()))?;
    let mut signals = Signals::listen().map_err(Error::io("signals cannot be received"))?;

    let remote = tokio::select! {
        remote = catalog.remote_info(&reference) => remote?,
        _ = signals.next() => return Ok(ExitCode::from(130)),
    };
    let parts = if remote.parts.len() > 1 { format!(" in {} files", remote.parts.len()) } else { String::new() };
    eprintln!("{}: {}{parts}", remote.file, output::size(remote.bytes));
    let info = tokio::select! {
        info = info(catalog, &reference, &remote) => info?,
        _ = signals.next() => return Ok(ExitCode::from(130)),
    };
    eprintln!("{}", describe(&info));
    let cost = cost(&info, &config);
    check_memory(&cost, &config, args.force)?;

    let cancel = Cancel::default();
    let display = Mutex::new(Display::new());
    let show = |progress: &Progress| {
        if let Ok(mut display) = display.lock() {
            display.show(progress);
        }
    };
    let pull = catalog.pull(&reference, &show, &cancel);
    tokio::pin!(pull);
    let path = tokio::select! {
        path = &mut pull => path,
        _ = signals.next() => {
            cancel.cancel();
            pull.await
        }
    };
    if let Ok(mut display) = display.lock() {
        display.line.clear();
    }
    if cancel.is_cancelled() && path.is_err() {
        eprintln!("Stopped. The same command goes on from here.");
        return Ok(ExitCode::from(130));
    }
    println!("{}", path?.display());
    let name = match &reference {
        Reference::Name { .. } => reference.to_string(),
        Reference::File(file) => file.to_string(),
    };
    // Models of other tasks have no dialogue.
    let first =
        if info.architecture.ends_with("ForCausalLM") || !remote.file.is_repository() { "chat" } else { "inspect" };
    eprintln!("Ready: tern {first} {name}");
    Ok(ExitCode::SUCCESS)
}

/// What the hub tells of the model before its weights are fetched.
async fn info(catalog: &Catalog, reference: &Reference, remote: &RemoteInfo) -> Result<ModelInfo, Error> {
    if let Some(config) = catalog.remote_config(reference).await? {
        return Ok(folder_info(&config, remote.bytes));
    }
    let header = catalog.remote_header(reference).await?;
    let info =
        summary::model_info(&header).map_err(|source| Error::Gguf { path: remote.file.file().into(), source })?;
    // The first part of a split model knows only its own tensors; the hub knows the size of all.
    Ok(ModelInfo { weights_bytes: info.weights_bytes.max(remote.bytes), ..info })
}

/// What the `config.json` of a folder says, for an estimate: its engine reads it exactly when it is there.
fn folder_info(config: &Value, bytes: u64) -> ModelInfo {
    let number = |fields: &[&str]| {
        let number = fields.iter().find_map(|&field| config[field].as_u64()).unwrap_or(0);
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let architecture = config["architectures"][0].as_str().unwrap_or_default();
    let hidden_size = number(&["hidden_size", "d_model"]);
    let num_layers = number(&["num_hidden_layers", "encoder_layers"]);
    let num_heads = number(&["num_attention_heads", "encoder_attention_heads"]).max(1);
    let num_kv_heads = number(&["num_key_value_heads", "num_attention_heads"]);
    let head_size = config["head_dim"].as_u64().unwrap_or(u64::from(hidden_size / num_heads));
    let kv_values = 2 * u64::from(num_layers) * u64::from(num_kv_heads) * head_size.min(1 << 20);
    let (kind, size) = match config["dtype"].as_str().or(config["torch_dtype"].as_str()) {
        Some("bfloat16") => ("BF16", 2),
        Some("float16") => ("F16", 2),
        _ => ("F32", 4),
    };
    ModelInfo {
        name: None,
        architecture: architecture.into(),
        quantization: kind.into(),
        parameters: bytes / size,
        weights_bytes: bytes,
        context_length: number(&["max_position_embeddings", "max_source_positions"]),
        vocab_size: number(&["vocab_size"]),
        hidden_size,
        num_layers,
        num_heads,
        num_kv_heads,
        kv_values_per_token: if architecture.ends_with("ForCausalLM") { kv_values } else { 0 },
        chat_template: None,
        bos_token: None,
        eos_token: None,
        capabilities: Vec::new(),
        license: None,
    }
}

fn describe(info: &ModelInfo) -> String {
    let license = info.license.as_deref().map_or(String::new(), |license| format!(", licence {license}"));
    format!(
        "{}, {} parameters, {}, context {} tokens{license}",
        info.architecture,
        output::count(info.parameters),
        info.quantization,
        info.context_length
    )
}

/// What the model would take with the settings at hand.
fn cost(info: &ModelInfo, config: &Config) -> Cost {
    let options = config.registry.load_options(info);
    match engine_for(info) {
        Some(engine) => engine.estimate(info, &options),
        // No engine in this build: weights and cache are the same in all of them.
        None => Cost {
            weights_bytes: info.weights_bytes,
            kv_bytes_per_token: options.kv_type.bytes(info.kv_values_per_token),
            context_tokens: options.kv_cells,
            fixed_bytes: 0,
        },
    }
}

fn check_memory(cost: &Cost, config: &Config, force: bool) -> Result<(), Error> {
    let (needed, budget) = (cost.total_bytes(), config.registry.memory_budget);
    let numbers = format!(
        "{} of memory at {} tokens of context ({} weights, {} KV cache, {} buffers)",
        output::size(needed),
        cost.context_tokens,
        output::size(cost.weights_bytes),
        output::size(cost.kv_bytes()),
        output::size(cost.fixed_bytes)
    );
    if needed <= budget {
        let budget = if budget == u64::MAX { String::new() } else { format!(" of {}", output::size(budget)) };
        eprintln!("It will take {numbers}{budget}.");
        return Ok(());
    }
    let advice = "A smaller --ctx-size, --kv-type q8_0 or a smaller quantization takes less";
    if force {
        eprintln!("It would take {numbers}, more than the budget of {}. {advice}.", output::size(budget));
        return Ok(());
    }
    Err(Error::Refused(format!(
        "it would take {numbers}, more than the budget of {} (--memory-budget). {advice}; --force fetches it all the same",
        output::size(budget)
    )))
}

/// The progress of a download: a line that changes at a terminal, a line for each tenth elsewhere.
struct Display {
    line: StatusLine,
    terminal: bool,
    started: Option<(Instant, u64)>,
    tenth: u64,
}

impl Display {
    fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        Self { line: StatusLine::new(), terminal, started: None, tenth: 0 }
    }

    fn show(&mut self, progress: &Progress) {
        let Progress { stage, bytes_done, bytes_total, .. } = *progress;
        if stage == Stage::Downloading {
            self.started.get_or_insert((Instant::now(), bytes_done));
        }
        let text = self.text(progress);
        if self.terminal {
            return self.line.set(&text);
        }
        let tenth = (bytes_done * 10).checked_div(bytes_total).unwrap_or(0);
        if tenth > self.tenth {
            self.tenth = tenth;
            eprintln!("{text}");
        }
    }

    fn text(&self, progress: &Progress) -> String {
        let Progress { stage, bytes_done, bytes_total, resumed_from, .. } = *progress;
        match stage {
            Stage::Checking => "asking the hub ...".to_owned(),
            Stage::Verifying => "comparing checksums ...".to_owned(),
            Stage::Done => format!("{} fetched", output::size(bytes_total)),
            Stage::Downloading => {
                let share = bytes_done as f64 / bytes_total.max(1) as f64;
                let filled = ((share * 30.0) as usize).min(30);
                let bar = format!("{}{}", "█".repeat(filled), "░".repeat(30 - filled));
                let mut text = format!(
                    "{bar} {:>3.0} %  {} of {}",
                    share * 100.0,
                    output::size(bytes_done),
                    output::size(bytes_total)
                );
                if let Some((at, from)) = self.started {
                    let rate = bytes_done.saturating_sub(from) as f64 / at.elapsed().as_secs_f64();
                    // The first moments give wild numbers.
                    if rate >= 1.0 && at.elapsed().as_secs() >= 1 {
                        let left = std::time::Duration::from_secs_f64((bytes_total - bytes_done) as f64 / rate);
                        text.push_str(&format!(", {}/s, {} left", output::size(rate as u64), output::duration(left)));
                    }
                }
                if resumed_from > 0 {
                    text.push_str(&format!(" (resumed at {})", output::size(resumed_from)));
                }
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_the_share_and_where_it_resumed() {
        let display = Display { line: StatusLine::new(), terminal: false, started: None, tenth: 0 };
        let progress = Progress {
            stage: Stage::Downloading,
            file: "org/repo:a.gguf".to_owned(),
            bytes_done: 512 << 20,
            bytes_total: 1 << 30,
            resumed_from: 256 << 20,
        };
        let text = display.text(&progress);
        assert!(text.contains(&format!("{}{}", "█".repeat(15), "░".repeat(15))), "{text}");
        assert!(text.contains(" 50 %  512.0 MiB of 1.0 GiB (resumed at 256.0 MiB)"), "{text}");
    }
}
