//! Keys of a server: from flags, the environment, a file of their own and `tern.toml`.

use std::{fs, net::IpAddr};

use tern_api::{KeyHash, KeyScope, KeySettings, NewKey};

use super::{ConfigError, ServerConfig};
use crate::settings::{KeyArg, ScopeArg};

/// Whether a key may be called so: the name stands in figures and errors.
pub(crate) fn is_name(name: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len()) && name.chars().all(sound)
}

/// The keys of flags, which may do everything, and those of the file.
pub(super) fn complete(plain: Vec<String>, listed: Vec<KeyArg>) -> Result<Vec<KeySettings>, ConfigError> {
    let mut keys = Vec::new();
    for (index, key) in plain.iter().enumerate() {
        let place = "--api-key (also TERN_API_KEY in the environment, or api-key in tern.toml)";
        add_plain(&mut keys, key, &numbered("api-key", index), place)?;
    }
    for key in listed {
        let place = format!("keys \"{}\" in tern.toml", key.name);
        if !is_name(&key.name) {
            let message = "the name has other characters than letters, digits and - _ . or more than 64".to_owned();
            return Err(ConfigError::Key { place, message });
        }
        let scope = if key.scopes.contains(&ScopeArg::Admin) { KeyScope::Admin } else { KeyScope::Chat };
        let settings = KeySettings {
            requests_per_minute: key.requests_per_minute.map(|n| n.get()),
            tokens_per_minute: key.tokens_per_minute.map(|n| n.get()),
            max_concurrent: key.max_concurrent.map(|n| n.get()),
            default_model: key.default_model,
            models: key.models,
            ..KeySettings::new(&key.name, key.sha256, scope)
        };
        add(&mut keys, settings, &place)?;
    }
    Ok(keys)
}

/// The first key of a place has its name, the others have numbers.
fn numbered(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) }
}

fn add_plain(keys: &mut Vec<KeySettings>, key: &str, name: &str, place: &str) -> Result<(), ConfigError> {
    NewKey::check(key).map_err(|message| ConfigError::Key { place: place.to_owned(), message })?;
    add(keys, KeySettings::new(name, KeyHash::of(key), KeyScope::Admin), place)
}

fn add(keys: &mut Vec<KeySettings>, key: KeySettings, place: &str) -> Result<(), ConfigError> {
    let wrong = |message: String| Err(ConfigError::Key { place: place.to_owned(), message });
    if keys.iter().any(|other| other.name == key.name) {
        return wrong(format!("there are two keys with the name \"{}\"", key.name));
    }
    if let Some(other) = keys.iter().find(|other| other.hash == key.hash) {
        return wrong(format!("it is the same key as \"{}\"", other.name));
    }
    keys.push(key);
    Ok(())
}

impl ServerConfig {
    /// All keys, those of `api_key_file` too, which is read here.
    ///
    /// # Errors
    /// When that file has no key, or one that cannot be used; and without any key, for an address that other machines reach.
    pub fn all_keys(&self) -> Result<Vec<KeySettings>, ConfigError> {
        let mut keys = self.keys.clone();
        if let Some(path) = &self.api_key_file {
            let text = fs::read_to_string(path).map_err(|source| ConfigError::Key {
                place: format!("--api-key-file {}", path.display()),
                message: source.to_string(),
            })?;
            let lines = text.lines().map(str::trim).enumerate();
            let found = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
            let before = keys.len();
            for (index, (line, key)) in found.enumerate() {
                let place = format!("--api-key-file {}, line {}", path.display(), line + 1);
                add_plain(&mut keys, key, &numbered("api-key-file", index), &place)?;
            }
            if keys.len() == before {
                let place = format!("--api-key-file {}", path.display());
                return Err(ConfigError::Key {
                    place,
                    message: "there is no key in it; expected one a line".to_owned(),
                });
            }
        }
        if self.no_api_key && !keys.is_empty() {
            let message = format!("there are keys all the same: {}", names(&keys));
            return Err(ConfigError::Key { place: "--no-api-key".to_owned(), message });
        }
        if keys.is_empty() && !self.no_api_key && !is_loopback(&self.host) {
            return Err(ConfigError::Open { host: self.host.clone() });
        }
        Ok(keys)
    }
}

/// The names of keys in a row.
pub(crate) fn names(keys: &[KeySettings]) -> String {
    keys.iter().map(|key| &*key.name).collect::<Vec<_>>().join(", ")
}

/// Whether only this machine reaches an address. A name may lead anywhere.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_reaches_loopback_addresses() {
        for host in ["127.0.0.1", "127.1.2.3", "::1", "localhost", "::ffff:127.0.0.1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["0.0.0.0", "::", "192.168.1.5", "box", "localhost.example.org"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
