//! One [`Config`]: defaults < file < environment < flags; checked once, then only read.
//!
//! clap has already laid flags over the environment when a command's arguments arrive here. This file finds and reads
//! `tern.toml`, lays the arguments over it, fills in the defaults and checks what no single value can show.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use tern_api::{Alias, KeySettings};
use tern_engine::{Head, KvType};
use tern_registry::{ProjectorOf, RegistryConfig, TemplateOverride, machine};

use crate::{
    builtin, cli,
    settings::{FlashArg, HeadArg, KvArg, LogFormat, ModelArgs, PlaceArgs, ServerArgs},
    values::{Budget, Named},
};

mod keys;

pub(crate) use keys::{is_name as is_key_name, names};

/// Everything that can be set, complete and checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// Where conversations, the built-in model and downloads are kept.
    pub data_dir: PathBuf,
    /// Folder whose files are served.
    pub models_dir: PathBuf,
    /// Files served under ids of their own.
    pub models: Vec<Named>,
    /// What `tern chat` opens and `--fallback-model` answers with.
    pub default_model: String,
    /// How models are run.
    pub registry: RegistryConfig,
    /// What the server does beyond that.
    pub server: ServerConfig,
    /// Level or filter of the log; `None` leaves it to the command.
    pub log: Option<String>,
    /// Shape of log lines.
    pub log_format: LogFormat,
}

/// Settings of the server.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address or name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Names the Host header may have.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call the API.
    pub cors_origins: Vec<String>,
    /// Who may ask: keys of flags, the environment and the file; those of `api_key_file` come with [`ServerConfig::all_keys`].
    pub keys: Vec<KeySettings>,
    /// A file with more keys.
    pub api_key_file: Option<PathBuf>,
    /// Whether an address that others reach may be served without a key.
    pub no_api_key: bool,
    /// Files of the certificate and of its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Other names of models.
    pub aliases: Vec<Alias>,
    /// Bytes.
    pub body_limit: usize,
    /// Conversations are kept in memory only.
    pub no_store: bool,
    /// Time that running requests get at shutdown.
    pub grace: Duration,
    /// Answers requests that name an unknown model.
    pub fallback_model: Option<String>,
    /// Whether images may be named by http and https URLs.
    pub allow_image_urls: bool,
}

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("--config {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML, or a value is of the wrong kind.
    #[error("{}: {message}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was found, where, and what was expected.
        message: String,
    },
    /// A key that is no setting.
    #[error("{}: unknown key \"{key}\"; {hint}", path.display())]
    UnknownKey {
        /// Which file.
        path: PathBuf,
        /// What was found.
        key: String,
        /// The nearest key, or all of them.
        hint: String,
    },
    /// A value that cannot be used.
    #[error("--{flag} {value}: {message} (also {} in the environment, or in tern.toml)", cli::variable(flag))]
    Value {
        /// Which flag.
        flag: &'static str,
        /// What was found.
        value: String,
        /// What is allowed.
        message: String,
    },
    /// A key that cannot be used. The key itself is not shown.
    #[error("{place}: {message}")]
    Key {
        /// Where it stands.
        place: String,
        /// What was found, and what is allowed.
        message: String,
    },
    /// An address that others reach, without a key.
    #[error(
        "--host {host}: other machines can reach this address, and there is no key. Make one with `tern key new` and put its \
         lines into tern.toml, or give one with --api-key; --no-api-key serves everyone who reaches it"
    )]
    Open {
        /// The address.
        host: String,
    },
    /// No place for data.
    #[error("no folder for data: neither --data-dir, XDG_DATA_HOME nor HOME is set")]
    NoDataDir,
}

/// What a file may hold: the same settings as the flags.
#[derive(Debug, Default)]
struct Layer {
    places: PlaceArgs,
    models: ModelArgs,
    server: ServerArgs,
}

impl Config {
    /// Lays `places`, `models` and `server` (flags and environment; a command without some of them passes defaults)
    /// over the file, and checks the whole.
    ///
    /// # Errors
    /// See [`ConfigError`]; every message names the flag or key, quotes the value and says what is allowed.
    pub fn load(places: PlaceArgs, models: ModelArgs, server: ServerArgs) -> Result<Self, ConfigError> {
        let file = match &places.config {
            Some(path) => Some(path.clone()),
            None => default_files().into_iter().find(|path| path.is_file()),
        };
        let lower = file.as_deref().map(Layer::read).transpose()?.unwrap_or_default();
        Self::complete(file, places.or(lower.places), models.or(lower.models), server.or(lower.server))
    }

    fn complete(
        file: Option<PathBuf>,
        places: PlaceArgs,
        models: ModelArgs,
        server: ServerArgs,
    ) -> Result<Self, ConfigError> {
        let data_dir = places.data_dir.or_else(default_data_dir).ok_or(ConfigError::NoDataDir)?;
        let default_model = models.default_model.clone().unwrap_or_else(|| builtin::ID.to_owned());
        require_files("model", &places.models)?;
        require_files("template", &models.templates)?;
        require_files("mmproj", &models.mmprojs)?;
        Ok(Self {
            file,
            models_dir: places.models_dir.unwrap_or_else(|| data_dir.join("models")),
            models: places.models,
            server: complete_server(server, &default_model)?,
            registry: complete_registry(models, &data_dir),
            data_dir,
            default_model,
            log: places.log.map(|log| log.0),
            log_format: places.log_format.unwrap_or_default(),
        })
    }
}

impl Layer {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        fn part<'de, T: Deserialize<'de>>(path: &Path, text: &'de str) -> Result<T, ConfigError> {
            let wrong = |error: toml::de::Error| error.to_string().trim_end().to_owned();
            toml::from_str(text).map_err(|error| ConfigError::File { path: path.into(), message: wrong(error) })
        }
        let known = cli::keys();
        if let Some(key) = part::<toml::Table>(path, text)?.keys().find(|key| !known.contains(key)) {
            let hint = nearest(key, &known);
            return Err(ConfigError::UnknownKey { path: path.into(), key: key.clone(), hint });
        }
        let mut layer = Self { places: part(path, text)?, models: part(path, text)?, server: part(path, text)? };
        // A file means the same from wherever tern is started.
        let folder = path.parent().unwrap_or(Path::new(""));
        let named = layer
            .places
            .models
            .iter_mut()
            .chain(&mut layer.models.templates)
            .chain(&mut layer.models.mmprojs)
            .map(|named| &mut named.path);
        let folders = layer.places.data_dir.iter_mut().chain(&mut layer.places.models_dir);
        let server = &mut layer.server;
        let files = server.api_key_file.iter_mut().chain(&mut server.tls_cert).chain(&mut server.tls_key);
        let folders = folders.chain(files);
        named.chain(folders).for_each(|path| *path = resolve(folder, path));
        Ok(layer)
    }
}

/// The key that was probably meant.
fn nearest(key: &str, known: &[String]) -> String {
    // As it would be spelt here: ctx_size and CTX_SIZE are ctx-size.
    let plain = key.to_lowercase().replace('_', "-");
    let best = known.iter().max_by(|a, b| {
        let score = |name: &str| strsim::jaro_winkler(&plain, name);
        score(a).total_cmp(&score(b))
    });
    match best {
        Some(best) if strsim::jaro_winkler(&plain, best) > 0.75 => format!("did you mean \"{best}\"?"),
        _ => format!("keys are {}", known.join(", ")),
    }
}

fn resolve(folder: &Path, path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => folder.join(path),
    }
}

fn default_files() -> Vec<PathBuf> {
    let config_home = absolute("XDG_CONFIG_HOME").or_else(|| env::home_dir().map(|home| home.join(".config")));
    let beside = Some(PathBuf::from("tern.toml"));
    [beside, config_home.map(|folder| folder.join("tern/tern.toml"))].into_iter().flatten().collect()
}

fn default_data_dir() -> Option<PathBuf> {
    let share = absolute("XDG_DATA_HOME").or_else(|| env::home_dir().map(|home| home.join(".local/share")));
    share.map(|folder| folder.join("tern"))
}

/// The XDG rules: a relative path in these variables is to be ignored.
fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn complete_registry(models: ModelArgs, data_dir: &Path) -> RegistryConfig {
    let default = RegistryConfig::default();
    let memory_budget = match models.memory_budget {
        None => default.memory_budget,
        Some(Budget::Bytes(bytes)) => bytes,
        Some(Budget::Percent(percent)) => {
            machine::memory_limit().map_or(u64::MAX, |bytes| (bytes as f64 / 100.0 * f64::from(percent)) as u64)
        }
    };
    RegistryConfig {
        ctx_size: models.ctx_size.map(|n| n.get()),
        parallel: models.parallel.map_or(default.parallel, |n| n.get()),
        queue: models.queue.map_or(default.queue, |n| n.get() as usize),
        batch_size: models.batch_size.map_or(default.batch_size, |n| n.get()),
        threads: models.threads.map_or(default.threads, |n| n.get()),
        kv_type: match models.kv_type {
            None => default.kv_type,
            Some(KvArg::F16) => KvType::F16,
            Some(KvArg::Q8_0) => KvType::Q8_0,
            Some(KvArg::F32) => KvType::F32,
        },
        cache_ram: models.cache_ram.map_or(default.cache_ram, |size| size.0),
        flash_attention: match models.flash_attn {
            None | Some(FlashArg::Auto) => None,
            Some(FlashArg::On) => Some(true),
            Some(FlashArg::Off) => Some(false),
        },
        gpu_layers: models.gpu_layers.map_or(default.gpu_layers, |n| n.get()),
        head: match models.head {
            None | Some(HeadArg::Screened) => Head::Screened,
            Some(HeadArg::F16) => Head::F16,
            Some(HeadArg::Q8_0) => Head::Q8_0,
            Some(HeadArg::Q6K) => Head::Q6K,
        },
        i2s_block: models.i2s_block.map_or(default.i2s_block, |block| block.0),
        kernels: models.kernels.map(|kernels| kernels.name().to_owned()),
        keep_alive: models.keep_alive.map_or(default.keep_alive, |span| span.0),
        memory_budget,
        rewritten_dir: Some(data_dir.join("rewritten")),
        tesseract: Some(models.tesseract.unwrap_or_else(|| "tesseract".to_owned())).filter(|program| program != "off"),
        echo: models.echo.unwrap_or(default.echo),
        projectors: models.mmprojs.into_iter().map(|p| ProjectorOf { model: p.name, path: p.path }).collect(),
        templates: models.templates.into_iter().map(|t| TemplateOverride { model: t.name, path: t.path }).collect(),
    }
}

fn complete_server(server: ServerArgs, default_model: &str) -> Result<ServerConfig, ConfigError> {
    let refuse = |flag, value: &str, message: &str| {
        Err(ConfigError::Value { flag, value: format!("\"{value}\""), message: message.to_owned() })
    };
    let host = server.host.unwrap_or_else(|| "127.0.0.1".to_owned());
    if !is_host(&host) {
        return refuse("host", &host, "expected an IP address or a name, without http:// and without a port");
    }
    if let Some(name) = server.allowed_host.iter().find(|name| *name != "*" && !is_host(name)) {
        return refuse("allowed-host", name, "expected a name such as models.example.org, without http:// or a port");
    }
    if let Some(origin) = server.cors_origin.iter().find(|origin| !is_origin(origin)) {
        return refuse("cors-origin", origin, "expected scheme, host and port only, such as http://localhost:3000");
    }
    let body_limit = server.body_limit.map_or(32 << 20, |size| size.0);
    if !(1 << 10..=1 << 30).contains(&body_limit) {
        return refuse("body-limit", &format!("{body_limit} bytes"), "expected 1KiB to 1GiB");
    }
    let tls = match (server.tls_cert, server.tls_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (Some(path), None) => {
            return refuse("tls-cert", &path.to_string_lossy(), "needs --tls-key, the key of the certificate");
        }
        (None, Some(path)) => return refuse("tls-key", &path.to_string_lossy(), "needs --tls-cert, its certificate"),
    };
    let keys = keys::complete(server.api_key, server.keys)?;
    let aliases = server.aliases.into_iter().map(|alias| Alias { name: alias.name, model: alias.model });
    Ok(ServerConfig {
        keys,
        api_key_file: server.api_key_file,
        no_api_key: server.no_api_key.unwrap_or(false),
        tls,
        aliases: aliases.collect(),
        host,
        port: server.port.map_or(8080, |port| port.get() as u16),
        allowed_hosts: server.allowed_host,
        cors_origins: server.cors_origin,
        body_limit: body_limit as usize,
        no_store: server.no_store.unwrap_or(false),
        grace: server.grace.map_or(Duration::from_secs(30), |span| span.0),
        allow_image_urls: server.allow_image_urls.unwrap_or(false),
        fallback_model: server.fallback_model.unwrap_or(false).then(|| default_model.to_owned()),
    })
}

fn is_host(host: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    host.parse::<std::net::IpAddr>().is_ok() || (!host.is_empty() && host.chars().all(name))
}

fn is_origin(origin: &str) -> bool {
    if origin == "*" {
        return true;
    }
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['/', '*', ' ', '?', '#', '@']))
}

fn require_files(flag: &'static str, named: &[Named]) -> Result<(), ConfigError> {
    match named.iter().find(|named| !named.path.exists()) {
        None => Ok(()),
        Some(Named { name, path }) => Err(ConfigError::Value {
            flag,
            value: format!("{name}={}", path.display()),
            message: "there is no such file".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests;
