//! Names of models as Ollama's clients spell them.

use tern_registry::{ModelStatus, Registry};

use crate::{
    error::ApiError,
    state::{State, beside},
};

/// What a name without a tag means at Ollama.
const LATEST: &str = ":latest";

/// Where names that begin so come from.
const HUBS: [&str; 2] = ["hf.co/", "huggingface.co/"];

/// The name of a model as Ollama writes them: with a tag.
pub(crate) fn tagged(id: &str) -> String {
    if id.contains(':') { id.to_owned() } else { format!("{id}{LATEST}") }
}

/// What a name may mean here, likeliest first: as it stands, without `:latest`, and `family:size` as `family-size`,
/// which is how the catalogue calls what Ollama has as a tag.
pub(crate) fn spellings(name: &str) -> Vec<String> {
    let plain = name.strip_suffix(LATEST).unwrap_or(name);
    let mut names = vec![name.to_owned()];
    let mut add = |name: String| {
        if !names.contains(&name) {
            names.push(name);
        }
    };
    add(plain.to_owned());
    if let Some((family, size)) = plain.split_once(':').filter(|_| !plain.contains('/')) {
        add(format!("{family}-{size}"));
    }
    names
}

/// The repository of `hf.co/org/repo` or `hf.co/org/repo:quantization`, and the quantization; a path with a file is
/// none.
pub(crate) fn repository(name: &str) -> Option<(&str, Option<&str>)> {
    let rest = HUBS.iter().find_map(|hub| name.strip_prefix(hub))?;
    let (repository, quantization) = match rest.split_once(':') {
        Some((repository, quantization)) => (repository, Some(quantization)),
        None => (rest, None),
    };
    let quantization = quantization.filter(|quantization| *quantization != "latest");
    (repository.split('/').count() == 2).then_some((repository, quantization))
}

/// Whether a file of a repository has this quantization: its name says so.
pub(crate) fn has_quantization(file: &str, quantization: &str) -> bool {
    let (file, wanted) = (file.to_ascii_lowercase(), quantization.to_ascii_lowercase());
    // A name within a longer one is another: q4_k in q4_k_m.
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends = |at: usize| !file[at + wanted.len()..].starts_with(is_part);
    let begins = |at: usize| !file[..at].ends_with(is_part);
    !wanted.is_empty() && file.match_indices(&wanted).any(|(at, _)| ends(at) && begins(at))
}

/// The model that a name means: a model here, or another name of one (`--alias`); without a name, or with an unknown
/// one, the fallback, where there is one. Whatever it is found by, [`State::find`] gives it: what else that checks
/// holds here too.
pub(crate) async fn find(state: &State, name: Option<&str>) -> Result<ModelStatus, ApiError> {
    let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { return state.find(None).await };
    let (own, wanted) = (state.clone(), name.to_owned());
    // Looking for it may read folders and headers.
    let known = beside(move || {
        let alias = || spellings(&wanted).iter().find_map(|name| own.named(name).ok()).map(|status| status.entry.id);
        Ok(known(&own.registry, &wanted).or_else(alias))
    })
    .await?;
    state.find(Some(known.as_deref().unwrap_or(name))).await
}

/// The id of the model that a name means.
pub(crate) fn known(registry: &Registry, name: &str) -> Option<String> {
    if let Some(status) = spellings(name).iter().find_map(|name| registry.status(name).ok()) {
        return Some(status.entry.id);
    }
    let (repository, quantization) = repository(name)?;
    let is_it = |name: &str| {
        let file = name.strip_prefix(repository).and_then(|rest| rest.strip_prefix(':'));
        name == repository && quantization.is_none()
            || file.is_some_and(|file| quantization.is_none_or(|q| has_quantization(file, q)))
    };
    let found = registry.list().into_iter().find(|status| {
        let entry = &status.entry;
        is_it(&entry.id) || entry.aliases.iter().any(|alias| is_it(alias))
    });
    found.map(|status| status.entry.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_for_as_they_may_be_meant() {
        assert_eq!(spellings("tern-guide:latest"), ["tern-guide:latest", "tern-guide"]);
        assert_eq!(spellings("tern-guide"), ["tern-guide"]);
        assert_eq!(spellings("qwen2.5:0.5b"), ["qwen2.5:0.5b", "qwen2.5-0.5b"]);
        assert_eq!(spellings("org/name:tag"), ["org/name:tag"]);
        assert_eq!(tagged("tern-guide"), "tern-guide:latest");
        assert_eq!(tagged("qwen2.5-0.5b:q8_0"), "qwen2.5-0.5b:q8_0");
    }

    #[test]
    fn repositories_of_the_hub_have_a_quantization_for_a_tag() {
        assert_eq!(repository("hf.co/org/name:Q8_0"), Some(("org/name", Some("Q8_0"))));
        assert_eq!(repository("huggingface.co/org/name:latest"), Some(("org/name", None)));
        assert_eq!(repository("hf.co/org/name/file.gguf"), None);
        assert_eq!(repository("org/name:Q8_0"), None);
        assert!(has_quantization("Name-0.5B-Q4_K_M.gguf", "q4_k_m"));
        assert!(!has_quantization("Name-0.5B-Q4_K_M.gguf", "q4_k"));
        assert!(!has_quantization("Name-0.5B-IQ4_XS.gguf", "q4_xs"));
        assert!(!has_quantization("Name.gguf", ""));
    }
}
