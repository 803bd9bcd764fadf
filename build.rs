//! Stamps the binary with the commit it was built from and with the checksum of the built-in model.
//!
//! A build without git works: the version then stands alone.

use std::{fs, path::Path, process::Command};

use sha2::{Digest, Sha256};

const GUIDE: &str = "models/guide/tern-guide.gguf";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    stamp_version();
    stamp_guide();
}

fn stamp_version() {
    let version = std::env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // Without a .git of its own the source is a release archive; git would then answer for a repository around it.
    let commit = Path::new(".git").exists().then(|| git(&["rev-parse", "--short=10", "HEAD"])).flatten();
    let stamp = commit.map_or(version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=TERN_VERSION={stamp}");
    // HEAD names the branch; its log grows with every commit, whether refs are packed or not.
    for path in ["HEAD", "logs/HEAD"] {
        if let Some(file) = git(&["rev-parse", "--git-path", path]).filter(|file| Path::new(file).exists()) {
            println!("cargo::rerun-if-changed={file}");
        }
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}

fn stamp_guide() {
    println!("cargo::rerun-if-changed={GUIDE}");
    let bytes = match fs::read(GUIDE) {
        Ok(bytes) if bytes.starts_with(b"GGUF") => bytes,
        Ok(_) => {
            println!("cargo::error={GUIDE} is not a GGUF file; if it is a Git LFS pointer, run: git lfs pull");
            return;
        }
        Err(error) => {
            println!(
                "cargo::error={GUIDE}: {error}. The built-in model belongs to the source; models/guide/train.py makes it"
            );
            return;
        }
    };
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=TERN_GUIDE_SHA256={hash}");
}
