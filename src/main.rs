//! Parses, runs, exits. Everything else is in the library, where tests reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tern::spin::limit();
    let cli = match tern::cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are such errors too, and go to stdout. A closed pipe is no reason to complain.
            let _ = error.print();
            if let Some(note) = tern::cli::environment_note(&error) {
                eprintln!("{note}");
            }
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    tern::run(cli.command).unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(error.code())
    })
}
