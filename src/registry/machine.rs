//! What this machine grants the process: processors and memory, with cgroup limits respected.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

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
    // The standard library's count would do where there is no cpuinfo, but it rounds a quota down: 1.5 CPUs to one.
    let allowed = affinity().or_else(|| Some(std::thread::available_parallelism().ok()?.get() as u32)).unwrap_or(1);
    let physical = physical_cores().unwrap_or(allowed);
    let quota = cgroup_cpu_quota(Path::new(CGROUPS), &own_groups());
    let count = physical.min(allowed).min(quota.unwrap_or(u32::MAX)).max(1);
    let quota = quota.map_or("no cgroup quota".to_owned(), |q| format!("cgroup quota {q}"));
    Threads { count, reason: format!("{physical} physical cores, {allowed} usable, {quota}") }
}

/// Processors this process may run on, by Linux's list of them (`0-3,8`).
fn affinity() -> Option<u32> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    listed(list.trim())
}

/// How many numbers such a list has.
fn listed(list: &str) -> Option<u32> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(last.trim().parse::<u32>().ok()?.checked_sub(first.trim().parse().ok()?)? + 1)
    };
    list.split(',').map(count).sum()
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

/// Where Linux shows control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// The control groups of this process, as `/proc/self/cgroup` lists them.
fn own_groups() -> String {
    fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

/// Folders whose limits hold for a process: its own group's and those above it, of version 2 and, for `controller`, of
/// version 1. `groups` has lines like `0::/a/b` (version 2) and `4:cpu,cpuacct:/a/b` (version 1). Where a container
/// shows its own group as the root, the path leads nowhere and the root is what is left.
fn group_folders(root: &Path, groups: &str, controller: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let tops = match controllers {
            "" => vec![root.to_owned(), root.join("unified")],
            names if names.split(',').any(|name| name == controller) => vec![root.join(controller), root.join(names)],
            _ => continue,
        };
        for top in tops {
            let own = top.join(path.trim_start_matches('/'));
            folders.extend(own.ancestors().take_while(|folder| folder.starts_with(&top)).map(Path::to_owned));
        }
    }
    folders
}

/// The smallest CPU quota of version 2 (`cpu.max`) or 1, rounded up to whole CPUs.
fn cgroup_cpu_quota(root: &Path, groups: &str) -> Option<u32> {
    let ratio = |quota: &str, period: &str| {
        let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
        (quota > 0.0 && period > 0.0).then(|| (quota / period).ceil().max(1.0) as u32)
    };
    let quota = |folder: PathBuf| {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        match read("cpu.max") {
            Some(text) => text.trim().split_once(' ').and_then(|(quota, period)| ratio(quota, period)),
            None => ratio(&read("cpu.cfs_quota_us")?, &read("cpu.cfs_period_us")?),
        }
    };
    group_folders(root, groups, "cpu").into_iter().filter_map(quota).min()
}

/// Memory this process may use, in bytes: the smallest of the machine's and every cgroup limit above it.
/// `None` where the system does not say.
pub fn memory_limit() -> Option<u64> {
    let machine = meminfo("MemTotal:");
    let cgroup = cgroup_memory_limit(Path::new(CGROUPS), &own_groups());
    match (machine, cgroup) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Memory that could be taken right now without swapping, in bytes: of the machine and of every cgroup with a limit.
pub fn memory_available() -> Option<u64> {
    let cgroup = cgroup_memory_free(Path::new(CGROUPS), &own_groups());
    [meminfo("MemAvailable:"), cgroup].into_iter().flatten().min()
}

/// Resident memory of this process, in bytes.
pub fn memory_resident() -> Option<u64> {
    field_kib("/proc/self/status", "VmRSS:")
}

/// The most resident memory this process has had since it began, or since [`reset_memory_peak`], in bytes.
pub fn memory_peak() -> Option<u64> {
    field_kib("/proc/self/status", "VmHWM:")
}

/// Makes [`memory_peak`] begin anew, where the system can (Linux); gives whether it could.
pub fn reset_memory_peak() -> bool {
    // 5 resets the high water mark and nothing else (man 5 proc_pid_clear_refs).
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

fn meminfo(field: &str) -> Option<u64> {
    field_kib("/proc/meminfo", field)
}

fn field_kib(file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn cgroup_memory_limit(root: &Path, groups: &str) -> Option<u64> {
    group_folders(root, groups, "memory").iter().filter_map(|folder| folder_memory_limit(folder)).min()
}

/// What the limits leave: the pages of files that a group has read are given back when they are needed.
fn cgroup_memory_free(root: &Path, groups: &str) -> Option<u64> {
    let free = |folder: &PathBuf| {
        let used = number(&folder.join("memory.current")).or_else(|| number(&folder.join("memory.usage_in_bytes")))?;
        let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
        let field = |name| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        // Version 1 has the sum over the groups below under a name of its own.
        let cached = field("total_inactive_file ").or_else(|| field("inactive_file ")).unwrap_or(0);
        Some(folder_memory_limit(folder)?.saturating_sub(used.saturating_sub(cached)))
    };
    group_folders(root, groups, "memory").iter().filter_map(free).min()
}

/// The limits of one group. Version 1 says "no limit" with a number near 2^63.
fn folder_memory_limit(folder: &Path) -> Option<u64> {
    let names = ["memory.max", "memory.high", "memory.limit_in_bytes"];
    names.iter().filter_map(|name| number(&folder.join(name))).filter(|&bytes| bytes < 1 << 60).min()
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of control groups with these files.
    fn groups(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_quota_of_one_and_a_half_cpus_gives_two_threads() {
        let quota = |files: &[(&str, &str)], own: &str| cgroup_cpu_quota(groups(files).path(), own);
        assert_eq!(quota(&[("cpu.max", "150000 100000\n")], "0::/\n"), Some(2));
        assert_eq!(quota(&[("cpu.max", "max 100000\n")], "0::/\n"), None);
        let v1 = [("cpu/cpu.cfs_quota_us", "150000\n"), ("cpu/cpu.cfs_period_us", "100000\n")];
        assert_eq!(quota(&v1, "3:cpu:/docker/0123\n0::/\n"), Some(2));
        let none = [("cpu/cpu.cfs_quota_us", "-1\n"), ("cpu/cpu.cfs_period_us", "100000\n")];
        assert_eq!(quota(&none, "3:cpu:/\n"), None);
    }

    #[test]
    fn the_smallest_quota_on_the_way_to_the_root_holds() {
        let v2 = groups(&[("a/b/cpu.max", "400000 100000\n"), ("a/cpu.max", "200000 100000\n")]);
        assert_eq!(cgroup_cpu_quota(v2.path(), "0::/a/b\n"), Some(2));
        assert_eq!(cgroup_cpu_quota(v2.path(), "0::/c\n"), None);
        let v1 = groups(&[("cpu,cpuacct/a/cpu.cfs_quota_us", "50000"), ("cpu,cpuacct/a/cpu.cfs_period_us", "100000")]);
        assert_eq!(cgroup_cpu_quota(v1.path(), "5:cpu,cpuacct:/a/b\n4:memory:/\n"), Some(1));
    }

    #[test]
    fn the_smallest_memory_limit_on_the_way_to_the_root_holds() {
        let v2 = groups(&[("a/b/memory.max", "max\n"), ("a/memory.max", "1000000\n")]);
        assert_eq!(cgroup_memory_limit(v2.path(), "0::/a/b\n"), Some(1_000_000));
        assert_eq!(cgroup_memory_limit(v2.path(), "0::/\n"), None);
        let v1 = groups(&[
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/a/memory.limit_in_bytes", "2000000\n"),
        ]);
        assert_eq!(cgroup_memory_limit(v1.path(), "4:memory:/a/b\n0::/\n"), Some(2_000_000));
        assert_eq!(cgroup_memory_limit(v1.path(), "4:memory:/\n0::/\n"), None);
    }

    #[test]
    fn what_a_limit_leaves_counts_pages_of_files_as_free() {
        let v2 = groups(&[
            ("a/memory.max", "1000000\n"),
            ("a/memory.current", "700000\n"),
            ("a/memory.stat", "anon 500000\ninactive_file 200000\n"),
        ]);
        assert_eq!(cgroup_memory_free(v2.path(), "0::/a\n"), Some(500_000));
        assert_eq!(cgroup_memory_free(v2.path(), "0::/b\n"), None);
        let v1 = groups(&[
            ("memory/memory.limit_in_bytes", "1000000\n"),
            ("memory/memory.usage_in_bytes", "700000\n"),
            ("memory/memory.stat", "inactive_file 1\ntotal_inactive_file 100000\n"),
        ]);
        assert_eq!(cgroup_memory_free(v1.path(), "4:memory:/\n"), Some(400_000));
    }

    #[test]
    fn processors_are_counted_from_linuxs_list() {
        assert_eq!(listed("0-3,8"), Some(5));
        assert_eq!(listed("7"), Some(1));
        assert_eq!(listed("3-1"), None);
        assert_eq!(listed(""), None);
    }

    #[test]
    fn there_is_at_least_one_thread_and_a_reason() {
        let threads = threads();
        assert!(threads.count >= 1 && threads.reason.contains("usable"));
    }
}
