//! The `tern` command: one local server for small language models.
//!
//! The server itself is made of crates beside this one (`tern-api` down to the engines; ARCHITECTURE.md has the
//! picture). Here is what turns them into a program. In reading order:
//!
//! - [`cli`] and [`settings`]: commands and flags; their help is the reference.
//! - [`values`]: the kinds of values flags have.
//! - [`config`]: flags, environment and `tern.toml` become one checked [`config::Config`].
//! - [`telemetry`] starts logging.
//! - [`builtin`]: the model in the binary.
//! - [`commands`]: one file or folder a command.
//! - [`client`]: a client of OpenAI's API, for the commands that take `--url`.

use std::process::ExitCode;

use crate::{cli::Command, config::Config, settings::LogFormat};

pub mod builtin;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
mod error;
mod output;
pub mod settings;
mod signals;
pub mod spin;
pub mod telemetry;
pub mod values;

pub use error::Error;

/// Version and commit, such as `0.1.0 (79d0e90abc)`.
pub const VERSION: &str = env!("TERN_VERSION");

/// Reads the configuration, starts logging and runs the command. Blocks until it is over.
///
/// # Errors
/// What the command could not do. A command that could, but found something wrong, gives its exit code.
pub fn run(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Serve(args) => {
            let config = start(Config::load(args.places, args.models, args.server)?, "info");
            block_on(commands::serve::run(config))
        }
        Command::Chat(mut args) => {
            let (places, models) = (std::mem::take(&mut args.places), std::mem::take(&mut args.models));
            let config = start(Config::load(places, models, Default::default())?, "warn");
            block_on(commands::chat::run(args, config))
        }
        Command::Compare(mut args) => {
            let (places, models) = (std::mem::take(&mut args.places), std::mem::take(&mut args.models));
            let config = start(Config::load(places, models, Default::default())?, "warn");
            block_on(commands::compare::run(args, config))
        }
        Command::Pull(mut args) => {
            let (places, models) = (std::mem::take(&mut args.places), std::mem::take(&mut args.models));
            let config = start(Config::load(places, models, Default::default())?, "warn");
            block_on(commands::pull::run(args, config))
        }
        Command::Models(args) => {
            let config = start(Config::load(args.places, args.models, Default::default())?, "warn");
            block_on(commands::models::run(args.json, config))
        }
        Command::Inspect(mut args) => {
            let (places, models) = (std::mem::take(&mut args.places), std::mem::take(&mut args.models));
            let config = start(Config::load(places, models, Default::default())?, "warn");
            block_on(commands::inspect::run(args, config))
        }
        Command::Bench(mut args) => {
            let (places, models) = (std::mem::take(&mut args.places), std::mem::take(&mut args.models));
            let config = start(Config::load(places, models, Default::default())?, "warn");
            block_on(commands::bench::run(args, config))
        }
        Command::Convert(args) => commands::convert::run(&args),
        Command::Key(args) => commands::key::run(&args),
        Command::Openapi => {
            output::print(&tern_api::openapi_json());
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(args) => {
            // What is wrong with the settings is the first thing to report.
            let config = Config::load(args.places, args.models, args.server);
            telemetry::start("off", LogFormat::Text);
            block_on(commands::doctor::run(args.json, config))
        }
    }
}

fn start(config: Config, default_log: &str) -> Config {
    telemetry::start(config.log.as_deref().unwrap_or(default_log), config.log_format);
    config
}

fn block_on(future: impl Future<Output = Result<ExitCode, Error>>) -> Result<ExitCode, Error> {
    // Half of the processors at most: the others run models, and a thread woken for nothing takes their time. What
    // takes long (templates, tokenizers, folders, loads) is on threads of its own.
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() / 2).clamp(1, 8);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(Error::io("cannot start the runtime's threads"))?;
    let result = runtime.block_on(future);
    // A blocking task (a model being loaded, a line being read) may hang as long as it likes: nobody waits for it.
    runtime.shutdown_background();
    result
}
