//! How a model is named: catalogue names and files on a hub, read from text and checked.
//!
//! Everything that later becomes a path on disk or a part of an address passes through here, so that no name can
//! leave the folder it belongs in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The branch that a name without `@REVISION` means.
pub const MAIN: &str = "main";

/// What a user wrote where a model is expected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `NAME`, `NAME:QUANT`, `NAME:QUANT@ENGINE`: a row of the built-in table, in lower case.
    Name {
        /// `qwen2.5-0.5b`
        name: String,
        /// `q8_0`; without it, the row's default is meant.
        quant: Option<String>,
        /// `llama`; without it, the row's own engine is meant.
        engine: Option<String>,
    },
    /// `org/repo:file`, `org/repo@revision:file` or `org/repo/file.gguf`: a file of a repository on the hub; `org/repo` or
    /// `org/repo@revision`: the model that the repository is.
    File(HubFile),
}

/// One file of one repository, at one revision, or the repository itself, whose files are a model together. Its parts are
/// safe to join to a path or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HubFile {
    repo: String,
    revision: String,
    file: String,
}

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The shape is none of those known.
    #[error(
        "{text:?} is not a model reference: expected NAME, NAME:QUANT, NAME:QUANT@ENGINE, org/repo:file, \
         org/repo@revision:file, org/repo/file.gguf or org/repo"
    )]
    Shape {
        /// What was given.
        text: String,
    },
    /// A part could lead out of its folder, or holds characters the hub does not use.
    #[error("{text:?}: unsafe {what} {part:?}: {rule}")]
    Unsafe {
        /// What was given.
        text: String,
        /// `repository`, `revision` or `file name`.
        what: &'static str,
        /// The offending part.
        part: String,
        /// What is expected of it.
        rule: &'static str,
    },
}

impl HubFile {
    /// Checks the parts and joins them.
    ///
    /// # Errors
    /// [`ReferenceError::Unsafe`] when a part could leave its folder: `..`, an empty segment, a backslash, a control
    /// character, characters that repositories and revisions do not have.
    pub fn new(repo: &str, revision: &str, file: &str) -> Result<Self, ReferenceError> {
        let checked = Self::repository(repo, revision)?;
        if file.len() > 512 || !file.split('/').all(is_file_part) {
            let rule = "expected a relative path without '..', '\\', ':' or control characters";
            let text = format!("{checked}:{file}");
            return Err(ReferenceError::Unsafe { text, what: "file name", part: file.to_owned(), rule });
        }
        Ok(checked.sibling(file.to_owned()))
    }

    /// A repository whose files are a model together.
    ///
    /// # Errors
    /// As [`HubFile::new`].
    pub fn repository(repo: &str, revision: &str) -> Result<Self, ReferenceError> {
        let text = if revision == MAIN { repo.to_owned() } else { format!("{repo}@{revision}") };
        let refuse = |what, part: &str, rule| {
            Err(ReferenceError::Unsafe { text: text.clone(), what, part: part.to_owned(), rule })
        };
        match repo.split_once('/') {
            Some((org, name)) if is_repo_part(org) && is_repo_part(name) => {}
            _ => return refuse("repository", repo, "expected org/name of letters, digits, '-', '_' and '.'"),
        }
        if revision.len() > 200 || !revision.split('/').all(is_revision_part) {
            return refuse("revision", revision, "expected a branch, tag or commit of letters, digits, '-', '_', '.'");
        }
        Ok(Self { repo: repo.to_owned(), revision: revision.to_owned(), file: String::new() })
    }

    /// `org/name`
    pub fn repo(&self) -> &str {
        &self.repo
    }

    /// Branch, tag or commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Path within the repository, with `/` between folders; empty when the whole repository is meant.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether the whole repository is meant.
    pub fn is_repository(&self) -> bool {
        self.file.is_empty()
    }

    /// The same repository and revision, another file.
    pub(crate) fn sibling(&self, file: String) -> Self {
        Self { file, ..self.clone() }
    }

    /// Whether the revision is a commit, which never changes its meaning.
    pub fn is_pinned(&self) -> bool {
        is_commit(&self.revision)
    }
}

impl fmt::Display for HubFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repo)?;
        if self.revision != MAIN {
            write!(f, "@{}", self.revision)?;
        }
        if self.is_repository() { Ok(()) } else { write!(f, ":{}", self.file) }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Name { name, quant, engine } => {
                f.write_str(name)?;
                quant.iter().try_for_each(|quant| write!(f, ":{quant}"))?;
                engine.iter().try_for_each(|engine| write!(f, "@{engine}"))
            }
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains('/') { file_reference(text).map(Self::File) } else { name_reference(text) }
    }
}

fn name_reference(text: &str) -> Result<Reference, ReferenceError> {
    let (rest, engine) = split_optional(text, '@');
    let (name, quant) = split_optional(rest, ':');
    let parts = [Some(name), quant, engine];
    if !parts.into_iter().flatten().all(is_name_part) {
        return Err(ReferenceError::Shape { text: text.to_owned() });
    }
    let lower = |part: &str| part.to_ascii_lowercase();
    Ok(Reference::Name { name: lower(name), quant: quant.map(lower), engine: engine.map(lower) })
}

fn file_reference(text: &str) -> Result<HubFile, ReferenceError> {
    let shape = || ReferenceError::Shape { text: text.to_owned() };
    if let Some((left, file)) = text.split_once(':') {
        let (org, rest) = left.split_once('/').ok_or_else(shape)?;
        let (name, revision) = split_optional(rest, '@');
        return HubFile::new(&format!("{org}/{name}"), revision.unwrap_or(MAIN), file);
    }
    let mut parts = text.splitn(3, '/');
    let (org, name, file) = (parts.next(), parts.next(), parts.next());
    let (Some(org), Some(name)) = (org, name) else { return Err(shape()) };
    let (name, revision) = split_optional(name, '@');
    match file {
        Some(file) => HubFile::new(&format!("{org}/{name}"), revision.unwrap_or(MAIN), file),
        None => HubFile::repository(&format!("{org}/{name}"), revision.unwrap_or(MAIN)),
    }
}

fn split_optional(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(left, right)| (left, Some(right)))
}

fn is_name_part(part: &str) -> bool {
    !part.is_empty() && part.len() <= 128 && part.chars().all(is_word) && !part.starts_with('.')
}

/// The hub's own rule: `--` and `..` do not occur, which also makes the cache's folder names unambiguous.
fn is_repo_part(part: &str) -> bool {
    is_name_part(part) && part.len() <= 96 && !part.starts_with('-') && !part.contains("--") && !part.contains("..")
}

fn is_revision_part(part: &str) -> bool {
    is_name_part(part) && !part.contains("..")
}

fn is_file_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.chars().any(|c| c.is_control() || matches!(c, '\\' | ':'))
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Whether `text` is a full commit hash.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> (String, Option<String>, Option<String>) {
        match text.parse().unwrap() {
            Reference::Name { name, quant, engine } => (name, quant, engine),
            Reference::File(file) => panic!("{text} was read as the file {file}"),
        }
    }

    fn file(text: &str) -> (String, String, String) {
        match text.parse().unwrap() {
            Reference::File(file) => (file.repo, file.revision, file.file),
            name => panic!("{text} was read as the name {name}"),
        }
    }

    fn refused(text: &str) -> ReferenceError {
        text.parse::<Reference>().expect_err(text)
    }

    #[test]
    fn names_carry_quantization_and_engine() {
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(name("qwen2.5-0.5b"), ("qwen2.5-0.5b".into(), None, None));
        assert_eq!(name("qwen2.5-0.5b:q8_0"), ("qwen2.5-0.5b".into(), some("q8_0"), None));
        assert_eq!(name("Qwen2.5-0.5B:Q8_0@Llama"), ("qwen2.5-0.5b".into(), some("q8_0"), some("llama")));
        assert_eq!(name("bitnet-2b-4t@bitnet"), ("bitnet-2b-4t".into(), None, some("bitnet")));
    }

    #[test]
    fn files_of_the_hub_are_read_in_three_shapes() {
        let main = |file: &str| ("org/repo".to_owned(), "main".to_owned(), file.to_owned());
        assert_eq!(file("org/repo:a.gguf"), main("a.gguf"));
        assert_eq!(file("org/repo:sub/a.gguf"), main("sub/a.gguf"));
        assert_eq!(file("org/repo/a.gguf"), main("a.gguf"));
        assert_eq!(file("org/repo/sub/a b.gguf"), main("sub/a b.gguf"));
        assert_eq!(file("org/repo@refs/pr/1:a.gguf"), ("org/repo".into(), "refs/pr/1".into(), "a.gguf".into()));
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["a:q8_0@llama", "a@llama", "org/repo:a.gguf", "org/repo@v1:sub/a.gguf", "org/repo", "org/repo@v1"]
        {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn no_name_leads_out_of_its_folder() {
        for text in [
            "org/repo:../escaped",
            "org/repo:/etc/passwd",
            "org/repo:a//b.gguf",
            "org/repo:a/./b.gguf",
            "org/repo:a\\..\\b.gguf",
            "org/repo:a\nb.gguf",
            "org/repo:a:b.gguf",
            "../repo:a.gguf",
            "org/..:a.gguf",
            "org/a--b:a.gguf",
            "org/repo@../main:a.gguf",
            "org/repo@a..b:a.gguf",
            "org/repo@:a.gguf",
            "o%2e/repo:a.gguf",
        ] {
            assert!(matches!(refused(text), ReferenceError::Unsafe { .. }), "{text}: {:?}", refused(text));
        }
    }

    #[test]
    fn a_repository_alone_is_a_model() {
        assert_eq!(file("org/repo"), ("org/repo".into(), "main".into(), String::new()));
        assert_eq!(file("org/repo@v1"), ("org/repo".into(), "v1".into(), String::new()));
        assert!(matches!(refused("org/repo:"), ReferenceError::Unsafe { .. }));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ":q8_0", "a:", "a@", "a b", ".hidden"] {
            assert!(matches!(refused(text), ReferenceError::Shape { .. }), "{text}");
        }
    }
}
