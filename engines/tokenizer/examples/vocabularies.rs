//! Checks vocabularies with golden files, and times them.
//!
//! ```text
//! cargo run --release -p tern-tokenizer --example vocabularies -- FOLDER
//! ```
//!
//! `FOLDER` has files `NAME.gguf`, `NAME.gguf.inp` and `NAME.gguf.out` as they are in `models` of llama.cpp's sources:
//! texts, divided by lines `__ggml_vocab_test__`, and for each a line of token ids. A folder with a `tokenizer.json` is
//! timed only.

use std::{env, error::Error, fs, path::Path, time::Instant};

use tern_engine::Tokenizer;
use tern_gguf::Header;
use tern_tokenizer::{GgufTokenizer, HfTokenizer, Overrides};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1).ok_or("which folder?")?;
    if Path::new(&folder).join("tokenizer.json").exists() {
        let start = Instant::now();
        let tokenizer = HfTokenizer::from_folder(Path::new(&folder))?;
        println!("{} tokens in {:.0?}; {}", tokenizer.vocab_size(), start.elapsed(), times(&tokenizer)?);
        return Ok(());
    }
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "gguf"));
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match check(&path) {
            Ok(line) => println!("{name:28} {line}"),
            Err(error) => println!("{name:28} {}", error.to_string().chars().take(150).collect::<String>()),
        }
    }
    Ok(())
}

fn check(path: &Path) -> Result<String, Box<dyn Error>> {
    let header = Header::read(path)?;
    let start = Instant::now();
    let tokenizer = GgufTokenizer::from_header(&header, &Overrides::default())?;
    let load = start.elapsed();
    let golden = |suffix: &str| fs::read_to_string(path.with_extension(format!("gguf.{suffix}")));
    let (mut right, mut all, mut first) = (0, 0, String::new());
    if let (Ok(texts), Ok(ids)) = (golden("inp"), golden("out")) {
        for (text, line) in texts.split("\n__ggml_vocab_test__\n").zip(ids.lines()) {
            let wanted: Vec<u32> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            let got = tokenizer.encode(text, false, false)?;
            all += 1;
            if got == wanted {
                right += 1;
            } else if first.is_empty() {
                first = format!("; {text:?} gives {got:?}, expected {wanted:?}");
            }
        }
    }
    Ok(format!(
        "{right}/{all}, {} tokens and {} merges in {load:.0?}; {}{first}",
        tokenizer.vocab_size(),
        header.array_len("tokenizer.ggml.merges").unwrap_or(0),
        times(&tokenizer)?,
    ))
}

fn times(tokenizer: &dyn Tokenizer) -> Result<String, Box<dyn Error>> {
    let text = PROSE.repeat((1 << 20) / PROSE.len());
    let start = Instant::now();
    tokenizer.encode(&text, false, false)?;
    let speed = text.len() as f64 / 1e6 / start.elapsed().as_secs_f64();
    let mut words = Vec::new();
    for size in [1 << 18, 1 << 19, 1 << 20] {
        let word = "a".repeat(size);
        let start = Instant::now();
        tokenizer.encode(&word, false, false)?;
        words.push(format!("{:.0?}", start.elapsed()));
    }
    Ok(format!("{speed:.1} MB/s; 1/4, 1/2 and 1 MB in one word: {}", words.join(", ")))
}

const PROSE: &str = "The Arctic tern flies from pole to pole and back each year: about 70,900 km. \"How does it know?\" \
                     asked the child.\n\nfn main() { println!(\"{}\", 6 * 7); }\n  Grüße aus Zürich; 日本語のテキスト。 ";
