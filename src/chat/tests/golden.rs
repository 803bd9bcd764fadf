//! Templates render as Jinja2 renders them. The expected texts are made by `golden/make.py`.

use std::path::Path;

use serde_json::Value;
use tern_chat::{Clock, template::Template};

/// Compares every case of a golden file with the templates in a folder. Returns what differs, and how many cases are
/// the same and how many both reject.
pub fn compare(golden: &Path, folder: &Path) -> (Vec<String>, usize, usize) {
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let golden: Value = serde_json::from_str(&read(golden)).unwrap();
    let clock = Clock::Fixed(jiff::civil::datetime(2026, 1, 2, 3, 4, 5, 0));
    let (mut wrong, mut same, mut both_reject) = (Vec::new(), 0, 0);
    for case in golden["cases"].as_array().unwrap() {
        let (file, scenario) = (case["template"].as_str().unwrap(), case["scenario"].as_str().unwrap());
        let rendered = Template::compile(&read(&folder.join(file)), clock)
            .map_err(|error| error.to_string())
            .and_then(|template| template.render(&golden["scenarios"][scenario]).map_err(|error| error.to_string()));
        match (case["rendered"].as_str(), rendered) {
            (Some(expected), Ok(text)) if expected == text => same += 1,
            (None, Err(_)) => both_reject += 1,
            (Some(expected), Ok(text)) => {
                let at = expected.chars().zip(text.chars()).take_while(|(a, b)| a == b).count();
                let from = at.saturating_sub(20);
                let part = |text: &str| text.chars().skip(from).take(80).collect::<String>();
                wrong.push(format!("{file}, {scenario}, at {at}: expected {:?}, got {:?}", part(expected), part(&text)));
            }
            (Some(_), Err(error)) => wrong.push(format!("{file}, {scenario}: expected a text, got {error}")),
            (None, Ok(text)) => wrong.push(format!("{file}, {scenario}: expected a refusal, got {text:?}")),
        }
    }
    (wrong, same, both_reject)
}

#[test]
fn templates_of_every_family_render_as_jinja2_renders_them() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let (wrong, same, both_reject) = compare(&here.join("golden.json"), &here.join("templates"));
    assert!(wrong.is_empty(), "{}\n(to make the golden file anew: python3 src/chat/tests/golden/make.py)", wrong.join("\n"));
    assert!(same > 70 && both_reject > 5, "{same} the same, {both_reject} rejected by both: the file is incomplete");
}

#[test]
#[ignore = "needs templates of real models: TERN_TEMPLATES=folder TERN_TEMPLATES_GOLDEN=file made by golden/make.py"]
fn real_templates_render_as_jinja2_renders_them() {
    let path = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let (wrong, same, both_reject) =
        compare(Path::new(&path("TERN_TEMPLATES_GOLDEN")), Path::new(&path("TERN_TEMPLATES")));
    println!("{}\n{same} the same, {both_reject} rejected by both, {} differ", wrong.join("\n"), wrong.len());
    assert!(wrong.len() * 50 < same, "more than one in fifty differs");
}
