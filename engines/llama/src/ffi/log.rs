//! llama.cpp's log, sent to `tracing`, and its last error on this thread, for messages of our own.
//!
//! llama.cpp speaks to its developers: what it calls information is detail here. The crate's own bridge is not used
//! because it panics, inside a C callback, on a continuation line that comes first.

#![allow(unsafe_code)]

use std::{
    cell::RefCell,
    ffi::{CStr, c_char, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

use llama_cpp_sys_2 as sys;

/// Warnings that are true of sound models in ordinary use, or that we report ourselves as an error value.
const ORDINARY: &[&str] = &[
    "control-looking token",
    "failed to find a memory slot",
    "possible training context overflow",
    "using full-size SWA cache",
    "special_eos_id is not in special_eog_ids",
    "special_eom_id is not in special_eog_ids",
    "calling encode() instead",
    "embeddings required but some input tokens were not marked as outputs",
    "empty token at index",
    "also starts with a BOS token",
    "also ends with a EOS token",
];

/// Longest error text kept for a message.
const ERROR_LIMIT: usize = 1000;

#[derive(Default)]
struct Lines {
    level: sys::ggml_log_level,
    partial: String,
    errors: String,
}

thread_local! {
    static LINES: RefCell<Lines> = RefCell::default();
}

/// Sends everything that llama.cpp and ggml print to `tracing`, from now on and for the whole process.
pub(super) fn install() {
    // SAFETY: these functions store a function pointer that lives as long as the program, and a null user pointer that
    // `on_line` does not read.
    unsafe {
        sys::mtmd_helper_log_set(Some(on_line), ptr::null_mut());
        sys::llama_log_set(Some(on_line), ptr::null_mut());
        sys::ggml_log_set(Some(on_line), ptr::null_mut());
    }
}

/// Forgets the errors noted on this thread.
pub(super) fn clear_errors() {
    LINES.with_borrow_mut(|lines| lines.errors.clear());
}

/// What llama.cpp called an error on this thread since [`clear_errors`]; empty if it said nothing.
pub(super) fn take_errors() -> String {
    LINES.with_borrow_mut(|lines| std::mem::take(&mut lines.errors))
}

extern "C" fn on_line(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a string that ends in NUL and lives until this function returns; null is excluded above.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A panic (a subscriber's, say) must not unwind into C++. There is nobody to tell: telling is what failed.
    let _ = catch_unwind(AssertUnwindSafe(|| append(level, &text)));
}

/// Collects pieces until a line is whole.
fn append(level: sys::ggml_log_level, text: &str) {
    let whole = LINES.with_borrow_mut(|lines| {
        if level != sys::GGML_LOG_LEVEL_CONT {
            lines.level = level;
        }
        lines.partial.push_str(text);
        if !lines.partial.ends_with('\n') {
            return None;
        }
        let line = std::mem::take(&mut lines.partial);
        if lines.level == sys::GGML_LOG_LEVEL_ERROR && lines.errors.len() + line.len() <= ERROR_LIMIT {
            if !lines.errors.is_empty() {
                lines.errors.push_str("; ");
            }
            lines.errors.push_str(message(&line));
        }
        Some((lines.level, line))
    });
    let Some((level, line)) = whole else { return };
    let line = line.trim_end();
    match level {
        _ if line.is_empty() => {}
        sys::GGML_LOG_LEVEL_ERROR => tracing::error!(target: "llama_cpp", "{line}"),
        sys::GGML_LOG_LEVEL_WARN if !ORDINARY.iter().any(|known| line.contains(known)) => {
            tracing::warn!(target: "llama_cpp", "{line}");
        }
        sys::GGML_LOG_LEVEL_DEBUG => tracing::trace!(target: "llama_cpp", "{line}"),
        _ => tracing::debug!(target: "llama_cpp", "{line}"),
    }
}

/// The line without the name of the C++ function that wrote it.
fn message(line: &str) -> &str {
    let line = line.trim();
    match line.split_once(": ") {
        Some((function, rest)) if function.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_kept_without_the_functions_name_and_pieces_are_joined() {
        clear_errors();
        append(sys::GGML_LOG_LEVEL_CONT, "a continuation may come first\n");
        append(sys::GGML_LOG_LEVEL_INFO, "loading\n");
        append(sys::GGML_LOG_LEVEL_ERROR, "llama_model_load: missing ");
        append(sys::GGML_LOG_LEVEL_CONT, "tensor 'x'\n");
        append(sys::GGML_LOG_LEVEL_ERROR, "second\n");
        assert_eq!(take_errors(), "missing tensor 'x'; second");
        assert_eq!(take_errors(), "");
    }
}
