//! When all answers are there they are scored, column by column, the reference first. See `quality` for the figures.

use std::collections::HashMap;

use tern_engine::Token;
use tern_registry::Lease;

use crate::{
    Cell, CellResult, CellState,
    cell::{beside, turn},
    quality::{self, Place},
    run::Run,
    runner::Runner,
};

/// What the reference said to a prompt, and how probable it and its alternatives were.
struct Said {
    tokens: Vec<Token>,
    places: Vec<Place>,
}

/// What the other columns are compared with.
#[derive(Default)]
struct Reference {
    vocabulary: Option<u64>,
    /// By prompt.
    said: HashMap<usize, Said>,
}

/// Scores every answer that is whole.
pub(crate) async fn score_all(runner: &mut Runner<'_>) {
    let run = runner.run.clone();
    let request = &run.plan.request;
    let mut reference = Reference::default();
    let others = (0..request.columns.len()).filter(|column| *column != request.reference);
    for column in [request.reference].into_iter().chain(others) {
        if request.quality && !runner.shutting_down && !run.is_all_stopped() {
            score_column(runner, column, &mut reference).await;
        }
        settle(&run, column);
        runner.save_sometimes().await;
    }
    forget_changed_reference(&run);
}

/// Whether a cell is one of those that this run is about.
fn is_ours(run: &Run, cell: Cell) -> bool {
    run.only.is_none_or(|only| only == (cell.prompt, cell.column))
}

fn is_whole(result: &CellResult) -> bool {
    matches!(result.finish_reason.as_deref(), Some("stop" | "length"))
}

/// Cells that waited for their scores wait no more.
fn settle(run: &Run, column: usize) {
    let cells = run.results(|results| results.cells.clone());
    for result in cells.iter().filter(|result| result.cell.column == column && is_whole(result)) {
        if is_ours(run, result.cell) {
            run.state(result.cell, CellState::Done, None, None);
        }
    }
}

async fn score_column(runner: &mut Runner<'_>, column: usize, reference: &mut Reference) {
    let run = runner.run.clone();
    let is_reference = column == run.plan.request.reference;
    let mut cells = run.results(|results| results.cells.clone());
    cells.retain(|result| {
        // Of the reference also what an earlier run has left: others are compared with it.
        let wanted = is_ours(&run, result.cell)
            || is_reference && run.only.is_some_and(|(prompt, _)| result.cell.prompt == prompt);
        result.cell.column == column && is_whole(result) && wanted
    });
    cells.sort_by_key(|result| result.cell);
    let Some(first) = cells.first() else { return };
    let acquired = tokio::select! {
        lease = runner.shared.registry.acquire(&first.model) => lease,
        () = run.stopped(column) => return,
    };
    let scored = match acquired {
        Ok(lease) => tokio::select! {
            scored = score_cells(&run, &lease, &cells, is_reference, reference) => scored,
            () = run.stopped(column) => return,
        },
        Err(error) => Err(error.to_string()),
    };
    if let Err(message) = scored {
        for result in cells.iter().filter(|result| is_ours(&run, result.cell)) {
            run.amend(result.cell, |result| result.quality_note = Some(format!("not scored: {message}")));
        }
    }
}

/// # Errors
/// What the model said.
async fn score_cells(
    run: &Run,
    lease: &Lease,
    cells: &[CellResult],
    is_reference: bool,
    reference: &mut Reference,
) -> Result<(), String> {
    let text = lease.text().map_err(|error| error.to_string())?;
    let tokenizer = text.tokenizer.clone();
    let gone = |_| "the server is shutting down".to_owned();
    let vocabulary = beside(move || quality::vocabulary(&*tokenizer)).await.map_err(gone)?;
    if is_reference {
        reference.vocabulary = Some(vocabulary);
    }
    let same_vocabulary = reference.vocabulary == Some(vocabulary);
    for of_prompt in cells.chunk_by(|a, b| a.cell.prompt == b.cell.prompt) {
        let prompt = of_prompt[0].cell.prompt;
        let (chat, turn) = (text.chat.clone(), turn(run, of_prompt[0].cell));
        let rendered = beside(move || chat.render(&turn)).await.map_err(gone)?.map_err(|error| error.to_string())?;
        // Repetitions mostly say the same: each text is scored once.
        let mut known: HashMap<Vec<Token>, Vec<Place>> = HashMap::new();
        for result in of_prompt {
            if is_ours(run, result.cell) {
                run.state(result.cell, CellState::Scoring, None, None);
            }
            if !known.contains_key(&result.token_ids) {
                let places = quality::score(&text.scheduler, &rendered.tokens, &result.token_ids).await?;
                known.insert(result.token_ids.clone(), places);
            }
        }
        if is_reference {
            let tokens = of_prompt[0].token_ids.clone();
            let places = known[&tokens].clone();
            reference.said.insert(prompt, Said { tokens, places });
        }
        let compared = match reference.said.get(&prompt) {
            _ if is_reference => Err(None),
            None => Err(Some("the reference has no answer to this prompt".to_owned())),
            Some(_) if !same_vocabulary => Err(Some("the reference has another vocabulary".to_owned())),
            Some(said) => {
                let mine = match known.get(&said.tokens) {
                    Some(places) => places.clone(),
                    None => quality::score(&text.scheduler, &rendered.tokens, &said.tokens).await?,
                };
                Ok((quality::agreement(&said.places, &mine), quality::divergence(&said.places, &mine)))
            }
        };
        for result in of_prompt.iter().filter(|result| is_ours(run, result.cell)) {
            run.amend(result.cell, |result| {
                result.mean_logprob = quality::mean_logprob(&known[&result.token_ids]);
                result.perplexity = result.mean_logprob.map(|mean| (-mean).exp());
                result.quality_note = compared.as_ref().err().cloned().flatten();
                (result.top1_agreement, result.kl) = compared.as_ref().ok().copied().unwrap_or_default();
            });
        }
    }
    Ok(())
}

/// When the reference's answer has run again and says something else, the others were compared with what is gone.
fn forget_changed_reference(run: &Run) {
    let Some((prompt, column)) = run.only.filter(|(_, column)| *column == run.plan.request.reference) else { return };
    let Some(before) = run.reference_before() else { return };
    let cells = run.results(|results| results.cells.clone());
    let now = cells.iter().filter(|result| (result.cell.prompt, result.cell.column) == (prompt, column));
    if now.min_by_key(|result| result.cell).is_some_and(|result| result.token_ids == before) {
        return;
    }
    for result in cells.iter().filter(|result| result.cell.prompt == prompt && result.kl.is_some()) {
        run.amend(result.cell, |result| {
            (result.top1_agreement, result.kl) = (None, None);
            result.quality_note = Some("the reference has another answer now; run this cell again".to_owned());
        });
    }
}
