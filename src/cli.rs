//! The command line: commands, their own flags, and how arguments are read. The settings that commands share are in
//! `settings.rs`.

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};

use crate::{
    settings::{ModelArgs, PlaceArgs, ScopeArg, ServerArgs},
    values::{Block, Whole},
};

const ABOUT: &str = "One local server for small language models, with OpenAI's API.";

const EXAMPLES: &str = "\
`tern` alone is `tern serve`. Every setting is a flag (--port), a variable (TERN_PORT) and a key of
tern.toml (port); flags win over the environment, and the environment wins over the file.
`tern serve --help` explains each; the other commands take them too, and show those that matter to them.

Examples:
  tern                                        serve on http://127.0.0.1:8080 (try it out: /docs)
  tern chat                                   talk to the built-in model about Tern
  tern pull qwen2.5-0.5b                      fetch a model; then: tern chat qwen2.5-0.5b
  tern serve --model mine=/models/mine.gguf   serve a file of your own
  tern bench qwen2.5-0.5b                     how fast is it here, and how fast could it be?
  tern doctor                                 what could be wrong on this machine?";

const SERVE_EXAMPLES: &str = "\
Examples:
  tern serve --port 9000 --parallel 4 --ctx-size 4096 --threads 4
  tern serve --model a=/x/a.gguf --model b=/x/b.gguf --memory-budget 4GiB
  TERN_API_KEY=... tern serve --host 0.0.0.0 --allowed-host models.example.org
  tern serve --tls-cert cert.pem --tls-key key.pem --alias 'gpt-*=qwen2.5-0.5b'
  TERN_PORT=9000 TERN_KEEP_ALIVE=never tern serve

The same in tern.toml:
  port = 9000
  keep-alive = \"never\"
  [models]
  a = \"/x/a.gguf\"
  [[keys]]                  # lines of `tern key new --name laptop`
  name = \"laptop\"
  sha256 = \"...\"
  scopes = [\"chat\"]
  requests-per-minute = 60  # also tokens-per-minute, max-concurrent, default-model, models";

const KEY_EXAMPLES: &str = "\
The key is shown once and kept nowhere; the file has its SHA-256. `GET /api/keys/usage` tells what was used with
each key.

Examples:
  tern key new --name laptop
  tern key new --name owner --scope admin";

const CHAT_EXAMPLES: &str = "\
In the chat: /help lists the commands, Ctrl-C stops an answer, Ctrl-D ends. Lines piped in are one turn each.

Examples:
  tern chat
  tern chat qwen2.5-0.5b --system \"Answer in one sentence.\" --temperature 0
  tern chat --prompt \"Which port does Tern use?\"
  tern chat qwen2.5-0.5b --url http://127.0.0.1:8080";

const COMPARE_EXAMPLES: &str = "\
Every model gets the same messages, one after the other; what is measured and how is in `GET /docs`, under
Compare. The exit code is 1 if a model failed.

Examples:
  tern compare tern-guide tern-guide-q8_0 -p \"What is Tern?\" --repetitions 3
  tern compare qwen2.5-0.5b:q4_k_m qwen2.5-0.5b:q8_0 -p \"Sum it up.\" --attach report.txt --format csv
  tern compare tern-guide qwen2.5-0.5b -p \"What is Tern?\" --url http://127.0.0.1:8080";

const PULL_EXAMPLES: &str = "\
HF_TOKEN, HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE are honoured. A download that was
stopped goes on where it ended.

Examples:
  tern pull qwen2.5-0.5b
  tern pull qwen2.5-0.5b:q4_k_m
  tern pull Qwen/Qwen2.5-0.5B-Instruct-GGUF:qwen2.5-0.5b-instruct-q8_0.gguf";

const BENCH_EXAMPLES: &str = "\
Without --url the engine alone is measured, in this process. With --url a running server is, through
its API and from outside, as its clients see it; several --url are measured one after the other and
compared with the first.

Examples:
  tern bench qwen2.5-0.5b
  tern bench ./model.gguf --prompt-tokens 2048 --runs 3 --batch 1,2,4,8
  tern bench qwen2.5-0.5b --url http://127.0.0.1:8080 --url http://127.0.0.1:8081 --clients 8 --requests 24";

const CONVERT_EXAMPLES: &str = "\
A folder is one that Hugging Face publishes: config.json, safetensors (packed, or bfloat16 masters) and
tokenizer.json, of BitNet models and of Llama models with BitNet's quantization. The file appears only
when it is whole.

Examples:
  tern convert ./bitnet-b1.58-2B-4T-bf16 bitnet.gguf --head q6_k
  tern convert iq2_bn.gguf i2_s.gguf
  tern convert made-on-arm.gguf usual.gguf --i2s-block 64
  tern convert i2_s.gguf for-llama.cpp.gguf --to tq2_0";

/// One local server for small language models.
#[derive(Debug, Parser)]
#[command(name = "tern", version = crate::VERSION, about = ABOUT, after_help = EXAMPLES, max_term_width = 120)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API over HTTP (what `tern` alone does).
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Chat in the terminal; answers appear as they are written.
    #[command(after_help = CHAT_EXAMPLES)]
    Chat(ChatArgs),
    /// Compare models or quantizations: answers, speed, memory, likeness.
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Fetch a model of the catalogue, or any GGUF file of a Hugging Face repository.
    #[command(after_help = PULL_EXAMPLES)]
    Pull(PullArgs),
    /// List the catalogue and the models on disk.
    Models(ModelsArgs),
    /// Show what a model file contains and what it would take; reads the header only.
    Inspect(InspectArgs),
    /// Measure the speed of a model here, or of running servers.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(BenchArgs),
    /// Make a GGUF file of a BitNet model in another format.
    #[command(after_help = CONVERT_EXAMPLES)]
    Convert(ConvertArgs),
    /// Make a key for clients of a server.
    #[command(after_help = KEY_EXAMPLES)]
    Key(KeyArgs),
    /// Print the OpenAPI description of the API as JSON.
    Openapi,
    /// Check this build and this machine, and say what to do about what is wrong.
    Doctor(DoctorArgs),
}

/// Flags of `tern serve`.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    /// Addresses and limits.
    pub server: ServerArgs,
    #[command(flatten)]
    /// How models are run.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// Flags of `tern chat`.
#[derive(Debug, Args)]
pub struct ChatArgs {
    /// The model. [default: --default-model; with --url the server's first model]
    #[arg(id = "MODEL")]
    pub model: Option<String>,
    /// Talk to the server at this address instead of loading the model in this process.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Send this key with --url, as `Authorization: Bearer KEY`.
    #[arg(long, env = "TERN_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// Instructions that stand before the dialogue.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Ask this one thing, print the answer and end.
    #[arg(short, long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// 0 always takes the most likely token; higher values, up to 2, vary more.
    /// [default: 0.7; 0 for the built-in model, which has facts to tell]
    #[arg(long, value_name = "T", value_parser = unit_range(0.0, 2.0))]
    pub temperature: Option<f32>,
    /// Take only the most likely tokens that together reach this probability, 0 to 1.
    #[arg(long, value_name = "P", default_value_t = 1.0, value_parser = unit_range(0.0, 1.0))]
    pub top_p: f32,
    /// Longest answer in tokens. [default: what the context holds]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<Whole<1, 16_777_216>>,
    /// The same seed and the same words give the same answer.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    /// How models are run.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// Flags of `tern compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The models, 1 to 6; the others are compared with the first.
    #[arg(id = "MODEL", required = true, num_args = 1..=6)]
    pub compared: Vec<String>,
    /// A prompt; several make a grid.
    #[arg(short, long, value_name = "TEXT", required = true)]
    pub prompt: Vec<String>,
    /// Instructions that stand before every prompt.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// A text file that comes with every prompt.
    #[arg(long, value_name = "FILE")]
    pub attach: Vec<PathBuf>,
    /// How often each answer is made, 1 to 20: more tell a difference from noise.
    #[arg(long, value_name = "N", default_value = "1")]
    pub repetitions: Whole<1, 20>,
    /// 0 always takes the most likely token; higher values, up to 2, vary more. [default: 0]
    #[arg(long, value_name = "T", value_parser = unit_range(0.0, 2.0))]
    pub temperature: Option<f32>,
    /// Longest answer in tokens. [default: 512]
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<Whole<1, 16_777_216>>,
    /// Seed of all models. [default: drawn once]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How the result is printed.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "markdown")]
    pub format: ComparisonFormat,
    /// Let the server at this address compare instead; it keeps the comparison.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Send this key with --url, as `Authorization: Bearer KEY`.
    #[arg(long, env = "TERN_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    #[command(flatten)]
    /// How models are run.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// How a comparison is printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ComparisonFormat {
    /// A table and every answer.
    Markdown,
    /// A row an answer.
    Csv,
    /// Everything, as the API has it.
    Json,
}

/// Flags of `tern pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// NAME or NAME:QUANT of the catalogue (`tern models`), org/repo:file of the hub, or org/repo (safetensors).
    #[arg(id = "MODEL")]
    pub model: String,
    /// Fetch it even though it would not fit into this machine's memory.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    /// How models are run, for the memory it would take.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// Flags of `tern models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Print JSON: {"on_disk": [...], "catalogue": [...]}.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    /// How models are run, for the memory they would take.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// Flags of `tern inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// A file, or the id of a model on disk.
    #[arg(id = "MODEL")]
    pub model: String,
    /// Also list every tensor with its type and shape.
    #[arg(long)]
    pub tensors: bool,
    /// Also list the whole metadata, long values shortened.
    #[arg(long)]
    pub metadata: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    /// How models are run, for the memory it would take.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// Flags of `tern bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A file or the id of a model; with --url the model's id on those servers.
    #[arg(id = "MODEL")]
    pub model: String,
    /// Measure the server at this address (plain OpenAI API). Repeatable: the others are compared with the first.
    #[arg(long, value_name = "URL")]
    pub url: Vec<String>,
    /// Clients that ask at the same time.
    #[arg(long, value_name = "N", default_value = "1", requires = "url")]
    pub clients: Whole<1, 1024>,
    /// Requests in all. [default: 4 for each client]
    #[arg(long, value_name = "M", requires = "url")]
    pub requests: Option<Whole<1, 1_000_000>>,
    /// Give all requests one system prompt of --prompt-tokens words, as an assistant's users would.
    #[arg(long, requires = "url")]
    pub shared_prefix: bool,
    /// Length of the prompt; with --url in words, which are about as many tokens.
    #[arg(long, value_name = "N", default_value = "512")]
    pub prompt_tokens: Whole<1, 1_000_000>,
    /// Tokens generated in each run or request.
    #[arg(long, visible_alias = "max-tokens", value_name = "N", default_value = "64")]
    pub generate: Whole<1, 1_000_000>,
    /// Runs; the figures are their median, with the least and the most.
    #[arg(long, value_name = "N", default_value = "5", conflicts_with = "url")]
    pub runs: Whole<1, 1000>,
    /// Sequences decoded together, one figure for each number in the list.
    #[arg(long, value_name = "LIST", default_value = "1", value_delimiter = ',', conflicts_with = "url")]
    pub batch: Vec<Whole<1, 256>>,
    /// Decode as a greedy answer does, which needs the likeliest token only: a BitNet model with a screened head then reads
    /// less than its whole weights, and may pass 100 % of the limit.
    #[arg(long, conflicts_with = "url")]
    pub greedy: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    /// How models are run.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// Flags of `tern convert`.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// A model's folder, or a GGUF file with ternary matrices.
    #[arg(id = "FOLDER_OR_FILE")]
    pub source: PathBuf,
    /// The new file.
    #[arg(id = "OUT.gguf")]
    pub out: PathBuf,
    /// Of a folder: type of the matrix that gives the logits. f16 is as exact as models are published; q8_0 takes half of
    /// it, q6_k two fifths, and both round.
    #[arg(long, value_name = "TYPE", default_value = "f16", value_enum)]
    pub head: ConvertHead,
    /// Of a folder: name of the pre-tokenizer as llama.cpp has it, where it is not recognised.
    #[arg(long, value_name = "NAME")]
    pub pre: Option<String>,
    /// Of a file: what its ternary matrices become. tq2_0 is what llama.cpp runs.
    #[arg(long, value_name = "TYPE", default_value = "i2_s", value_enum)]
    pub to: ConvertTo,
    /// Of a file: weights of a block of its i2_s tensors, 128 or 64: 64 for files that bitnet.cpp quantized on ARM since
    /// November 2025.
    #[arg(long, value_name = "N", default_value = "128")]
    pub i2s_block: Block,
    /// Replace a file that is there.
    #[arg(long)]
    pub force: bool,
}

/// Types of a converted head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConvertHead {
    /// Halves.
    F16,
    /// 8.5 bits a weight.
    #[value(name = "q8_0")]
    Q8,
    /// 6.6 bits a weight.
    #[value(name = "q6_k")]
    Q6,
}

/// Types of converted matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConvertTo {
    /// For Tern and bitnet.cpp.
    #[value(name = "i2_s")]
    I2s,
    /// For llama.cpp.
    #[value(name = "tq2_0")]
    Tq2,
}

/// Flags of `tern key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Print a fresh key, and the lines for tern.toml that let it in.
    New(NewKeyArgs),
}

/// Flags of `tern key new`.
#[derive(Debug, Args)]
pub struct NewKeyArgs {
    /// What figures and errors call it: letters, digits and - _ .
    #[arg(long, value_name = "NAME", default_value = "key")]
    pub name: String,
    /// What it is for.
    #[arg(long, value_enum, value_name = "SCOPE", default_value = "chat")]
    pub scope: ScopeArg,
}

/// Flags of `tern doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    /// Addresses and limits, which are checked.
    pub server: ServerArgs,
    #[command(flatten)]
    /// How models are run, which is checked.
    pub models: ModelArgs,
    #[command(flatten)]
    /// Files and logs.
    pub places: PlaceArgs,
}

/// Settings that a command takes, so that one environment and one file do for all, and that change nothing there. Its
/// help does not show them: what it is for would drown.
const WITHOUT_EFFECT: [(&str, &[&str]); 5] = [
    ("chat", &["parallel", "queue", "keep_alive", "tesseract"]),
    (
        "pull",
        &[
            "parallel",
            "queue",
            "threads",
            "cache_ram",
            "flash_attn",
            "gpu_layers",
            "i2s_block",
            "kernels",
            "keep_alive",
            "tesseract",
            "echo",
            "default_model",
            "templates",
            "mmprojs",
        ],
    ),
    (
        "models",
        &[
            "parallel",
            "queue",
            "threads",
            "cache_ram",
            "flash_attn",
            "gpu_layers",
            "i2s_block",
            "kernels",
            "keep_alive",
            "memory_budget",
            "default_model",
            "templates",
            "mmprojs",
        ],
    ),
    (
        "inspect",
        &[
            "parallel",
            "queue",
            "threads",
            "cache_ram",
            "flash_attn",
            "gpu_layers",
            "i2s_block",
            "kernels",
            "keep_alive",
            "memory_budget",
            "tesseract",
            "echo",
            "default_model",
            "templates",
            "mmprojs",
        ],
    ),
    (
        "bench",
        &["parallel", "queue", "cache_ram", "keep_alive", "tesseract", "echo", "default_model", "templates", "mmprojs"],
    ),
];

/// The definition of all commands, with help that is to the point.
fn definition() -> clap::Command {
    WITHOUT_EFFECT.iter().fold(Cli::command(), |command, (name, settings)| {
        let hide = |command: clap::Command, setting: &&str| command.mut_arg(*setting, |arg| arg.hide(true));
        command.mut_subcommand(name, |command| settings.iter().fold(command, hide))
    })
}

/// Reads the arguments of the process (the first is the program's name).
///
/// # Errors
/// What clap says: wrong usage, or a request for help or the version, which it prints just the same.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let first = args.get(1).map(|arg| arg.to_string_lossy().into_owned());
    let own = ["-h", "--help", "-V", "--version"];
    if first.is_none_or(|arg| arg.starts_with('-') && !own.contains(&arg.as_str())) {
        args.insert(1.min(args.len()), "serve".into());
    }
    Cli::from_arg_matches(&definition().try_get_matches_from(args)?)
}

/// A value that clap refuses may come from the environment, which its message does not say. This does.
pub fn environment_note(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (flag, value) = (text(ContextKind::InvalidArg)?, text(ContextKind::InvalidValue)?);
    let flag = flag.split_whitespace().next()?.strip_prefix("--")?.trim_end_matches(['=', '[']);
    let variable = variable(flag);
    let set = std::env::var(&variable).ok()?;
    let given = std::env::args().any(|arg| arg.strip_prefix("--").is_some_and(|arg| arg.starts_with(flag)));
    (!given && set.contains(&value)).then(|| format!("note: the value stands in the environment: {variable}={set}"))
}

/// The environment's name of a flag.
pub(crate) fn variable(flag: &str) -> String {
    format!("TERN_{}", flag.to_uppercase().replace('-', "_"))
}

/// The settings a file may have: the flags of `tern serve`, the repeatable ones as tables.
pub(crate) fn keys() -> Vec<String> {
    let command = Cli::command();
    let serve = command.find_subcommand("serve").into_iter().flat_map(|serve| serve.get_arguments());
    let key = |flag: &str| match flag {
        "config" | "help" => None,
        "model" | "template" | "mmproj" => Some(format!("{flag}s")),
        "alias" => Some("aliases".to_owned()),
        flag => Some(flag.to_owned()),
    };
    // Keys with limits have too many parts for a flag.
    serve.filter_map(|arg| key(arg.get_long()?)).chain(["keys".to_owned()]).collect()
}

fn unit_range(min: f32, max: f32) -> impl Fn(&str) -> Result<f32, String> + Clone {
    move |text| match text.parse() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(format!("expected a number from {min} to {max}")),
    }
}

/// Where a path on the command line may be a file, a folder or a model id: a path, if a model is there or it looks like one.
pub(crate) fn as_file(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(text);
    let looks_like_one = text.ends_with(".gguf") && !text.contains(':') || text.starts_with(['.', '/', '~']);
    (looks_like_one || path.is_file() || path.join("config.json").is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(args: &[&str]) -> Command {
        parse(args.iter().map(|arg| arg.into())).unwrap_or_else(|error| panic!("{error}")).command
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn tern_alone_and_tern_with_flags_alone_serve() {
        assert!(matches!(command(&["tern"]), Command::Serve(_)));
        let Command::Serve(args) = command(&["tern", "--port", "9000", "--echo"]) else { panic!("not serve") };
        assert_eq!((args.server.port.map(Whole::get), args.models.echo), (Some(9000), Some(true)));
    }

    #[test]
    fn every_setting_has_a_variable_of_its_name_and_a_consequence() {
        let command = Cli::command();
        for name in ["serve", "chat", "models"] {
            let command = command.find_subcommand(name).unwrap();
            for arg in command.get_arguments().filter(|arg| arg.get_env().is_some() || name == "serve") {
                let Some(flag) = arg.get_long().filter(|flag| *flag != "help") else { continue };
                let env = arg.get_env().unwrap_or_else(|| panic!("--{flag} has no variable"));
                assert_eq!(env.to_str(), Some(variable(flag).as_str()));
                assert!(arg.get_help().is_some_and(|help| help.to_string().len() > 40), "--{flag} lacks help");
            }
        }
    }

    #[test]
    fn a_command_shows_the_settings_that_matter_to_it_and_takes_the_others_too() {
        let help = |name: &str| definition().find_subcommand_mut(name).unwrap().render_long_help().to_string();
        assert!(help("pull").contains("--ctx-size") && !help("pull").contains("--keep-alive"));
        assert!(help("serve").contains("--keep-alive"));
        assert!(matches!(command(&["tern", "pull", "x", "--keep-alive", "5m"]), Command::Pull(_)));
    }

    #[test]
    fn a_path_is_a_file_and_a_name_is_a_model() {
        for text in ["./x", "/x/y.gguf", "model.gguf"] {
            assert!(as_file(text).is_some(), "{text}");
        }
        for text in ["qwen2.5-0.5b:q8_0@llama", "tern-guide", "org/repo:model.gguf"] {
            assert!(as_file(text).is_none(), "{text}");
        }
    }
}
