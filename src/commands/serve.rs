//! `tern serve`: the server, from its first line on the terminal to the last request at shutdown.

use std::{io, process::ExitCode, sync::Arc};

use tern_api::{ApiConfig, KeySettings, Server, Services, Tls};
use tern_conversations::{Conversations, Settings};
use tern_registry::{Registry, engines, machine};
use tern_store::{ConversationStore, RedbStore, StoreError};

use crate::{
    Error, VERSION, builtin,
    commands::Models,
    config::{Config, names},
    output,
    settings::LogFormat,
    signals,
    signals::Signals,
};

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the port or the store cannot be had, or the built-in model cannot be placed.
pub async fn run(config: Config) -> Result<ExitCode, Error> {
    // What the user wrote wrongly is said before anything is opened.
    let keys = config.server.all_keys()?;
    let tls =
        config.server.tls.as_ref().map(|(certificate, key)| Tls::load(certificate, key)).transpose()?.map(Arc::new);
    let models = Models::open(&config)?;
    let (store, not_kept) = open_store(&config)?;
    let settings = Settings {
        default_model: Some(config.default_model.clone()),
        greedy_models: builtin::ids().map(ToOwned::to_owned).collect(),
        not_kept: not_kept.clone(),
        ..Settings::default()
    };
    let services = Services {
        registry: models.registry.clone(),
        conversations: Conversations::new(store.clone(), models.registry.clone(), settings),
    };
    let server = &config.server;
    let mut allowed_hosts = server.allowed_hosts.clone();
    allowed_hosts.push(server.host.clone());
    let api = ApiConfig {
        body_limit: server.body_limit,
        allowed_hosts,
        cors_origins: server.cors_origins.clone(),
        keys: keys.clone(),
        aliases: server.aliases.clone(),
        fallback_model: server.fallback_model.clone(),
        allow_image_urls: server.allow_image_urls,
        version: VERSION,
    };
    let address = address(&server.host, server.port);
    let bound = Server::bind(&address, services, api).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortInUse { address: address.clone() },
        _ => Error::Listen { address: address.clone(), source },
    })?;
    let local = bound.local_addr().map_err(Error::io("the server's own address"))?;
    // An address for every interface is none that a browser could open.
    let shown = if local.ip().is_unspecified() { format!("localhost:{}", local.port()) } else { local.to_string() };
    // Before the address is shown: whoever reads it may send a signal.
    let signals = Signals::listen().map_err(Error::io("signals cannot be received"))?;
    let bound = match tls.clone() {
        Some(tls) => bound.with_tls(tls),
        None => bound,
    };
    if let Some(tls) = tls {
        let reload = move || match tls.reload() {
            Ok(()) => tracing::info!("SIGHUP: the certificate was read again"),
            Err(error) => tracing::error!("SIGHUP: the certificate stays as it was: {error}"),
        };
        signals::on_hangup(reload).map_err(Error::io("signals cannot be received"))?;
    }
    let store_line = match not_kept {
        None => store.state().path,
        Some(reason) => format!("in memory, lost at the end: {reason}"),
    };
    for (name, line) in summary(&config, &models.registry, &shown, store_line, &keys) {
        match config.log_format {
            LogFormat::Text => output::print(&format!("{name:<8} {line}\n")),
            LogFormat::Json => tracing::info!("{name}: {line}"),
        }
    }
    bound.run(shutdown(signals), server.grace).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The store of the data directory; in memory, with the reason, where that is wanted or nothing can be written.
fn open_store(config: &Config) -> Result<(Arc<dyn ConversationStore>, Option<String>), Error> {
    let temporary = |reason: String| (Arc::new(RedbStore::temporary()) as _, Some(reason));
    if config.server.no_store {
        return Ok(temporary("--no-store".to_owned()));
    }
    match RedbStore::open(&config.data_dir) {
        Ok(store) => Ok((Arc::new(store), None)),
        Err(error @ (StoreError::Io { .. } | StoreError::DiskFull { .. })) => {
            tracing::warn!("conversations are not kept: {error}. --data-dir sets another folder");
            Ok(temporary(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn address(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(std::net::IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// What a person wants to know at start, in one line each.
fn summary(
    config: &Config,
    registry: &Registry,
    address: &str,
    store: String,
    keys: &[KeySettings],
) -> Vec<(&'static str, String)> {
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let mut lines = vec![("address", format!("{scheme}://{address} (try it out: {scheme}://{address}/docs)"))];
    if !keys.is_empty() {
        lines.push(("keys", format!("{}: {}", keys.len(), names(keys))));
    } else if config.server.no_api_key {
        lines.push(("keys", "none: everyone who reaches the address may do everything".to_owned()));
    }
    let models: Vec<String> = registry.list().into_iter().map(|model| model.entry.id).collect();
    let shown = models.iter().take(6).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if models.len() > 6 { ", ... (tern models)" } else { "" };
    lines.push((
        "models",
        format!("{}: {shown}{more}; .gguf files go into {}", models.len(), config.models_dir.display()),
    ));
    for slot in engines().iter().filter(|slot| slot.name != "echo") {
        lines.push(("engine", engine_line(slot)));
    }
    let detected = machine::threads();
    let why = match config.registry.threads {
        n if n == detected.count => detected.reason,
        _ => format!("as set; {} would be the default: {}", detected.count, detected.reason),
    };
    lines.push(("threads", format!("{} ({why})", config.registry.threads)));
    let budget = match config.registry.memory_budget {
        u64::MAX => "no limit".to_owned(),
        bytes => output::size(bytes),
    };
    let limit = machine::memory_limit().map_or("unknown".to_owned(), output::size);
    lines.push(("memory", format!("budget {budget} for loaded models, of {limit} on this machine")));
    lines.push(("store", store));
    if let Some(file) = &config.file {
        lines.push(("config", file.display().to_string()));
    }
    lines.push(("version", format!("{VERSION}; Ctrl-C stops")));
    lines
}

/// Name, version and instruction sets of an engine, or the feature to enable.
fn engine_line(slot: &tern_registry::EngineSlot) -> String {
    let build = match slot.engine() {
        Ok(engine) => engine.build(),
        Err(error) => return error.to_string(),
    };
    // The widest say it all: who has avx512f has avx2.
    const TELLING: [&str; 9] =
        ["amx_int8", "avx512_bf16", "avx512_vnni", "avx512f", "avx_vnni", "avx2", "sve", "i8mm", "asimddp"];
    let has = |name: &&&str| build.cpu_features.iter().any(|feature| feature == **name);
    let mut sets: Vec<&str> = TELLING.iter().filter(has).copied().take(3).collect();
    sets.extend(build.accelerators.iter().map(String::as_str));
    if sets.is_empty() {
        sets.push("baseline instructions only: see tern doctor");
    }
    format!("{} {} ({}), reads {}", slot.name, build.version, sets.join(", "), slot.reads)
}

/// Waits for the first signal to stop. The second ends the process at once.
async fn shutdown(mut signals: Signals) {
    let name = signals.next().await;
    tracing::info!("{name}: finishing running requests; once more ends at once");
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!("ended with requests running");
        std::process::exit(130);
    });
}
