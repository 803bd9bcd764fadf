//! Templates render as Jinja2 renders them. The expected texts are made by `golden/make.py`.

use std::path::Path;

use serde_json::Value;
use tern_chat::{Clock, template::Template};

/// How the cases of a golden file came out.
#[derive(Default)]
struct Outcome {
    same: usize,
    both_reject: usize,
    /// Cases that Jinja2 rejects and we render: minijinja iterates over none, and says `none | length` is 0.
    lenient: Vec<String>,
    wrong: Vec<String>,
}

/// Compares every case of a golden file with the templates in a folder.
fn compare(golden: &Path, folder: &Path) -> Outcome {
    let read =
        |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let golden: Value = serde_json::from_str(&read(golden)).unwrap();
    let clock = Clock::Fixed(jiff::civil::datetime(2026, 1, 2, 3, 4, 5, 0));
    let mut outcome = Outcome::default();
    for case in golden["cases"].as_array().unwrap() {
        let (file, scenario) = (case["template"].as_str().unwrap(), case["scenario"].as_str().unwrap());
        let rendered = Template::compile(&read(&folder.join(file)), clock)
            .map_err(|error| error.to_string())
            .and_then(|template| template.render(&golden["scenarios"][scenario]).map_err(|error| error.to_string()));
        match (case["rendered"].as_str(), rendered) {
            (Some(expected), Ok(text)) if expected == text => outcome.same += 1,
            (None, Err(_)) => outcome.both_reject += 1,
            (Some(expected), Ok(text)) => {
                let at = expected.chars().zip(text.chars()).take_while(|(a, b)| a == b).count();
                let part = |text: &str| text.chars().skip(at.saturating_sub(20)).take(80).collect::<String>();
                let (expected, text) = (part(expected), part(&text));
                outcome.wrong.push(format!("{file}, {scenario}, at {at}: expected {expected:?}, got {text:?}"));
            }
            (Some(_), Err(error)) => outcome.wrong.push(format!("{file}, {scenario}: expected a text, got {error}")),
            (None, Ok(_)) => outcome.lenient.push(format!("{file}, {scenario}")),
        }
    }
    outcome
}

#[test]
fn templates_of_every_family_render_as_jinja2_renders_them() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let outcome = compare(&here.join("golden.json"), &here.join("templates"));
    let wrong = [outcome.wrong, outcome.lenient].concat();
    assert!(wrong.is_empty(), "{}\n(to make the file anew: python3 src/chat/tests/golden/make.py)", wrong.join("\n"));
    assert!(outcome.same > 70 && outcome.both_reject > 5, "the golden file is incomplete");
}

#[test]
#[ignore = "needs templates of real models: TERN_TEMPLATES=folder TERN_TEMPLATES_GOLDEN=file made by golden/make.py"]
fn real_templates_render_as_jinja2_renders_them() {
    let path = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let outcome = compare(Path::new(&path("TERN_TEMPLATES_GOLDEN")), Path::new(&path("TERN_TEMPLATES")));
    let (wrong, lenient) = (outcome.wrong.len(), outcome.lenient.len());
    println!("{}\nonly Jinja2 rejects:\n{}", outcome.wrong.join("\n"), outcome.lenient.join("\n"));
    println!(
        "{} the same, {} rejected by both, {lenient} by Jinja2 only, {wrong} differ",
        outcome.same, outcome.both_reject
    );
    assert!(wrong * 20 < outcome.same, "more than one in twenty differs");
}
