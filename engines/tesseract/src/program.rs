//! Which program is run, its version, its languages.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tern_engine::EngineError;

use crate::process::{Limits, run};

/// For questions that are answered at once.
const QUESTION: Limits = Limits { time: Duration::from_secs(20), output: 1 << 20 };

/// The data that tells how a page lies; listed among the languages, and none.
pub(crate) const OSD: &str = "osd";

/// How to get the program, for people.
pub fn install_hint() -> String {
    "install Tesseract: apt install tesseract-ocr (Debian, Ubuntu), dnf install tesseract (Fedora), brew install tesseract \
     (macOS); or say where it is with --tesseract PATH"
        .into()
}

/// How to get a language, for people.
pub fn language_hint(language: &str) -> String {
    // Debian writes chi_sim as chi-sim and script/Latin as script-latn.
    format!("apt install tesseract-ocr-{}", language.trim_start_matches("script/").replace('_', "-").to_lowercase())
}

/// A program that has been found and has answered.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub path: PathBuf,
    /// `5.3.0`
    pub version: String,
}

impl Program {
    /// Where a name in PATH leads, or the path itself; `None` when no program is there.
    pub fn find(program: &str) -> Option<PathBuf> {
        let path = Path::new(program);
        if path.components().count() > 1 {
            return is_program(path).then(|| path.to_owned());
        }
        let folders = std::env::var_os("PATH")?;
        std::env::split_paths(&folders).map(|folder| folder.join(path)).find(|path| is_program(path))
    }

    /// Finds it and asks for its version.
    pub fn open(program: &str) -> Result<Self, EngineError> {
        let unusable = |message: String| EngineError::Unsupported { path: program.into(), message };
        let path = Self::find(program).ok_or_else(|| unusable(format!("not found; {}", install_hint())))?;
        let output = run(Command::new(&path).arg("--version"), &[], QUESTION, &|| false)
            .map_err(|error| unusable(error.to_string()))?;
        let first = output.lines().next().unwrap_or_default();
        let version = first.strip_prefix("tesseract ").map(|version| version.trim().trim_start_matches('v'));
        let version =
            version.ok_or_else(|| unusable(format!("--version answered {first:?}, expected \"tesseract ...\"")))?;
        Ok(Self { path, version: version.to_owned() })
    }

    /// What data is installed: languages, and [`OSD`]. Asked anew each time: some may have been installed a moment ago.
    pub fn data(&self) -> Result<Vec<String>, EngineError> {
        let output = run(Command::new(&self.path).arg("--list-langs"), &[], QUESTION, &|| false)?;
        Ok(names(&output).map(str::to_owned).collect())
    }
}

/// The names below the heading.
fn names(output: &str) -> impl Iterator<Item = &str> {
    output.lines().skip(1).map(str::trim).filter(|name| !name.is_empty())
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_what_stands_below_the_heading() {
        let output = "List of available languages in \"/usr/share/tessdata/\" (3):\neng\nosd\nscript/Latin\n\n";
        assert_eq!(names(output).collect::<Vec<_>>(), ["eng", "osd", "script/Latin"]);
        assert_eq!(language_hint("chi_sim"), "apt install tesseract-ocr-chi-sim");
    }

    #[test]
    fn a_program_that_is_not_there_says_how_to_get_it() {
        let error = Program::open("/nowhere/tesseract").unwrap_err().to_string();
        assert!(error.contains("/nowhere/tesseract") && error.contains("apt install tesseract-ocr"), "{error}");
    }
}
