//! Where turns come from: an edited line at a terminal, or one line of a pipe each.

use std::io::{self, BufRead, IsTerminal};

use rustyline::{DefaultEditor, error::ReadlineError};

use crate::Error;

/// A line, or the end of them.
pub(super) enum Line {
    /// What was written.
    Text(String),
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Reads lines on a thread of their own, so that signals and answers need not wait for them.
pub(super) enum Input {
    /// With history and the usual keys; `None` while a line is being read.
    Terminal(Option<Box<DefaultEditor>>),
    /// As they come.
    Pipe,
}

impl Input {
    /// Looks at what stdin is.
    pub fn open() -> Self {
        match io::stdin().is_terminal() {
            // Without an editor (a terminal that is none) lines are read as from a pipe.
            true => DefaultEditor::new().map_or(Self::Pipe, |editor| Self::Terminal(Some(Box::new(editor)))),
            false => Self::Pipe,
        }
    }

    /// Whether a person writes the lines.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// The next line.
    ///
    /// # Errors
    /// `Io` when stdin cannot be read.
    pub async fn next(&mut self) -> Result<Line, Error> {
        let failed = || Error::io("stdin");
        let lost = |error: tokio::task::JoinError| failed()(io::Error::other(error));
        match self {
            Self::Pipe => {
                let read = || {
                    let mut line = String::new();
                    io::stdin().lock().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
                };
                let line = tokio::task::spawn_blocking(read).await.map_err(lost)?.map_err(failed())?;
                Ok(line.map_or(Line::End, Line::Text))
            }
            Self::Terminal(slot) => {
                let Some(mut editor) = slot.take() else { return Ok(Line::End) };
                let read = move || {
                    let line = editor.readline("> ");
                    if let Ok(line) = &line {
                        // History is a convenience: without it the line still counts.
                        let _ = editor.add_history_entry(line);
                    }
                    (editor, line)
                };
                let (editor, line) = tokio::task::spawn_blocking(read).await.map_err(lost)?;
                *slot = Some(editor);
                match line {
                    Ok(line) => Ok(Line::Text(line)),
                    // While an answer is written Ctrl-C stops it; here there is nothing left to stop but the chat.
                    Err(ReadlineError::Interrupted | ReadlineError::Eof) => Ok(Line::End),
                    Err(error) => Err(failed()(io::Error::other(error))),
                }
            }
        }
    }
}
