//! Every setting, once: its flag, its variable, its key in `tern.toml` and its help, which is the reference.
//!
//! All are optional here; `config.rs` lays the layers over each other, fills in the defaults and checks the whole.
//! To add a setting: a field here, a line in the `or` of its struct, and its use in `config.rs`.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use serde::{Deserialize, Deserializer, de};

use tern_api::{KeyHash, KeyScope};

use crate::values::{Block, Budget, LogFilter, Named, Renamed, Size, Span, SpanOrNever, Whole};

/// Where things are, and what is logged. Every command has these.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Files and logs")]
pub struct PlaceArgs {
    /// Read settings from this TOML file, whose keys are the names of these flags.
    ///
    /// A key that is no setting is an error. Paths in the file are relative to its folder.
    /// [default: ./tern.toml, else $XDG_CONFIG_HOME/tern/tern.toml, if there is one]
    #[arg(long, env = "TERN_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Keep conversations, the built-in model and, unless --models-dir says otherwise, downloaded models under this folder.
    ///
    /// [default: $XDG_DATA_HOME/tern, else ~/.local/share/tern]
    #[arg(long, env = "TERN_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Serve every .gguf file in this folder; the id is the file's name without .gguf. [default: DATA/models]
    ///
    /// The folder is read again while the server runs: a file put there needs no restart.
    #[arg(long, env = "TERN_MODELS_DIR", value_name = "DIR")]
    pub models_dir: Option<PathBuf>,
    /// Serve the file PATH, wherever it is, as ID. Repeatable; in the environment separated by commas; in the file
    /// a table [models] with lines ID = "PATH".
    #[arg(long = "model", env = "TERN_MODEL", value_name = "ID=PATH", value_delimiter = ',')]
    #[serde(deserialize_with = "table")]
    pub models: Vec<Named>,
    /// Log this much, on stderr: off, error, warn, info, debug or trace, also by module (info,tern_scheduler=debug).
    ///
    /// debug writes several lines a request, trace slows generation down. [default: info for serve, else warn]
    #[arg(long, env = "TERN_LOG", value_name = "LEVEL")]
    pub log: Option<LogFilter>,
    /// Log as readable lines, or as one JSON object a line for a log collector (serve then prints nothing else).
    /// [default: text]
    #[arg(long, env = "TERN_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How models are run. Commands that load a model have these.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Models")]
pub struct ModelArgs {
    /// Tokens of KV cache that all sequences of a model share, 16 to 16777216.
    ///
    /// More lets prompts be longer and keeps more of them for reuse, and takes memory at load (`tern inspect` says
    /// how much a token). A prompt that does not fit is refused. [default: the model's context length, at most 8192]
    #[arg(long, env = "TERN_CTX_SIZE", value_name = "N")]
    pub ctx_size: Option<Whole<16, 16_777_216>>,
    /// Sequences of a model that run at once, 1 to 256; further requests wait.
    ///
    /// More serves more clients at once, each of them slower, as they share --ctx-size and the processors.
    /// [default: 8]
    #[arg(long, env = "TERN_PARALLEL", value_name = "N")]
    pub parallel: Option<Whole<1, 256>>,
    /// Requests that may wait for each model, 0 to 100000; beyond it they get 503 with retry-after. [default: 64]
    #[arg(long, env = "TERN_QUEUE", value_name = "N")]
    pub queue: Option<Whole<0, 100_000>>,
    /// Processor threads of a forward pass, 1 to 1024.
    ///
    /// More than there are physical cores is slower, and far slower in a container with a CPU quota.
    /// [default: the fewest of physical cores, CPU affinity and cgroup quota]
    #[arg(long, env = "TERN_THREADS", value_name = "N")]
    pub threads: Option<Whole<1, 1024>>,
    /// Prompt tokens computed in one piece, 1 to 65536.
    ///
    /// A larger piece computes long prompts faster, takes more memory, and makes running answers wait longer while a
    /// new prompt is computed. [default: 512]
    #[arg(long, env = "TERN_BATCH_SIZE", value_name = "N")]
    pub batch_size: Option<Whole<1, 65_536>>,
    /// Store keys and values as 16-bit floats (f16), 8-bit blocks (q8_0) or 32-bit floats (f32): q8_0 takes about half the
    /// memory and costs a little exactness, f32 takes twice as much and rounds nothing. [default: f16]
    #[arg(long, env = "TERN_KV_TYPE", value_name = "TYPE")]
    pub kv_type: Option<KvArg>,
    /// Memory in which each model keeps conversations outside its KV cache while others run, at most as much as the KV
    /// cache itself takes. [default: 512MiB]
    ///
    /// With 0, finished conversations stay in the KV cache until their place is needed; their cells slow the running ones
    /// down, and fewer are remembered. Models of the bitnet engine need none.
    #[arg(long, env = "TERN_CACHE_RAM", value_name = "SIZE")]
    pub cache_ram: Option<Size>,
    /// Flash attention: less memory traffic on long contexts; auto lets the engine choose. [default: auto]
    #[arg(long, env = "TERN_FLASH_ATTN", value_name = "WHEN")]
    pub flash_attn: Option<FlashArg>,
    /// Layers put on the GPU, 0 to 10000, in a build with cuda, metal or vulkan; 999 puts all there. [default: 0]
    ///
    /// More is faster as long as they fit into the card's memory; too many make the load fail.
    #[arg(long, env = "TERN_GPU_LAYERS", value_name = "N")]
    pub gpu_layers: Option<Whole<0, 10_000>>,
    /// How BitNet models keep their output matrix: screened (exact, and fastest), f16, q8_0 or q6_k. [default: screened]
    ///
    /// f16 reads the matrix whole for each token, as published. screened adds an 8-bit copy of it, half its size, which
    /// finds the rows that can matter: the same tokens for greedy and top-k sampling; what needs every probability reads
    /// the whole matrix. q8_0 and q6_k round it at load: the smallest memory, not exact.
    #[arg(long, env = "TERN_HEAD", value_name = "KIND")]
    pub head: Option<HeadArg>,
    /// Weights of a block of i2_s tensors, 128 or 64: 64 for files that bitnet.cpp quantized on ARM since November 2025,
    /// which carry no mark and give word salad otherwise. [default: 128]
    #[arg(long, env = "TERN_I2S_BLOCK", value_name = "N")]
    pub i2s_block: Option<Block>,
    /// Instruction set of the BitNet kernels: reference, avx2, avxvnni, avx512, amx, dotprod or i8mm.
    ///
    /// All give the same integers; a slower one than the processor has is for tests and comparisons. [default: the
    /// fastest that the processor has]
    #[arg(long, env = "TERN_KERNELS", value_name = "NAME")]
    pub kernels: Option<KernelsArg>,
    /// Take an idle model out of memory after this time (30s, 5m, 2h); never keeps it. [default: 30m]
    ///
    /// The next request loads it again, and waits for that.
    #[arg(long, env = "TERN_KEEP_ALIVE", value_name = "DURATION")]
    pub keep_alive: Option<SpanOrNever>,
    /// Memory all loaded models may take together, as a size (4GiB) or a share of what machine and cgroups allow.
    ///
    /// When a model would not fit, idle ones are unloaded; if that does not suffice, the load is refused with the
    /// numbers. [default: 90%]
    #[arg(long, env = "TERN_MEMORY_BUDGET", value_name = "SIZE")]
    pub memory_budget: Option<Budget>,
    /// The program that reads text in images: a name in PATH, or a path; off for none. [default: tesseract]
    ///
    /// Where it is there it is a model called tesseract. It runs as a process of its own for each page.
    #[arg(long, env = "TERN_TESSERACT", value_name = "PROGRAM")]
    pub tesseract: Option<String>,
    /// Also list the models of the test engine, which gives scripted answers without weights.
    #[arg(long, env = "TERN_ECHO", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub echo: Option<bool>,
    /// The model that `tern chat` opens and that --fallback-model answers with. [default: tern-guide]
    #[arg(long, env = "TERN_DEFAULT_MODEL", value_name = "ID")]
    pub default_model: Option<String>,
    /// Use the chat template (Jinja) in FILE for model ID instead of its own. Repeatable; in the file a table
    /// [templates] with lines ID = "FILE".
    #[arg(long = "template", env = "TERN_TEMPLATE", value_name = "ID=FILE", value_delimiter = ',')]
    #[serde(deserialize_with = "table")]
    pub templates: Vec<Named>,
    /// Let model ID see with the projector in PATH instead of one that lies beside it. Repeatable; in the file a table
    /// [mmprojs] with lines ID = "PATH".
    ///
    /// A file with mmproj in its name in the model's own folder is found by itself.
    #[arg(long = "mmproj", env = "TERN_MMPROJ", value_name = "ID=PATH", value_delimiter = ',')]
    #[serde(deserialize_with = "table")]
    pub mmprojs: Vec<Named>,
}

/// What the server does beyond running models.
#[derive(Debug, Clone, Default, PartialEq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Address to listen on: an IP address or a name. 0.0.0.0 lets other machines in, which takes a key (--api-key, or
    /// [[keys]] in the file) or --no-api-key. [default: 127.0.0.1]
    #[arg(long, env = "TERN_HOST", value_name = "HOST")]
    pub host: Option<String>,
    /// Port to listen on, 0 to 65535; 0 takes a free one and prints it. [default: 8080]
    #[arg(long, env = "TERN_PORT", value_name = "PORT")]
    pub port: Option<Whole<0, 65_535>>,
    /// Also answer requests whose Host header has this name. Repeatable, or separated by commas.
    ///
    /// Others than localhost, IP addresses and --host get 403, so that a web page cannot reach the server under a
    /// name of its own (DNS rebinding). A reverse proxy's public name belongs here; * switches the check off.
    #[arg(long, env = "TERN_ALLOWED_HOST", value_name = "NAME", value_delimiter = ',')]
    #[serde(deserialize_with = "list")]
    pub allowed_host: Vec<String>,
    /// Let web pages of this origin (http://localhost:3000) call the API. Repeatable, or separated by commas.
    ///
    /// Pages of this machine may anyway. * lets every page a browser visits use the models.
    #[arg(long, env = "TERN_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(deserialize_with = "list")]
    pub cors_origin: Vec<String>,
    /// Let in only who sends this key, as Authorization: Bearer KEY, x-api-key or api-key. Repeatable, or separated by
    /// commas.
    ///
    /// Without a key everyone who reaches the address may do everything. A key given so may do everything too; keys with
    /// less, and with limits, stand in the file as [[keys]], by their SHA-256 alone (`tern key new`). The list of processes
    /// shows flags to everyone on this machine; the environment and --api-key-file do not.
    #[arg(long, env = "TERN_API_KEY", value_name = "KEY", value_delimiter = ',', hide_env_values = true)]
    #[serde(deserialize_with = "list")]
    pub api_key: Vec<String>,
    /// Also let in who sends one of the keys in this file, one a line; lines with # are comments.
    ///
    /// They may do everything, as with --api-key. The file is read once, at start.
    #[arg(long, env = "TERN_API_KEY_FILE", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Serve an address that other machines reach without any key: everyone there may use the models, read the
    /// conversations and delete models.
    #[arg(long, env = "TERN_NO_API_KEY", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub no_api_key: Option<bool>,
    /// Speak TLS (https) with the certificate in this PEM file, and with nobody otherwise; needs --tls-key.
    ///
    /// Certificates that vouch for it follow it in the file. SIGHUP reads both files again.
    #[arg(long, env = "TERN_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, in PEM and without a password.
    #[arg(long, env = "TERN_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Let MODEL also answer to NAME, in which * stands for any text (gpt-*=qwen2.5-0.5b). Repeatable; in the file a table
    /// [aliases] with lines NAME = "MODEL".
    ///
    /// For programs that know the names of vendors only. A model of that very name wins, then the longest pattern.
    #[arg(long = "alias", env = "TERN_ALIAS", value_name = "NAME=MODEL", value_delimiter = ',')]
    #[serde(deserialize_with = "renamed")]
    pub aliases: Vec<Renamed>,
    /// Keys of the file.
    #[arg(skip)]
    pub keys: Vec<KeyArg>,
    /// Largest request body, 1KiB to 1GiB; a larger one gets 413. [default: 32MiB]
    #[arg(long, env = "TERN_BODY_LIMIT", value_name = "SIZE")]
    pub body_limit: Option<Size>,
    /// Keep conversations in memory only: they are lost when the server ends.
    ///
    /// Without it they are in store.redb in the data folder, which one server may have open at a time.
    #[arg(long, env = "TERN_NO_STORE", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub no_store: Option<bool>,
    /// Time that running requests get to finish after Ctrl-C or SIGTERM; then they are ended. [default: 30s]
    #[arg(long, env = "TERN_GRACE", value_name = "DURATION")]
    pub grace: Option<Span>,
    /// Answer requests that name an unknown model with --default-model instead of 404.
    ///
    /// For programs whose model name cannot be changed; a misspelt name then goes unnoticed.
    #[arg(long, env = "TERN_FALLBACK_MODEL", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub fallback_model: Option<bool>,
    /// Fetch images that a message names by http or https URL.
    ///
    /// The server then connects to hosts that its clients choose, though never to this machine or its network: addresses
    /// that are not public are refused, behind redirects too. Without it images come as data URLs.
    #[arg(long, env = "TERN_ALLOW_IMAGE_URLS", num_args = 0..=1, default_missing_value = "true", require_equals = true,
          value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub allow_image_urls: Option<bool>,
}

/// A key in the file, under [[keys]].
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyArg {
    /// What figures and errors call it.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: KeyHash,
    /// What it is for. Default: chats.
    #[serde(default)]
    pub scopes: Vec<ScopeArg>,
    /// Most requests to models within a minute.
    #[serde(default, alias = "requests_per_minute")]
    pub requests_per_minute: Option<Whole<1, 1_000_000_000>>,
    /// Most tokens within a minute, of prompts and answers.
    #[serde(default, alias = "tokens_per_minute")]
    pub tokens_per_minute: Option<Whole<1, 1_000_000_000>>,
    /// Most requests to models at the same time.
    #[serde(default, alias = "max_concurrent")]
    pub max_concurrent: Option<Whole<1, 100_000>>,
    /// Model for requests that name none.
    #[serde(default, alias = "default_model")]
    pub default_model: Option<String>,
    /// Models that may be asked; all, if there are none here.
    #[serde(default, deserialize_with = "list")]
    pub models: Vec<String>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopeArg {
    /// Asking models, and the page.
    #[default]
    Chat,
    /// That, and loading, unloading, fetching and deleting models, and all figures.
    Admin,
}

impl From<ScopeArg> for KeyScope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Chat => Self::Chat,
            ScopeArg::Admin => Self::Admin,
        }
    }
}

/// Shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How keys and values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
pub enum KvArg {
    /// 16-bit floats.
    #[value(name = "f16")]
    #[serde(rename = "f16")]
    F16,
    /// 8-bit blocks.
    #[value(name = "q8_0")]
    #[serde(rename = "q8_0")]
    Q8_0,
    /// 32-bit floats.
    #[value(name = "f32")]
    #[serde(rename = "f32")]
    F32,
}

/// When to use flash attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlashArg {
    /// As the engine likes.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// How the output matrix is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
pub enum HeadArg {
    /// As the file has it, with an 8-bit copy that finds the rows which matter.
    #[value(name = "screened")]
    #[serde(rename = "screened")]
    Screened,
    /// As the file has it.
    #[value(name = "f16")]
    #[serde(rename = "f16")]
    F16,
    /// Rounded to 8 bits.
    #[value(name = "q8_0")]
    #[serde(rename = "q8_0")]
    Q8_0,
    /// Rounded to 6 bits.
    #[value(name = "q6_k")]
    #[serde(rename = "q6_k")]
    Q6K,
}

/// Instruction sets that kernels of our own are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelsArg {
    /// Portable C.
    Reference,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX-VNNI.
    #[value(name = "avxvnni")]
    AvxVnni,
    /// x86-64 with AVX-512 VNNI and VBMI.
    Avx512,
    /// As `avx512`, with AMX.
    Amx,
    /// AArch64 with dot products.
    Dotprod,
    /// AArch64 with int8 matrix products.
    I8mm,
}

impl KernelsArg {
    /// As the engine spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avxvnni",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
            Self::Dotprod => "dotprod",
            Self::I8mm => "i8mm",
        }
    }
}

impl PlaceArgs {
    /// These settings, and `lower` where these say nothing. Named files of both are kept; a name in both is ours.
    pub(crate) fn or(self, lower: Self) -> Self {
        Self {
            config: self.config.or(lower.config),
            data_dir: self.data_dir.or(lower.data_dir),
            models_dir: self.models_dir.or(lower.models_dir),
            models: join(self.models, lower.models),
            log: self.log.or(lower.log),
            log_format: self.log_format.or(lower.log_format),
        }
    }
}

impl ModelArgs {
    /// As [`PlaceArgs::or`].
    pub(crate) fn or(self, lower: Self) -> Self {
        Self {
            ctx_size: self.ctx_size.or(lower.ctx_size),
            parallel: self.parallel.or(lower.parallel),
            queue: self.queue.or(lower.queue),
            threads: self.threads.or(lower.threads),
            batch_size: self.batch_size.or(lower.batch_size),
            kv_type: self.kv_type.or(lower.kv_type),
            cache_ram: self.cache_ram.or(lower.cache_ram),
            flash_attn: self.flash_attn.or(lower.flash_attn),
            gpu_layers: self.gpu_layers.or(lower.gpu_layers),
            head: self.head.or(lower.head),
            i2s_block: self.i2s_block.or(lower.i2s_block),
            kernels: self.kernels.or(lower.kernels),
            keep_alive: self.keep_alive.or(lower.keep_alive),
            memory_budget: self.memory_budget.or(lower.memory_budget),
            tesseract: self.tesseract.or(lower.tesseract),
            echo: self.echo.or(lower.echo),
            default_model: self.default_model.or(lower.default_model),
            templates: join(self.templates, lower.templates),
            mmprojs: join(self.mmprojs, lower.mmprojs),
        }
    }
}

impl ServerArgs {
    /// As [`PlaceArgs::or`], but a list replaces the lower one: what is allowed should be readable in one place.
    pub(crate) fn or(self, lower: Self) -> Self {
        let list = |ours: Vec<String>, lower| if ours.is_empty() { lower } else { ours };
        Self {
            host: self.host.or(lower.host),
            port: self.port.or(lower.port),
            allowed_host: list(self.allowed_host, lower.allowed_host),
            cors_origin: list(self.cors_origin, lower.cors_origin),
            api_key: list(self.api_key, lower.api_key),
            api_key_file: self.api_key_file.or(lower.api_key_file),
            no_api_key: self.no_api_key.or(lower.no_api_key),
            tls_cert: self.tls_cert.or(lower.tls_cert),
            tls_key: self.tls_key.or(lower.tls_key),
            aliases: if self.aliases.is_empty() { lower.aliases } else { self.aliases },
            keys: if self.keys.is_empty() { lower.keys } else { self.keys },
            body_limit: self.body_limit.or(lower.body_limit),
            no_store: self.no_store.or(lower.no_store),
            grace: self.grace.or(lower.grace),
            fallback_model: self.fallback_model.or(lower.fallback_model),
            allow_image_urls: self.allow_image_urls.or(lower.allow_image_urls),
        }
    }
}

fn join(mut ours: Vec<Named>, lower: Vec<Named>) -> Vec<Named> {
    for named in lower {
        if !ours.iter().any(|our| our.name == named.name) {
            ours.push(named);
        }
    }
    ours
}

/// A table `ID = "PATH"`.
fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Named>, D::Error> {
    let table = BTreeMap::<String, PathBuf>::deserialize(deserializer)?;
    table.into_iter().map(|(name, path)| Named::new(&name, path).map_err(de::Error::custom)).collect()
}

/// A table `NAME = "MODEL"`.
fn renamed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Renamed>, D::Error> {
    let table = BTreeMap::<String, String>::deserialize(deserializer)?;
    table.iter().map(|(name, model)| Renamed::new(name, model).map_err(de::Error::custom)).collect()
}

/// A list, or one text.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}
