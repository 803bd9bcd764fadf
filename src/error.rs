//! Why a command failed.

use std::{io, path::PathBuf};

use tern_api::TlsError;
use tern_catalog::{PullError, hub::SettingsError};
use tern_convert::ConvertError;
use tern_engine::{DecodeError, EngineError};
use tern_gguf::GgufError;
use tern_registry::RegistryError;
use tern_store::StoreError;

use crate::{client::ClientError, config::ConfigError};

/// Errors of the command line. `main` prints them behind `error:`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The hub's own variables cannot be used.
    #[error(transparent)]
    Hub(#[from] SettingsError),
    /// A model cannot be had.
    #[error("{}", hint(.0))]
    Registry(#[from] RegistryError),
    /// An engine cannot do something.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A forward pass failed.
    #[error("the engine failed: {0}")]
    Decode(#[from] DecodeError),
    /// A file is no sound GGUF file.
    #[error("{}: {source}", path.display())]
    Gguf {
        /// Which file.
        path: PathBuf,
        /// What was found.
        #[source]
        source: GgufError,
    },
    /// A model cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// A download failed.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// A server cannot be used.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A certificate cannot be used.
    #[error("--tls-cert, --tls-key: {0}")]
    Tls(#[from] TlsError),
    /// The store of conversations cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another program has the port.
    #[error(
        "cannot listen on {address}: the port is in use, perhaps by another tern. Stop that, or take another port with \
         --port (0 takes a free one)"
    )]
    PortInUse {
        /// Host and port.
        address: String,
    },
    /// The address cannot be used.
    #[error("cannot listen on {address} (--host, --port): {source}")]
    Listen {
        /// Host and port.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The system refuses something else.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The command cannot do what was asked; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// For `map_err`: what was being done when the system refused.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// The exit code: 2 for what the user wrote, 1 for everything else.
    pub fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Hub(_) | Self::Tls(_) | Self::Client(ClientError::Url { .. }) => 2,
            _ => 1,
        }
    }
}

/// At a terminal the next step is a command.
fn hint(error: &RegistryError) -> String {
    match error {
        RegistryError::UnknownModel { name, .. } => match tern_catalog::table::near(name).first() {
            Some(near) => format!("{error} The catalogue has `{near}`: tern pull {near}"),
            None => format!("{error} `tern models` lists what there is."),
        },
        _ => error.to_string(),
    }
}
