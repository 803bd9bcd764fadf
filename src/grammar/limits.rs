//! What a form may cost, so that no one who asks for one can stop the others.

use std::{panic::AssertUnwindSafe, thread};

use llguidance::api::ParserLimits;

use crate::GrammarError;

/// Most bytes of a grammar or regular expression.
pub(crate) const LONGEST_GRAMMAR: usize = 256 << 10;

/// Stack for reading a form: what is nested is read recursively. `depth.rs` has the limits that go with it, at which an
/// unoptimized build takes a quarter of this. Only what is used of it is memory.
const STACK: usize = 256 << 20;

/// Limits of llguidance. Its defaults are made for large documented schemas; a mask may cost a tenth of them here,
/// since a step of all running answers waits for it.
pub(crate) fn parser() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 2000,
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_lexer_states: 25_000,
        max_grammar_size: 200_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

/// Runs `work` on a thread with a large stack; a panic in it is an error of the form.
pub(crate) fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, GrammarError> + Send) -> Result<T, GrammarError> {
    let failed = || GrammarError::new("this form cannot be compiled");
    let run = || std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(failed()));
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("grammar".into()).stack_size(STACK).spawn_scoped(scope, run);
        match thread {
            Ok(thread) => thread.join().unwrap_or_else(|_| Err(failed())),
            Err(error) => Err(GrammarError::new(format!("the system gives no thread to compile a form: {error}"))),
        }
    })
}
