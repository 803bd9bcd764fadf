//! A child process within limits: its input written and its output read by threads of their own, killed when it takes too
//! long, says too much, or nobody waits any more.

use std::{
    io::{ErrorKind, Read, Write},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tern_engine::{EngineError, tasks::Cancelled};

/// How often it is looked after.
const POLL: Duration = Duration::from_millis(5);
/// Most bytes of its complaints that are read.
const COMPLAINTS: u64 = 64 << 10;
/// Longest complaint in a message, in characters.
const SHOWN: usize = 300;

/// What a child may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub time: Duration,
    /// Bytes of its standard output.
    pub output: u64,
}

/// Why there is no output.
enum End {
    Cancelled,
    TooLong,
}

/// Runs it to its end and returns what it wrote, as text.
///
/// # Errors
/// `Cancelled`; `Failed` when it cannot be started, is killed, or ends with an error, with what it said.
pub(crate) fn run(
    command: &mut Command,
    input: &[&[u8]],
    limits: Limits,
    cancelled: Cancelled<'_>,
) -> Result<String, EngineError> {
    let failed = |message: String| EngineError::Failed(format!("tesseract: {message}"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let Some(mut stdin) = stdin else { return Ok(()) };
            // It may end without having read everything, and then says why.
            match input.iter().try_for_each(|bytes| stdin.write_all(bytes)) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                other => other,
            }
        });
        // One byte more than allowed tells too much from just enough; behind it the pipe is closed, which ends the child.
        let output = scope.spawn(move || read(stdout, limits.output + 1));
        let complaints = scope.spawn(move || read(stderr, COMPLAINTS));
        let started = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if cancelled() => break Err(End::Cancelled),
                Ok(None) if started.elapsed() > limits.time => break Err(End::TooLong),
                Ok(None) => thread::sleep(POLL),
                Err(error) => {
                    tracing::warn!("cannot wait for tesseract: {error}");
                    break Err(End::TooLong);
                }
            }
        };
        if status.is_err() {
            // Errors mean that it has ended by itself. Its pipes close, and so the threads end.
            let _ = child.kill();
            let _ = child.wait();
        }
        let gone = |_| failed("its pipes could not be read".into());
        let (written, output, complaints) =
            (writer.join().map_err(gone)?, output.join().map_err(gone)?, complaints.join().map_err(gone)?);
        let status = match status {
            Ok(status) => status,
            Err(End::Cancelled) => return Err(EngineError::Cancelled),
            Err(End::TooLong) => return Err(failed(format!("stopped after {} seconds", limits.time.as_secs()))),
        };
        if output.len() as u64 > limits.output {
            return Err(failed(format!("its output is larger than {} bytes", limits.output)));
        }
        if !status.success() {
            return Err(failed(ending(status, &complaints)));
        }
        written.map_err(|error| failed(format!("cannot be written to: {error}")))?;
        String::from_utf8(output).map_err(|_| failed("its output is not UTF-8".into()))
    })
}

fn read(pipe: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What came before an error is what there is; the exit status says the rest.
        let _ = pipe.take(most).read_to_end(&mut bytes);
    }
    bytes
}

fn ending(status: ExitStatus, complaints: &[u8]) -> String {
    let complaints = String::from_utf8_lossy(complaints);
    let text: String = complaints.trim().chars().take(SHOWN).collect();
    match text.as_str() {
        "" => status.to_string(),
        text => format!("{status}: {text}"),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LIMITS: Limits = Limits { time: Duration::from_secs(60), output: 1 << 20 };

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_goes_in_comes_out() {
        let much = vec![b'x'; 500_000];
        assert_eq!(run(&mut shell("cat"), &[&much, b"y"], LIMITS, &|| false).unwrap().len(), 500_001);
    }

    #[test]
    fn too_much_output_ends_it() {
        let error = run(&mut shell("yes"), &[], LIMITS, &|| false).unwrap_err().to_string();
        assert!(error.contains("larger than 1048576 bytes"), "{error}");
    }

    #[test]
    fn too_long_a_run_ends_it() {
        let limits = Limits { time: Duration::from_millis(50), ..LIMITS };
        // It has its input open and reads none of it.
        let error =
            run(&mut shell("exec sleep 600"), &[&vec![0_u8; 1 << 20]], limits, &|| false).unwrap_err().to_string();
        assert!(error.contains("stopped after"), "{error}");
    }

    #[test]
    fn a_child_that_nobody_waits_for_is_killed() {
        let asked = AtomicUsize::new(0);
        let cancelled = || asked.fetch_add(1, Ordering::Relaxed) > 3;
        let result = run(&mut shell("exec sleep 600"), &[], LIMITS, &cancelled);
        assert!(matches!(result, Err(EngineError::Cancelled)), "{result:?}");
    }

    #[test]
    fn its_last_words_are_passed_on() {
        let error = run(&mut shell("echo no such language >&2; exit 3"), &[&[0_u8; 100_000]], LIMITS, &|| false);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("no such language") && error.contains('3'), "{error}");
        let error = run(&mut Command::new("/nowhere/program"), &[], LIMITS, &|| false).unwrap_err().to_string();
        assert!(error.contains("cannot be started"), "{error}");
        let error = run(&mut shell("kill -SEGV $$"), &[], LIMITS, &|| false).unwrap_err().to_string();
        assert!(error.contains("signal"), "{error}");
    }
}
