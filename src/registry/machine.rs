//! What this machine grants the process: processors and memory, with cgroup limits respected.

use std::{collections::HashSet, fs, path::Path};

/// How many threads to use, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threads {
    /// Threads of a forward pass.
    pub count: u32,
    /// The three limits behind it, for the start-up line.
    pub reason: String,
}

/// `min(physical cores, CPU affinity, ceil(cgroup quota))`: more threads than that wait for each other at every
/// barrier of a matrix product, which costs up to a factor of 45 in a container.
pub fn threads() -> Threads {
    let allowed = std::thread::available_parallelism().map_or(1, |n| n.get() as u32);
    let physical = physical_cores().unwrap_or(allowed);
    let quota = cgroup_cpu_quota(Path::new("/sys/fs/cgroup"));
    let count = physical.min(allowed).min(quota.unwrap_or(u32::MAX)).max(1);
    let quota = quota.map_or("no cgroup quota".to_owned(), |q| format!("cgroup quota {q}"));
    Threads { count, reason: format!("{physical} physical cores, {allowed} usable, {quota}") }
}

/// Counts distinct (package, core) pairs in Linux's cpuinfo; `None` where it does not say.
fn physical_cores() -> Option<u32> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let (mut cores, mut package) = (HashSet::new(), String::new());
    for line in text.lines() {
        match line.split_once(':').map(|(k, v)| (k.trim(), v.trim())) {
            Some(("physical id", v)) => package = v.to_owned(),
            Some(("core id", v)) => {
                cores.insert((package.clone(), v.to_owned()));
            }
            _ => {}
        }
    }
    u32::try_from(cores.len()).ok().filter(|&n| n > 0)
}

/// The CPU quota of cgroup v2 (`cpu.max`) or v1, rounded up to whole CPUs.
fn cgroup_cpu_quota(root: &Path) -> Option<u32> {
    let ratio = |quota: &str, period: &str| {
        let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
        (quota > 0.0 && period > 0.0).then(|| (quota / period).ceil().max(1.0) as u32)
    };
    if let Ok(text) = fs::read_to_string(root.join("cpu.max")) {
        let (quota, period) = text.trim().split_once(' ')?;
        return ratio(quota, period);
    }
    let read = |name: &str| fs::read_to_string(root.join("cpu").join(name)).ok();
    ratio(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?)
}

/// Memory this process may use, in bytes: the smallest of the machine's and every cgroup limit above it.
/// `None` where the system does not say.
pub fn memory_limit() -> Option<u64> {
    let machine = meminfo("MemTotal:");
    let cgroup = cgroup_memory_limit(Path::new("/sys/fs/cgroup"), &own_cgroup());
    match (machine, cgroup) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Memory that could be taken right now without swapping, in bytes.
pub fn memory_available() -> Option<u64> {
    meminfo("MemAvailable:")
}

/// Resident memory of this process, in bytes.
pub fn memory_resident() -> Option<u64> {
    field_kib("/proc/self/status", "VmRSS:")
}

fn meminfo(field: &str) -> Option<u64> {
    field_kib("/proc/meminfo", field)
}

fn field_kib(file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn own_cgroup() -> String {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/").trim().to_owned()
}

/// Walks from the process's own group to the root: a limit anywhere above holds.
fn cgroup_memory_limit(root: &Path, group: &str) -> Option<u64> {
    let mut smallest: Option<u64> = None;
    let mut directory = root.join(group.trim_start_matches('/'));
    loop {
        for name in ["memory.max", "memory.high"] {
            let limit = fs::read_to_string(directory.join(name)).ok().and_then(|t| t.trim().parse::<u64>().ok());
            smallest = [smallest, limit].into_iter().flatten().min();
        }
        if directory == root || !directory.pop() {
            break;
        }
    }
    // Version 1 has one file and says "no limit" with a number near 2^63.
    let v1 = fs::read_to_string(root.join("memory/memory.limit_in_bytes")).ok();
    let v1 = v1.and_then(|t| t.trim().parse::<u64>().ok()).filter(|&n| n < 1 << 60);
    [smallest, v1].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_of_one_and_a_half_cpus_gives_two_threads() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cpu.max"), "150000 100000\n").unwrap();
        assert_eq!(cgroup_cpu_quota(dir.path()), Some(2));
        fs::write(dir.path().join("cpu.max"), "max 100000\n").unwrap();
        assert_eq!(cgroup_cpu_quota(dir.path()), None);
    }

    #[test]
    fn the_smallest_memory_limit_on_the_way_to_the_root_holds() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/memory.max"), "max\n").unwrap();
        fs::write(dir.path().join("a/memory.max"), "1000000\n").unwrap();
        assert_eq!(cgroup_memory_limit(dir.path(), "/a/b"), Some(1_000_000));
        assert_eq!(cgroup_memory_limit(dir.path(), "/"), None);
    }

    #[test]
    fn there_is_at_least_one_thread_and_a_reason() {
        let threads = threads();
        assert!(threads.count >= 1 && threads.reason.contains("usable"));
    }
}
