//! Stamps the binary with the commit it was built from and with the checksums of the built-in models.
//!
//! A build without git works: the version then stands alone.

use std::{fs, path::Path, process::Command};

use sha2::{Digest, Sha256};

/// Each with the variable that its checksum goes into.
const GUIDES: [(&str, &str); 2] = [
    ("models/guide/tern-guide-i2s.gguf", "TERN_GUIDE_SHA256"),
    ("models/guide/tern-guide.gguf", "TERN_GUIDE_Q8_0_SHA256"),
];

/// The files of the model that finds names; one checksum of all of them, in this order.
const NER: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    stamp_version();
    for (file, variable) in GUIDES {
        stamp_guide(file, variable);
    }
    stamp_ner();
}

fn stamp_ner() {
    let mut hash = Sha256::new();
    for name in NER {
        let file = format!("models/ner/model/{name}");
        println!("cargo::rerun-if-changed={file}");
        match fs::read(&file) {
            Ok(bytes) => hash.update(&bytes),
            Err(error) => println!("cargo::error={file}: {error}. models/ner/train.py makes it"),
        }
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=TERN_NER_SHA256={hash}");
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

fn stamp_guide(file: &str, variable: &str) {
    println!("cargo::rerun-if-changed={file}");
    let bytes = match fs::read(file) {
        Ok(bytes) if bytes.starts_with(b"GGUF") => bytes,
        Ok(_) => {
            println!("cargo::error={file} is not a GGUF file; if it is a Git LFS pointer, run: git lfs pull");
            return;
        }
        Err(error) => {
            println!(
                "cargo::error={file}: {error}. The built-in model belongs to the source; models/guide/train.py makes it"
            );
            return;
        }
    };
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env={variable}={hash}");
}
