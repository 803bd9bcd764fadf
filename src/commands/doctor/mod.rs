//! `tern doctor`: checks this build and this machine. Changes nothing but a test file that it deletes again.

mod cpu;

use std::{fs, io, net::TcpListener, path::Path, process::ExitCode};

use serde::Serialize;
use serde_json::json;
use tern_api::Tls;
use tern_catalog::hub;
use tern_registry::{engines, machine};

use crate::{
    Error, VERSION,
    config::{Config, ConfigError, ServerConfig, names},
    output::{self, Table},
};

/// Less free disk than this is too little for the smallest models of the catalogue.
const LITTLE_DISK_BYTES: u64 = 1 << 30;
/// Less free memory than this is too little for the smallest models of the catalogue.
const LITTLE_MEMORY_BYTES: u64 = 1 << 30;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    /// It works, but not as well as it could.
    Warning,
    /// It does not work.
    Problem,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    verdict: Verdict,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(name: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn problem(name: impl Into<String>, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Problem, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Prints the report. The exit code is 1 when there is a problem; warnings do not count.
///
/// # Errors
/// None: what is wrong is in the report.
pub async fn run(as_json: bool, config: Result<Config, ConfigError>) -> Result<ExitCode, Error> {
    let mut checks = vec![Check::ok("version", format!("tern {VERSION}"))];
    checks.extend(cpu::checks());
    match &config {
        Ok(config) => checks.extend(settings(config)),
        Err(error) => checks.push(Check::problem("settings", error.to_string(), "correct it; nothing starts before")),
    }
    checks.extend(hub_checks());
    if as_json {
        let ok = !failed(&checks);
        output::print_json(&json!({"ok": ok, "checks": checks}));
    } else {
        output::print(&report(&checks));
    }
    Ok(ExitCode::from(u8::from(failed(&checks))))
}

fn failed(checks: &[Check]) -> bool {
    checks.iter().any(|check| check.verdict == Verdict::Problem)
}

fn report(checks: &[Check]) -> String {
    let mut table = Table::plain();
    for Check { name, verdict, found, advice } in checks {
        let mark = match verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Problem => "PROBLEM",
        };
        table.row([mark, name, found]);
        if let Some(advice) = advice {
            table.row(["", "", &format!("-> {advice}")]);
        }
    }
    table.render()
}

fn settings(config: &Config) -> Vec<Check> {
    let file = config.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
    let mut checks = vec![Check::ok("settings", file), threads(config)];
    checks.extend(memory(config));
    checks.extend([data_dir(&config.data_dir), port(&config.server.host, config.server.port), keys(&config.server)]);
    checks.extend(config.server.tls.as_ref().map(|(certificate, key)| tls(certificate, key)));
    checks
}

fn threads(config: &Config) -> Check {
    let (used, detected) = (config.registry.threads, machine::threads());
    let found = format!("{used} ({})", detected.reason);
    if used > detected.count {
        let advice = format!("threads wait for each other: leave --threads away, or set it to {}", detected.count);
        return Check::warning("threads", found, advice);
    }
    Check::ok("threads", found)
}

fn memory(config: &Config) -> Vec<Check> {
    let budget = config.registry.memory_budget;
    let shown = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), output::size);
    let (limit, available) = (machine::memory_limit(), machine::memory_available());
    let found = format!("{} usable by tern (machine and cgroups), {} free now", shown(limit), shown(available));
    let free = match available {
        Some(bytes) if bytes < LITTLE_MEMORY_BYTES => {
            Check::warning("memory", found, "close other programs; models may be refused or slow")
        }
        _ => Check::ok("memory", found),
    };
    let budget = match limit {
        Some(limit) if budget > limit => {
            let advice = format!("the system will kill tern when it takes more than {}", output::size(limit));
            Check::warning("memory budget", output::size(budget), advice)
        }
        _ if budget == u64::MAX => Check::ok("memory budget", "no limit"),
        _ => Check::ok("memory budget", output::size(budget)),
    };
    vec![free, budget]
}

fn data_dir(folder: &Path) -> Check {
    let shown = folder.display().to_string();
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        tempfile::NamedTempFile::new_in(folder)?.close()
    };
    match write() {
        Ok(()) => Check::ok("data folder", format!("{shown}, writable")),
        Err(error) => {
            let advice = "make it writable, or name another with --data-dir";
            Check::problem("data folder", format!("{shown}: {error}"), advice)
        }
    }
}

fn port(host: &str, port: u16) -> Check {
    let shown = format!("{host}:{port}");
    match TcpListener::bind((host, port)) {
        Ok(_) => Check::ok("port", format!("{shown} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let advice = "a running tern is one explanation; otherwise choose another with --port";
            Check::warning("port", format!("{shown} is in use"), advice)
        }
        Err(error) => Check::problem("port", format!("{shown}: {error}"), "choose others with --host and --port"),
    }
}

fn keys(server: &ServerConfig) -> Check {
    match server.all_keys() {
        Ok(keys) if keys.is_empty() => {
            Check::ok("keys", format!("none: who reaches {} may do everything", server.host))
        }
        Ok(keys) => Check::ok("keys", format!("{}: {}", keys.len(), names(&keys))),
        Err(error) => Check::problem("keys", error.to_string(), "correct it; tern serve does not start before"),
    }
}

fn tls(certificate: &Path, key: &Path) -> Check {
    match Tls::load(certificate, key) {
        Ok(_) => Check::ok("tls", certificate.display().to_string()),
        Err(error) => Check::problem("tls", error.to_string(), "correct it; tern serve does not start before"),
    }
}

fn hub_checks() -> Vec<Check> {
    let settings = match hub::Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => return vec![Check::problem("hub", error.to_string(), "correct the variable")],
    };
    let token = if settings.token.is_some() { "with a token" } else { "no token (HF_TOKEN)" };
    let offline = if settings.offline { ", offline (HF_HUB_OFFLINE): nothing can be fetched" } else { "" };
    let cache = settings.cache_dir.display().to_string();
    let disk = match (settings.free_space)(&settings.cache_dir) {
        Some(bytes) if bytes < LITTLE_DISK_BYTES => {
            let advice = "make room, or move the cache with HF_HOME";
            Check::warning("disk", format!("{} free for {cache}", output::size(bytes)), advice)
        }
        Some(bytes) => Check::ok("disk", format!("{} free for {cache}", output::size(bytes))),
        None => Check::warning("disk", format!("{cache}: free space unknown"), "downloads will not check for room"),
    };
    vec![Check::ok("hub", format!("{}, {token}{offline}", settings.endpoint)), disk]
}

/// Every engine and what it was built with, for the checks of `cpu.rs`.
fn builds() -> Vec<(&'static str, Result<tern_engine::EngineBuild, String>)> {
    let build = |slot: &tern_registry::EngineSlot| slot.engine().map(|e| e.build()).map_err(|error| error.to_string());
    engines().iter().filter(|slot| slot.name != "echo").map(|slot| (slot.name, build(slot))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_a_warning_and_a_free_one_is_not() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = taken.local_addr().unwrap().port();
        let check = port("127.0.0.1", number);
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(check.found.contains("in use") && check.advice.unwrap().contains("--port"));
        drop(taken);
        assert_eq!(port("127.0.0.1", number).verdict, Verdict::Ok);
    }

    #[test]
    fn a_data_folder_that_cannot_be_made_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(data_dir(&dir.path().join("new/folder")).verdict, Verdict::Ok);
        let file = dir.path().join("file");
        fs::write(&file, b"").unwrap();
        let check = data_dir(&file);
        assert_eq!(check.verdict, Verdict::Problem);
        assert!(check.advice.unwrap().contains("--data-dir"));
        assert!(failed(&[data_dir(&file)]) && !failed(&[data_dir(dir.path())]));
    }
}
