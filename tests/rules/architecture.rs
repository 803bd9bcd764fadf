//! ARCHITECTURE.md against `cargo metadata`, the folder tree and the sources.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    process::Command,
};

use serde_json::Value;

use super::{files, read, root};

/// Where the page is wrong, or the code: which of the two is for the reader to decide.
const PAGE: &str = "ARCHITECTURE.md";

/// Crates of ours with their folders, direct dependencies of every kind, and normal dependencies among themselves.
struct Crate {
    folder: String,
    direct: BTreeSet<String>,
    ours: BTreeSet<String>,
}

fn cargo_metadata(options: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(options)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn crates() -> BTreeMap<String, Crate> {
    let metadata = cargo_metadata(&["--no-deps"]);
    let describe = |package: &Value| {
        let folder = Path::new(text(&package["manifest_path"])).parent().unwrap().strip_prefix(root()).unwrap();
        let folder = if folder == Path::new("") { ".".to_owned() } else { folder.display().to_string() };
        let dependencies: Vec<_> = list(&package["dependencies"]).collect();
        let ours = dependencies.iter().filter(|d| d["kind"].is_null() && d["path"].is_string());
        let ours = ours.map(|d| text(&d["name"]).to_owned()).collect();
        let direct = dependencies.iter().map(|d| text(&d["name"]).to_owned()).collect();
        (text(&package["name"]).to_owned(), Crate { folder, direct, ours })
    };
    list(&metadata["packages"]).map(describe).collect()
}

/// The words in backticks of a piece of Markdown.
fn quoted(markdown: &str) -> impl Iterator<Item = &str> {
    markdown.split('`').skip(1).step_by(2)
}

/// The lines between a heading and the next one.
fn section<'a>(page: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let lines = page.lines().skip_while(move |line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with("## "))
}

#[test]
fn the_table_of_crates_is_what_cargo_says() {
    let page = read(PAGE);
    let rows = section(&page, "## Crates").filter(|line| line.starts_with("| `"));
    let listed: BTreeMap<String, (String, BTreeSet<String>)> = rows
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').collect();
            assert_eq!(cells.len(), 3, "{PAGE}: {row}");
            let one = |cell| quoted(cell).next().unwrap_or_default().to_owned();
            (one(cells[0]), (one(cells[1]), quoted(cells[2]).map(ToOwned::to_owned).collect()))
        })
        .collect();
    let real: BTreeMap<_, _> = crates().into_iter().map(|(name, ours)| (name, (ours.folder, ours.ours))).collect();
    let names = |table: &BTreeMap<String, _>| table.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&listed), names(&real), "{PAGE}, \"## Crates\" (left) and the workspace (right) differ");
    for (name, row) in &real {
        assert_eq!(&listed[name], row, "{PAGE}, \"## Crates\", row `{name}` (left) and its Cargo.toml (right) differ");
    }
}

#[test]
fn every_path_the_page_names_exists() {
    let page = read(PAGE);
    let is_path = |word: &&str| {
        ["src/", "engines/", "models/", "tests/", "openapi/", "vendor/", "static/", "scripts/"]
            .iter()
            .any(|folder| word.starts_with(folder))
    };
    // `engines/<name>` stands for all of them.
    let missing: Vec<_> =
        quoted(&page).filter(is_path).filter(|word| !word.contains('<') && !root().join(word).exists()).collect();
    assert!(missing.is_empty(), "{PAGE} names what does not exist: {missing:?}");
}

#[test]
fn every_source_folder_is_on_the_page() {
    let page = read(PAGE);
    let folders = ["src", "engines"].into_iter().flat_map(|top| std::fs::read_dir(root().join(top)).unwrap());
    for folder in folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let path = folder.strip_prefix(root()).unwrap().display().to_string();
        assert!(quoted(&page).any(|word| word.starts_with(&path)), "{PAGE} does not say what {path} is for");
    }
}

/// Asserts that of all our crates only `allowed` have a direct dependency whose name begins with `prefix`.
#[track_caller]
fn known_only_to(prefix: &str, allowed: &[&str]) {
    let users: Vec<_> = crates()
        .into_iter()
        .filter(|(_, ours)| ours.direct.iter().any(|name| name.starts_with(prefix)))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(users, allowed, "crates that depend on {prefix}");
}

#[test]
fn poem_is_known_to_the_api_alone() {
    known_only_to("poem", &["tern-api"]);
}

#[test]
fn llama_cpp_is_known_to_its_engine_alone() {
    known_only_to("llama-cpp", &["tern-llama"]);
}

#[test]
fn the_database_and_the_index_are_known_to_the_store_alone() {
    known_only_to("redb", &["tern-store"]);
    known_only_to("tantivy", &["tern-store"]);
}

#[test]
fn the_store_depends_on_no_crate_of_ours_and_knows_neither_tokio_nor_http() {
    let packages = built_with("tern-store", &cargo_metadata(&["--filter-platform", &host()]));
    let others = ["tokio", "hyper", "poem", "reqwest"];
    let ours = |name: &str| name.starts_with("tern-") && name != "tern-store";
    let found: Vec<_> = packages.iter().filter(|name| others.contains(&name.as_str()) || ours(name)).collect();
    assert!(found.is_empty(), "tern-store is built with {found:?}");
}

/// What engines are made of: no engines themselves, and free to be used by several.
const OF_ENGINES: [&str; 6] =
    ["tern-bitnet-file", "tern-engine", "tern-folder", "tern-gguf", "tern-ternary", "tern-tokenizer"];

#[test]
fn engine_crates_are_known_to_the_registry_alone() {
    for (name, _) in crates().into_iter().filter(|(_, ours)| ours.folder.starts_with("engines/")) {
        if !OF_ENGINES.contains(&name.as_str()) {
            let users: Vec<_> = crates().into_iter().filter(|(_, c)| c.ours.contains(&name)).map(|(n, _)| n).collect();
            assert_eq!(users, ["tern-registry"], "crates that depend on {name}");
        }
    }
}

#[test]
fn one_file_names_the_engine_crates() {
    let engines = ["tern_bitnet::", "tern_candle", "tern_llama", "tern_echo", "tern_tesseract"];
    let naming: Vec<_> = files("src", ".rs")
        .into_iter()
        // What is served may not name them; tests and examples may.
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "examples"))
        .filter(|path| {
            let source = read(path);
            let code = source.split("\n#[cfg(test)]\n").next().unwrap_or_default();
            code.lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .any(|line| engines.iter().any(|engine| line.contains(engine)))
        })
        .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
        .collect();
    assert_eq!(naming, ["src/registry/engines.rs"], "files that name an engine crate");
}

#[test]
fn the_contract_depends_on_no_crate_of_ours() {
    assert!(crates()["tern-engine"].direct.iter().all(|name| !name.starts_with("tern-")));
}

/// The platform this runs on, as cargo calls it.
fn host() -> String {
    let about = String::from_utf8(Command::new("rustc").arg("-vV").output().unwrap().stdout).unwrap();
    about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// Names of all packages that `package` is built with, by normal dependencies.
fn built_with(package: &str, resolved: &Value) -> BTreeSet<String> {
    let names: HashMap<_, _> =
        list(&resolved["packages"]).map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    let nodes: HashMap<_, _> = list(&resolved["resolve"]["nodes"]).map(|node| (text(&node["id"]), node)).collect();
    let start = names.iter().find(|(_, name)| **name == package).unwrap_or_else(|| panic!("no package {package}"));
    let (mut seen, mut waiting) = (BTreeSet::from([*start.0]), vec![*start.0]);
    while let Some(id) = waiting.pop() {
        for dependency in list(&nodes[id]["deps"]) {
            let normal = list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            let id = text(&dependency["pkg"]);
            if normal && seen.insert(id) {
                waiting.push(id);
            }
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn engines_know_neither_tokio_nor_http() {
    let resolved = cargo_metadata(&["--filter-platform", &host()]);
    for (name, ours) in crates() {
        if ours.folder.starts_with("engines/") && name != "tern-remote" {
            let packages = built_with(&name, &resolved);
            let forbidden: Vec<_> =
                ["tokio", "hyper", "poem", "reqwest"].into_iter().filter(|name| packages.contains(*name)).collect();
            assert!(forbidden.is_empty(), "{name} is built with {forbidden:?}");
        }
    }
}

#[test]
fn unsafe_code_lives_in_one_module() {
    let manifest = |path: &str| read(path).parse::<toml::Table>().unwrap();
    let forbidden = |table: &toml::Value| table["rust"]["unsafe_code"].as_str() == Some("forbid");
    assert!(forbidden(&manifest("Cargo.toml")["workspace"]["lints"]), "the workspace forbids unsafe_code");
    // The crates that may have it, each in one module.
    let modules = [
        ("tern-llama", "engines/llama", "ffi"),
        ("tern-ternary", "engines/ternary", "ffi"),
        ("tern-bitnet", "engines/bitnet", "raw"),
    ];
    for (name, ours) in crates().into_iter().filter(|(name, _)| modules.iter().all(|(crate_, ..)| name != crate_)) {
        let manifest = manifest(&format!("{}/Cargo.toml", ours.folder));
        let inherits = manifest["lints"].get("workspace").and_then(toml::Value::as_bool) == Some(true);
        assert!(inherits || forbidden(&manifest["lints"]), "{name} does not forbid unsafe_code");
    }
    for (_, folder, module) in modules {
        let outside: Vec<_> = files(folder, ".rs")
            .into_iter()
            .filter(|path| read(path).lines().any(|line| !line.trim_start().starts_with("//") && has_unsafe(line)))
            .map(|path| path.strip_prefix(root()).unwrap().display().to_string())
            .filter(|path| !path.starts_with(&format!("{folder}/src/{module}")))
            .collect();
        assert!(outside.is_empty(), "unsafe outside {folder}/src/{module}: {outside:?}");
    }
}

fn has_unsafe(line: &str) -> bool {
    ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"].iter().any(|form| line.contains(form))
}
