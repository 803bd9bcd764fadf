//! How alike answers are in meaning: the cosine of the angle between the vectors that an embedding model gives them.
//!
//! 1 is the same direction; what "unlike" gives depends on the model, so figures compare within one model only, whose name
//! stands beside them. Only the text counts, not its reasoning. A text that is longer than the model reads is not compared
//! rather than cut.

use std::collections::HashMap;

use tern_engine::{Capability, Token};
use tern_registry::{LoadState, Registry, RegistryError};

use crate::{CellResult, cell::beside, run::Run, runner::Runner};

/// The cosine of the angle between two vectors; `None` where one has no direction.
pub fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    // Rounding may lead a little beyond.
    (lengths > 0.0 && a.len() == b.len()).then(|| (dot(a, b) / lengths).clamp(-1.0, 1.0))
}

/// Compares every answer that is whole with the reference's.
pub(crate) async fn compare_all(runner: &mut Runner<'_>) {
    let run = runner.run.clone();
    let request = &run.plan.request;
    if !request.quality || request.columns.len() < 2 || runner.shutting_down || run.is_all_stopped() {
        return;
    }
    let (registry, wanted) = (runner.shared.registry.clone(), request.embedding_model.clone());
    let model = match beside(move || choose(&registry, wanted.as_deref())).await {
        Ok(Ok(Some(model))) => model,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => return note(&run, &pairs(&run), &error.to_string()),
    };
    let pairs = pairs(&run);
    let compared = tokio::select! {
        compared = compare_pairs(&run, &runner.shared.registry, &model, &pairs) => compared,
        () = run.all_stopped() => return,
    };
    if let Err(message) = compared {
        note(&run, &pairs, &format!("{model}: {message}"));
    }
    runner.save_sometimes().await;
}

/// The model that was asked for; otherwise one that is in memory, or else the smallest. `None` if there is none at all.
fn choose(registry: &Registry, wanted: Option<&str>) -> Result<Option<String>, RegistryError> {
    if let Some(wanted) = wanted {
        return Ok(Some(registry.status(wanted)?.entry.id));
    }
    let models = registry.list().into_iter();
    let usable = models.filter(|model| model.entry.info.capabilities.contains(&Capability::Embedding));
    let best = usable.min_by_key(|model| (model.state != LoadState::Loaded, model.cost.weights_bytes));
    Ok(best.map(|model| model.entry.id))
}

/// A cell, and the reference's answer to the same prompt.
struct Pair {
    result: CellResult,
    reference: String,
}

/// What is to be compared: the cells of this run; all of a prompt whose reference has run again.
fn pairs(run: &Run) -> Vec<Pair> {
    let reference = run.plan.request.reference;
    let cells = run.results(|results| results.cells.clone());
    let whole = |result: &&CellResult| {
        matches!(result.finish_reason.as_deref(), Some("stop" | "length")) && !result.text.trim().is_empty()
    };
    let is_wanted = |result: &&CellResult| {
        let cell = result.cell;
        run.only.is_none_or(|(prompt, column)| cell.prompt == prompt && [reference, cell.column].contains(&column))
    };
    let mut pairs = Vec::new();
    for result in cells.iter().filter(whole).filter(is_wanted).filter(|result| result.cell.column != reference) {
        let same = cells.iter().filter(whole);
        let same = same.filter(|other| (other.cell.prompt, other.cell.column) == (result.cell.prompt, reference));
        if let Some(found) = same.min_by_key(|other| other.cell) {
            pairs.push(Pair { result: result.clone(), reference: found.text.clone() });
        }
    }
    pairs
}

fn note(run: &Run, pairs: &[Pair], message: &str) {
    for pair in pairs {
        run.amend(pair.result.cell, |result| {
            (result.similarity, result.similarity_model) = (None, None);
            let message = format!("similarity is not known: {message}");
            result.quality_note = Some(match result.quality_note.take() {
                Some(before) => format!("{before}; {message}"),
                None => message,
            });
        });
    }
}

/// # Errors
/// What the model said.
async fn compare_pairs(run: &Run, registry: &Registry, model: &str, pairs: &[Pair]) -> Result<(), String> {
    if pairs.is_empty() {
        return Ok(());
    }
    let lease = registry.acquire(model).await.map_err(|error| error.to_string())?;
    let embedder = lease.embedder().map_err(|error| error.to_string())?;
    let mut texts: Vec<String> = pairs.iter().flat_map(|pair| [&pair.reference, &pair.result.text]).cloned().collect();
    texts.sort_unstable();
    texts.dedup();
    let (tokenizer, most) = (embedder.tokenizer.clone(), embedder.max_tokens);
    let read = move || {
        let one = |text: String| {
            let tokens = tokenizer.encode(&text, true, false).map_err(|error| error.to_string())?;
            Ok::<_, String>((text, tokens))
        };
        texts.into_iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    let tokens = beside(read).await.map_err(|_| "the server is shutting down".to_owned())??;
    let mut vectors: HashMap<&str, Vec<f32>> = HashMap::new();
    for (text, tokens) in tokens.iter().filter(|(_, tokens)| tokens.len() <= most) {
        // One at a time: an engine may pad a batch to its longest.
        let inputs: Vec<Vec<Token>> = vec![tokens.clone()];
        let found = embedder.embed(inputs).await.map_err(|error| error.to_string())?;
        vectors.extend(found.into_iter().next().map(|vector| (text.as_str(), vector)));
    }
    let (known, long): (Vec<_>, Vec<_>) = pairs.iter().partition(|pair| {
        vectors.contains_key(pair.reference.as_str()) && vectors.contains_key(pair.result.text.as_str())
    });
    for pair in known {
        let similarity = cosine(&vectors[pair.reference.as_str()], &vectors[pair.result.text.as_str()]);
        run.amend(pair.result.cell, |result| {
            result.similarity_model = similarity.map(|_| model.to_owned());
            result.similarity = similarity;
        });
    }
    for pair in long {
        let message = format!("{model} reads {most} tokens at most, and the answer or the reference has more");
        note(run, std::slice::from_ref(pair), &message);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cosine_is_that_of_the_angle_whatever_the_lengths() {
        assert_eq!(cosine(&[1.0, 0.0], &[3.0, 0.0]), Some(1.0));
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), Some(0.0));
        assert_eq!(cosine(&[1.0, 1.0], &[-2.0, -2.0]), Some(-1.0));
        let found = cosine(&[1.0, 0.0], &[1.0, 1.0]).unwrap();
        assert!((found - 0.5_f64.sqrt()).abs() < 1e-12, "{found}");
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
    }
}
