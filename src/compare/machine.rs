//! Whether the machine is quiet, and whether it stays so.

use std::{collections::HashMap, fs, thread, time::Duration};

use tern_registry::Registry;

use crate::Machine;

/// How long other programs are watched.
const WATCH: Duration = Duration::from_millis(200);
/// The share of the processors that others may keep busy before a warning.
const QUIET: f64 = 0.25;

/// Looks at the machine for a moment. Blocks.
pub(crate) fn look(registry: &Registry) -> Machine {
    let processors = thread::available_parallelism().map_or(1, |count| count.get() as u32);
    let busy_elsewhere = busy_elsewhere();
    let requests: usize = Traffic::now(registry).0.values().map(|(_, open)| open).sum();
    let mut warnings = Vec::new();
    if let Some(busy) = busy_elsewhere.filter(|busy| *busy > QUIET * f64::from(processors)) {
        warnings.push(format!("other programs keep {busy:.1} of {processors} processors busy"));
    }
    if requests > 0 {
        warnings.push(format!("{requests} other requests are running on this server"));
    }
    Machine {
        threads: registry.config().threads,
        processors,
        load_average: load_average(),
        busy_elsewhere,
        governor: text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
    }
}

fn text(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The load average of the last minute.
fn load_average() -> Option<f64> {
    text("/proc/loadavg")?.split_whitespace().next()?.parse().ok()
}

/// How many processors others keep busy: what all did in a moment, less what we did. The load average would blame
/// others for the comparison before this one.
fn busy_elsewhere() -> Option<f64> {
    let (all, ours, total) = ticks()?;
    thread::sleep(WATCH);
    let (all_then, ours_then, total_then) = ticks()?;
    let (all, ours) = (all_then.checked_sub(all)?, ours_then.checked_sub(ours)?);
    let total = total_then.checked_sub(total).filter(|total| *total > 0)?;
    // The counters are of the whole machine, which may be larger than our part of it.
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let processors = machine.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count();
    Some(all.saturating_sub(ours) as f64 / total as f64 * processors as f64)
}

/// Clock ticks: of all processors not idle, of this process, and of all in any state.
fn ticks() -> Option<(u64, u64, u64)> {
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u64> =
        machine.lines().next()?.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest times are in user already (man 5 proc_stat).
    let total: u64 = fields.iter().take(8).sum();
    let idle = fields.get(3)? + fields.get(4)?;
    let own = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may contain anything; utime and stime are fields 14 and 15 of the whole line.
    let mut fields = own.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse::<u64>);
    let ours = fields.next()?.ok()? + fields.next()?.ok()?;
    Some((total - idle, ours, total))
}

/// Requests of every loaded model: ever accepted, and open now.
pub(crate) struct Traffic(HashMap<String, (u64, usize)>);

impl Traffic {
    pub fn now(registry: &Registry) -> Self {
        let loaded = registry.loaded();
        let stats = loaded.iter().filter_map(|loaded| {
            let scheduler = &loaded.text().ok()?.scheduler;
            let stats = scheduler.stats();
            // The gauges lag behind a request that has just ended; this does not.
            let open = if scheduler.is_idle() { 0 } else { (stats.running + stats.waiting).max(1) };
            Some((loaded.entry.id.clone(), (stats.requests, open)))
        });
        Self(stats.collect())
    }

    /// Whether others' requests ran since: some were open then, or more came than `own` of each model.
    pub fn disturbed(&self, registry: &Registry, own: &HashMap<String, u64>) -> bool {
        let open = self.0.values().any(|(_, open)| *open > 0);
        let came = Self::now(registry).0.into_iter().any(|(model, (now, _))| {
            let before = self.0.get(&model).map_or(0, |(before, _)| *before);
            now.saturating_sub(before) > own.get(&model).copied().unwrap_or(0)
        });
        open || came
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_we_do_ourselves_is_not_blamed_on_others() {
        let (all, ours, total) = ticks().unwrap();
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        let (all_then, ours_then, total_then) = ticks().unwrap();
        assert!(ours_then >= ours + 3, "a tenth of a second of work is several ticks: {ours} {ours_then}");
        assert!(all_then > all && total_then - total >= all_then - all);
        assert!(load_average().is_some());
    }
}
