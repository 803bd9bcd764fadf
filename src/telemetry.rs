//! Logging. Everything goes to stderr: stdout belongs to what a command was asked for.
//!
//! Request ids come from the spans that the API opens around each request; whatever is logged within one carries it.

use std::io::{self, IsTerminal};

use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::settings::LogFormat;

/// Starts logging. `filter` is a level or levels by module, as `--log` takes it; does nothing when logging has been
/// started before.
pub fn start(filter: &str, format: LogFormat) {
    // --log was checked when it was read; a filter that cannot be read all the same logs warnings.
    let filter = filter.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::WARN));
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => layer.with_ansi(io::stderr().is_terminal()).with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed(),
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
