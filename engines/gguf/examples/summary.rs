//! Prints what the header of a GGUF file says: `cargo run --release -p tern-gguf --example summary -- FILE`

use std::{env, path::PathBuf, process::ExitCode};

use tern_gguf::{Header, TensorType, file_type, summary};

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: summary FILE.gguf");
        return ExitCode::from(2);
    };
    let found = Header::read(&path).and_then(|header| Ok((summary::model_info(&header)?, header)));
    match found {
        Ok((info, header)) => {
            let keys = header.entries().len();
            let kind = file_type::dominant(header.tensors().iter()).map_or("none", TensorType::name);
            println!("GGUF {}: {keys} keys, {} tensors (mostly {kind})", header.version(), header.tensors().len());
            println!("{} {}, {} parameters", info.architecture, info.quantization, info.parameters);
            println!("context {} tokens, vocabulary {}", info.context_length, info.vocab_size);
            println!("BOS {:?}, EOS {:?}", info.bos_token, info.eos_token);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
