//! `tern convert`: a GGUF file of a BitNet model in another format.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Instant,
};

use tern_convert::{Head, Options, Step, convert};
use tern_gguf::{blocks::ternary::Order, rewrite::Target};

use crate::{
    Error,
    cli::{ConvertArgs, ConvertHead, ConvertTo},
    output::{self, StatusLine},
};

/// Converts, and says how far it is: a line that changes at a terminal, a line for each tenth elsewhere.
///
/// # Errors
/// What the converter finds; there is no new file then.
pub fn run(args: &ConvertArgs) -> Result<ExitCode, Error> {
    let options = Options {
        head: match args.head {
            ConvertHead::F16 => Head::F16,
            ConvertHead::Q8 => Head::Q8_0,
            ConvertHead::Q6 => Head::Q6K,
        },
        pre: args.pre.clone(),
        order: Order::of_block(args.i2s_block.0),
        target: match args.to {
            ConvertTo::I2s => Target::I2s,
            ConvertTo::Tq2 => Target::Tq2_0,
        },
        force: args.force,
    };
    let (terminal, started) = (io::stderr().is_terminal(), Instant::now());
    let mut line = StatusLine::new();
    let done = convert(&args.source, &args.out, &options, &mut |step| {
        let Step { what, number, of } = step;
        let text = format!("{number} of {of} tensors ({what})");
        if terminal {
            line.set(&text);
        } else if number * 10 / of > (number - 1) * 10 / of {
            eprintln!("{text}");
        }
    });
    drop(line);
    let done = done?;
    let time = output::duration(started.elapsed());
    eprintln!("{} ternary matrices, {} tensors in {time}", done.matrices, done.tensors);
    eprintln!("Ready: {} ({}); tern chat {0}", args.out.display(), output::size(done.bytes));
    Ok(ExitCode::SUCCESS)
}
