//! Puts the built page (static/dist) into the binary: a table of its files, each also compressed where that helps.
//!
//! A build without the page works: the table is then empty, and `/` says how to build it.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// Endings of what becomes smaller.
const COMPRESSIBLE: [&str; 7] = ["html", "js", "css", "svg", "json", "txt", "webmanifest"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let page = Path::new("../../static/dist");
    // A path that is not there would make cargo run this again and again; its parent says when it comes.
    let watched = [page, Path::new("../../static")].into_iter().find(|folder| folder.exists());
    if let Some(folder) = watched {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let mut files = Vec::new();
    collect(page, &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for (index, file) in files.iter().enumerate() {
        let name = file.strip_prefix(page).unwrap_or(file).to_string_lossy().replace('\\', "/");
        // Names become routes: the bundler's are plain, and anything else is no part of the page.
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b)) {
            println!("cargo::warning=static/dist/{name} is left out: its name is no plain path");
            continue;
        }
        let bytes = fs::read(file)?;
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let copy = out.join(format!("page-{index}"));
        fs::write(&copy, &bytes)?;
        let gzip = compressed(&name, &bytes)?;
        let gzip = match gzip {
            Some(gzip) => {
                let copy = out.join(format!("page-{index}.gz"));
                fs::write(&copy, gzip)?;
                format!("Some(include_bytes!({copy:?}))")
            }
            None => "None".to_owned(),
        };
        table += &format!(
            "    PageFile {{ name: {name:?}, etag: \"\\\"{:016x}\\\"\", bytes: include_bytes!({copy:?}), gzip: {gzip} }},\n",
            hasher.finish(),
        );
    }
    table += "]\n";
    fs::write(out.join("page.rs"), table)
}

/// Every file below a folder; none if there is no folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() { collect(&path, files)? } else { files.push(path) }
    }
    Ok(())
}

fn compressed(name: &str, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending).unwrap_or_default();
    if !COMPRESSIBLE.contains(&ending) {
        return Ok(None);
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    let gzip = encoder.finish()?;
    Ok((gzip.len() < bytes.len()).then_some(gzip))
}
