//! `tern chat`: a dialogue in the terminal, with a model of this process or of a server.
//!
//! Answers go to stdout and everything else to stderr, so that `echo question | tern chat > answer.txt` is useful.

mod input;
mod partner;

use std::{
    borrow::Cow,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::Instant,
};

use tern_chat::{Message, Role};

use self::{
    input::{Input, Line},
    partner::{Part, Partner},
};
use crate::{Error, cli::ChatArgs, config::Config, output, signals::Signals};

const HELP: &str = "\
/help    this list
/reset   forget the dialogue (the system text stays)
/quit    end, as Ctrl-D does
Ctrl-C   stop an answer; at the prompt, end";

/// Runs the dialogue until its input ends.
///
/// # Errors
/// When the model cannot be had, and when an answer to `--prompt` or to piped input fails.
pub async fn run(args: ChatArgs, config: Config) -> Result<ExitCode, Error> {
    let mut signals = Signals::listen().map_err(Error::io("signals cannot be received"))?;
    let started = Instant::now();
    let partner = tokio::select! {
        partner = Partner::meet(&args, &config) => partner?,
        _ = signals.next() => return Ok(ExitCode::from(130)),
    };
    let mut chat = Chat { partner, signals, messages: Vec::new(), terminal: io::stderr().is_terminal() };
    if let Some(system) = &args.system {
        chat.messages.push(message(Role::System, system));
    }
    if let Some(prompt) = &args.prompt {
        return chat.turn(prompt).await;
    }
    let mut input = Input::open();
    if input.is_terminal() {
        let name = chat.partner.name();
        eprintln!(
            "{name}, ready after {}. /help lists the commands, Ctrl-D ends.",
            output::duration(started.elapsed())
        );
    }
    loop {
        let line = tokio::select! {
            line = input.next() => line?,
            _ = chat.signals.next() => return Ok(ExitCode::from(130)),
        };
        match line {
            Line::End => return Ok(ExitCode::SUCCESS),
            Line::Text(text) => match text.trim() {
                "" => {}
                "/quit" | "/exit" => return Ok(ExitCode::SUCCESS),
                "/help" => eprintln!("{HELP}"),
                "/reset" => {
                    chat.messages.retain(|message| message.role == Role::System);
                    eprintln!("The dialogue is forgotten.");
                }
                command if input.is_terminal() && command.starts_with('/') => {
                    eprintln!("There is no {command}.\n{HELP}");
                }
                text => match chat.turn(text).await {
                    Ok(_) => {}
                    // At a terminal the person decides what to do about it.
                    Err(error) if input.is_terminal() => eprintln!("error: {error}"),
                    Err(error) => return Err(error),
                },
            },
        }
    }
}

struct Chat {
    partner: Partner,
    signals: Signals,
    messages: Vec<Message>,
    /// Whether stderr is one.
    terminal: bool,
}

impl Chat {
    /// Asks `text` and prints the answer as it comes. A failed turn leaves the dialogue as it was.
    async fn turn(&mut self, text: &str) -> Result<ExitCode, Error> {
        self.messages.push(message(Role::User, text));
        let asked = Instant::now();
        let spoken = self.speak(asked).await;
        match spoken {
            Ok(Spoken { text, stopped }) => {
                self.messages.push(message(Role::Assistant, &text));
                Ok(if stopped { ExitCode::from(130) } else { ExitCode::SUCCESS })
            }
            Err(error) => {
                self.messages.pop();
                Err(error)
            }
        }
    }

    async fn speak(&mut self, asked: Instant) -> Result<Spoken, Error> {
        let mut answer = self.partner.ask(&self.messages).await?;
        let (mut text, mut stopped, mut reasoning) = (String::new(), false, false);
        let (mut first, mut last, mut usage) = (None, asked, None);
        let terminal = io::stdout().is_terminal();
        loop {
            let part = tokio::select! {
                part = answer.next() => part,
                _ = self.signals.next() => {
                    stopped = true;
                    break;
                }
            };
            match part.inspect_err(|_| println!())? {
                None => break,
                Some(Part::Usage { prompt, cached, completion }) => usage = Some((prompt, cached, completion)),
                Some(Part::Text(piece)) => {
                    last = Instant::now();
                    first.get_or_insert(last);
                    if std::mem::take(&mut reasoning) {
                        print_piece("\n\n");
                    }
                    print_piece(&shown(&piece, terminal));
                    text.push_str(&piece);
                }
                Some(Part::Reasoning(piece)) => {
                    last = Instant::now();
                    first.get_or_insert(last);
                    // Thoughts are for who watches, not for a file.
                    if terminal {
                        reasoning = true;
                        print_piece(&output::dim(&shown(&piece, true), true));
                    }
                }
            }
        }
        drop(answer);
        print_piece("\n");
        if self.terminal {
            eprintln!("{}", output::dim(&figures(asked, first, last, usage, stopped), true));
        }
        Ok(Spoken { text, stopped })
    }
}

/// An answer, or what there is of it.
struct Spoken {
    text: String,
    stopped: bool,
}

fn message(role: Role, text: &str) -> Message {
    Message::text(role, text)
}

/// What a terminal may be given of an answer: a model must not move its cursor, name its window or fill its clipboard.
fn shown(piece: &str, terminal: bool) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if terminal && piece.contains(harmful) { piece.replace(harmful, "\u{fffd}").into() } else { piece.into() }
}

fn print_piece(text: &str) {
    let mut stdout = io::stdout().lock();
    if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
        // Nobody reads any more.
        std::process::exit(0);
    }
}

/// Tokens, tokens per second and time to first token of an answer.
fn figures(
    asked: Instant,
    first: Option<Instant>,
    last: Instant,
    usage: Option<(u64, u64, u64)>,
    stopped: bool,
) -> String {
    let mut text = String::from(if stopped { "[stopped; " } else { "[" });
    if let Some((prompt, cached, completion)) = usage {
        let seconds = first.map_or(0.0, |first| last.duration_since(first).as_secs_f64());
        // The first token is the prompt's; the rate is that of those after it.
        let rate = (completion as f64 - 1.0) / seconds;
        text.push_str(&format!("{prompt} tokens read ({cached} cached), {completion} written"));
        if rate.is_finite() && rate > 0.0 {
            text.push_str(&format!(", {rate:.1} tokens/s"));
        }
        text.push_str(", ");
    }
    let first = first.unwrap_or(last).duration_since(asked);
    text.push_str(&format!("first token after {}]", output::duration(first)));
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_terminal_is_given_text_only_and_a_file_everything() {
        assert_eq!(shown("a\tb\n\u{1b}[2Jc\u{9b}1md", true), "a\tb\n\u{fffd}[2Jc\u{fffd}1md");
        assert_eq!(shown("\u{1b}[2J", false), "\u{1b}[2J");
    }

    #[test]
    fn figures_count_the_rate_after_the_first_token() {
        let asked = Instant::now();
        let first = asked + Duration::from_millis(250);
        let last = first + Duration::from_secs(2);
        let line = figures(asked, Some(first), last, Some((30, 10, 21)), false);
        assert_eq!(line, "[30 tokens read (10 cached), 21 written, 10.0 tokens/s, first token after 250 ms]");
        let line = figures(asked, None, asked, None, true);
        assert_eq!(line, "[stopped; first token after 0 ms]");
    }
}
