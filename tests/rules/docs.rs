//! The commands in README.md are run, and print what README.md says they print.
//!
//! - A `sh` block holds commands; a `console` block holds commands behind `$ ` and what they print, where `...` stands
//!   for any text.
//! - `make` recipes must exist; they are not run, because they run this test. Names given to `tern pull` must be in
//!   the catalogue; they are not downloaded.
//! - `python` and `js` blocks are run by `tests/clients/readme`, which has the clients they need.

use std::process::Command;

use super::{
    read, root,
    running::{Running, TERN, tern},
};

const PAGE: &str = "README.md";

/// A fenced block.
struct Block {
    language: String,
    /// Line of the page it begins at, from 1.
    line: usize,
    text: String,
}

fn blocks() -> Vec<Block> {
    let page = read(PAGE);
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                open = Some(Block { language: language.to_owned(), line: index + 1, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text += line;
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{PAGE}: a block is not closed");
    blocks
}

/// A command and, in a `console` block, what it prints.
struct Step {
    command: String,
    output: Option<String>,
}

/// The commands of a block. One that ends in a backslash, or has an odd number of quotes, goes on in the next line.
fn steps(block: &Block) -> Vec<Step> {
    let console = block.language == "console";
    let unfinished = |command: &str| command.ends_with('\\') || command.matches('\'').count() % 2 == 1;
    let mut steps: Vec<Step> = Vec::new();
    for line in block.text.lines() {
        match steps.last_mut() {
            Some(step) if unfinished(&step.command) => {
                step.command.push('\n');
                step.command += line;
            }
            last => match (line.strip_prefix("$ "), last) {
                (Some(command), _) if console => {
                    steps.push(Step { command: command.to_owned(), output: Some(String::new()) });
                }
                (None, Some(Step { output: Some(output), .. })) => {
                    *output += line;
                    output.push('\n');
                }
                _ if console => panic!("{PAGE}:{}: output before the first command", block.line),
                _ if line.is_empty() || line.starts_with('#') => {}
                _ => steps.push(Step { command: line.to_owned(), output: None }),
            },
        }
    }
    steps
}

/// Whether `printed` is `expected`, where `...` in the latter stands for any text.
fn matches(expected: &str, printed: &str) -> bool {
    let mut parts = expected.trim_end().split("...");
    let mut rest = printed.trim_end();
    let Some(after) = parts.next().and_then(|first| rest.strip_prefix(first)) else { return false };
    rest = after;
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn dots_stand_for_any_text() {
    assert!(matches("a\n", "a") && matches("{\"id\":\"...\",\"x\":1}", "{\"id\":\"123\",\"x\":1}\n"));
    assert!(matches("a...", "abc\ndef") && matches("...c...", "abcd"));
    assert!(!matches("a", "ab") && !matches("a...c", "abcd") && !matches("b...", "abc"));
}

#[test]
fn every_block_of_the_readme_is_of_a_kind_that_is_tested() {
    for block in blocks() {
        let known = ["sh", "console", "python", "js"].contains(&block.language.as_str());
        assert!(known, "{PAGE}:{}: nothing tests a block of \"{}\"", block.line, block.language);
    }
}

#[test]
fn every_recipe_the_readme_names_exists() {
    let makefile = read("Makefile");
    let exists = |target: &str| makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
    let page = read(PAGE);
    let words = page.split('`').chain(page.lines()).filter_map(|text| text.strip_prefix("make "));
    let targets: Vec<_> = words.filter_map(|rest| rest.split_whitespace().next()).collect();
    assert!(!targets.is_empty(), "{PAGE} names no recipe");
    for target in targets {
        assert!(exists(target), "{PAGE} says `make {target}`, the Makefile has none");
    }
}

#[test]
fn the_readmes_commands_do_what_it_says() {
    let server = Running::start();
    let mut ran = 0;
    for block in blocks().iter().filter(|block| ["sh", "console"].contains(&block.language.as_str())) {
        for step in steps(block) {
            let place = format!("{PAGE}:{}: {}", block.line, step.command);
            if step.command.starts_with("make") || step.command.starts_with("git clone") {
                continue;
            }
            if let Some(name) = step.command.strip_prefix("target/release/tern pull ") {
                let models = tern(server.data.path()).arg("models").output().unwrap();
                let listed = String::from_utf8_lossy(&models.stdout).contains(name.trim());
                assert!(listed, "{place}: `tern models` does not list it");
                continue;
            }
            let command = step.command.replace("127.0.0.1:8080", &server.address).replace("target/release/tern", TERN);
            let output = Command::new("sh")
                .args(["-c", &command])
                .current_dir(root())
                .env("TERN_DATA_DIR", server.data.path())
                .env("HF_HUB_OFFLINE", "1")
                .output()
                .unwrap();
            let (printed, complaint) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{place}\n{}\n{printed}{complaint}", output.status);
            if let Some(expected) = &step.output {
                assert!(matches(expected, &printed), "{place}\nexpected:\n{expected}\nprinted:\n{printed}{complaint}");
            }
            ran += 1;
        }
    }
    assert!(ran > 0, "{PAGE} has no command that can be run");
}
