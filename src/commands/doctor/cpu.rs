//! What the processor can do, against what each engine was built to use.

use std::{collections::BTreeSet, fs};

use super::{Check, builds};

/// Instruction sets that matrix products gain from, as cpuinfo spells them. Others may differ without consequence.
const RELEVANT: [&str; 17] = [
    "ssse3",
    "avx",
    "avx2",
    "f16c",
    "fma",
    "bmi2",
    "avx_vnni",
    "avx512f",
    "avx512vbmi",
    "avx512_vnni",
    "avx512_bf16",
    "asimd",
    "asimdhp",
    "asimddp",
    "i8mm",
    "sve",
    "sme",
];

const REBUILD: &str = "rebuild on this machine: cargo build --release (it uses target-cpu=native, unless RUSTFLAGS or \
                       SOURCE_DATE_EPOCH is set), or with --features dynamic-backends for many machines";

/// The processor, and each engine beside it.
pub(super) fn checks() -> Vec<Check> {
    let cpu = features();
    let known: Vec<&str> = RELEVANT.into_iter().filter(|name| cpu.contains(*name)).collect();
    let mut checks = vec![match known.is_empty() {
        true => Check::ok("processor", format!("{}, features unknown", model())),
        false => Check::ok("processor", format!("{}: {}", model(), known.join(" "))),
    }];
    for (name, build) in builds() {
        let name = format!("engine {name}");
        match build {
            Err(error) => checks.push(Check::warning(name, "not in this build", error)),
            Ok(build) => {
                let accelerators = match build.accelerators.as_slice() {
                    [] => "no GPU".to_owned(),
                    some => some.join(" "),
                };
                checks.push(Check::ok(&name, format!("{}, {accelerators}", build.version)));
                let name = format!("{name}, CPU");
                checks.push(match (build.chosen_at_start, build.cpu_features.as_slice()) {
                    (true, []) => {
                        Check::warning(name, "portable code only", "no kernels for this processor: models are slow")
                    }
                    (true, used) => Check::ok(name, format!("uses {}, chosen for this processor", used.join(" "))),
                    (false, built) => compare(name, &cpu, built),
                });
            }
        }
    }
    checks
}

/// A build that uses more than the processor has dies at once; one that uses less is slow.
fn compare(name: String, cpu: &BTreeSet<String>, built: &[String]) -> Check {
    let shown = if built.is_empty() { "baseline only".to_owned() } else { format!("uses {}", built.join(" ")) };
    if cpu.is_empty() {
        return Check::ok(name, shown);
    }
    let beyond: Vec<_> = built.iter().filter(|have| !cpu.contains(*have)).map(String::as_str).collect();
    if !beyond.is_empty() {
        let found =
            format!("uses {}, which this processor lacks: models will end in an illegal instruction", beyond.join(" "));
        return Check::problem(name, found, REBUILD);
    }
    let unused = RELEVANT.iter().filter(|name| cpu.contains(**name) && !built.iter().any(|have| have == **name));
    let unused: Vec<_> = unused.copied().collect();
    if unused.is_empty() {
        return Check::ok(name, format!("{shown}: all that this processor has"));
    }
    Check::warning(name, format!("{shown}, but not {}, which this processor has", unused.join(" ")), REBUILD)
}

/// Flags of the first processor in Linux's cpuinfo; empty where there is none.
fn features() -> BTreeSet<String> {
    let flags = cpuinfo(&["flags", "Features"]).unwrap_or_default();
    flags.split_whitespace().map(str::to_owned).collect()
}

fn model() -> String {
    cpuinfo(&["model name", "Model"]).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn cpuinfo(names: &[&str]) -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| names.contains(&name.trim())).map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{super::Verdict, *};

    fn check(cpu: &str, built: &str) -> Check {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        compare("engine".into(), &words(cpu).into_iter().collect(), &words(built))
    }

    #[test]
    fn a_build_that_uses_less_than_the_cpu_has_is_warned_about() {
        let check = check("fpu avx avx2 avx512f avx512_vnni", "avx avx2");
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(check.found.contains("but not avx512f avx512_vnni"), "{}", check.found);
        assert!(check.advice.unwrap().contains("target-cpu=native"));
    }

    #[test]
    fn a_build_that_uses_more_than_the_cpu_has_is_a_problem() {
        let check = check("fpu avx avx2", "avx avx2 avx512f");
        assert_eq!(check.verdict, Verdict::Problem);
        assert!(check.found.contains("uses avx512f, which this processor lacks"), "{}", check.found);
    }

    #[test]
    fn a_build_that_uses_all_is_well_and_so_is_an_unknown_cpu() {
        assert_eq!(check("fpu sse avx avx2", "avx avx2").verdict, Verdict::Ok);
        assert_eq!(check("", "avx avx2").verdict, Verdict::Ok);
    }
}
