//! `tern bench`: how fast a model is here, how fast this machine's memory lets it be, and how fast servers are.
//!
//! [`engine`] measures the engine alone in this process, [`bandwidth`] the machine's memory, [`load`] servers from
//! outside, [`compare`] puts several servers side by side.

mod bandwidth;
mod compare;
mod engine;
mod load;
mod spread;

use std::process::ExitCode;

use serde_json::json;
use tern_engine::Wanted;

use crate::{Error, VERSION, cli::BenchArgs, client::Client, commands::Given, config::Config, output};

/// Measures and prints.
///
/// # Errors
/// When the model cannot be had or run; when a server gave no answer at all.
pub async fn run(args: BenchArgs, config: Config) -> Result<ExitCode, Error> {
    if args.url.is_empty() { here(&args, &config) } else { servers(&args).await }
}

fn here(args: &BenchArgs, config: &Config) -> Result<ExitCode, Error> {
    let given = Given::find(&args.model, config)?;
    let plan = engine::Plan {
        prompt_tokens: args.prompt_tokens.get(),
        generate: args.generate.get(),
        runs: args.runs.get(),
        wanted: if args.greedy { Wanted::Top(1) } else { Wanted::Row },
        batches: args.batch.iter().map(|n| n.get()).collect(),
    };
    let report = engine::measure(&given, &plan, config)?;
    if args.json {
        output::print_json(&json!({"tern": VERSION, "model": given.name, "report": report}));
    } else {
        output::print(&report.table(&given.name));
    }
    Ok(ExitCode::SUCCESS)
}

async fn servers(args: &BenchArgs) -> Result<ExitCode, Error> {
    let clients = args.clients.get();
    let plan = load::Plan {
        model: args.model.clone(),
        clients,
        requests: args.requests.map_or(clients.saturating_mul(4), |n| n.get()),
        prompt_words: args.prompt_tokens.get(),
        max_tokens: args.generate.get(),
        shared_prefix: args.shared_prefix,
    };
    // An address that cannot be read should not cost the measurement of the one before it.
    let servers: Result<Vec<_>, _> = args.url.iter().map(|url| Client::new(url, None).map(|c| (url, c))).collect();
    let mut results = Vec::new();
    for (url, client) in servers? {
        let result = load::measure(&client, &plan).await;
        if result.answers == 0 {
            let why = result.first_errors.first().cloned().unwrap_or_default();
            return Err(Error::Refused(format!("{url} answered none of {} requests: {why}", plan.requests)));
        }
        results.push((url.clone(), result));
    }
    if args.json {
        let results: Vec<_> = results.iter().map(|(url, result)| json!({"url": url, "result": result})).collect();
        output::print_json(&json!({"tern": VERSION, "plan": plan, "servers": results}));
    } else {
        output::print(&compare::table(&plan, &results));
    }
    Ok(ExitCode::SUCCESS)
}
