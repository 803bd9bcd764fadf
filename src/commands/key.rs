//! `tern key new`: a fresh key, and what a server must know of it.

use std::process::ExitCode;

use tern_api::{KeyScope, NewKey};

use crate::{
    Error,
    cli::{KeyArgs, KeyCommand, NewKeyArgs},
    config::is_key_name,
    output,
};

/// Runs `tern key`.
///
/// # Errors
/// When the name cannot be one, or the system has no random bytes.
pub fn run(args: &KeyArgs) -> Result<ExitCode, Error> {
    match &args.command {
        KeyCommand::New(args) => new(args),
    }
}

fn new(args: &NewKeyArgs) -> Result<ExitCode, Error> {
    let NewKeyArgs { name, scope } = args;
    if !is_key_name(name) {
        let message = format!("--name {name:?}: expected 1 to 64 letters, digits and - _ .");
        return Err(Error::Refused(message));
    }
    let mut bytes = [0; 32];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| Error::Refused("the system gives no random bytes".to_owned()))?;
    let key = NewKey::from_random(&bytes);
    let (key, hash, scope) = (key.text(), key.hash(), KeyScope::from(*scope).name());
    output::print(&format!(
        "{key}\n\nThe key is shown this once. Clients send it as Authorization: Bearer KEY. In tern.toml:\n\n\
         [[keys]]\nname = \"{name}\"\nsha256 = \"{hash}\"\nscopes = [\"{scope}\"]\n"
    ));
    Ok(ExitCode::SUCCESS)
}
