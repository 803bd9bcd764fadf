//! TLS of the accept loop: a certificate and its key from two files, read again when that is asked for.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};
use tokio_rustls::TlsAcceptor;

/// A certificate with its key.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

/// Why a certificate cannot be used. Messages name the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {message}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What was found, and what is wanted.
        message: String,
    },
    /// The two files do not belong together, or their kind is not supported.
    #[error("{} and {}: {message}", certificate.display(), key.display())]
    Pair {
        /// File of the certificate.
        certificate: PathBuf,
        /// File of the key.
        key: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl Tls {
    /// Reads a certificate, with those that vouch for it behind it, and its key, both in PEM.
    ///
    /// # Errors
    /// Naming the file and what is wrong with it.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let current = RwLock::new(read(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), current })
    }

    /// Reads both files again; new connections get what is in them now.
    ///
    /// # Errors
    /// As [`Tls::load`]; the certificate then stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.certificate, &self.key)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone().into()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).field("key", &self.key).finish_non_exhaustive()
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let read_error = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Read { path, source }
    };
    let wrong = |path: &Path, message: String| TlsError::File { path: path.to_owned(), message };
    let text = std::fs::read(certificate).map_err(read_error(certificate))?;
    let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| wrong(certificate, format!("not PEM: {error}")))?;
    if chain.is_empty() {
        let message = "no certificate in it; expected PEM with a block BEGIN CERTIFICATE".to_owned();
        return Err(wrong(certificate, message));
    }
    let text = std::fs::read(key).map_err(read_error(key))?;
    let secret = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
            let message = if encrypted {
                "the private key is encrypted; write it without a password: openssl pkey -in KEY -out PLAIN"
            } else {
                "no private key in it; expected PEM with a block BEGIN PRIVATE KEY"
            };
            wrong(key, message.to_owned())
        }
        error => wrong(key, format!("not PEM: {error}")),
    })?;
    let pair = |error: rustls::Error| TlsError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        message: match error {
            rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
            error => error.to_string(),
        },
    };
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(pair)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, secret).map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with a certificate, its key, and the key of another.
    fn files() -> (tempfile::TempDir, PathBuf, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = put("cert.pem", include_str!("../../../tests/fixtures/tls/cert.pem"));
        let key = put("key.pem", include_str!("../../../tests/fixtures/tls/key.pem"));
        let foreign = put("other.pem", include_str!("../../../tests/fixtures/tls/other-key.pem"));
        (dir, certificate, key, foreign)
    }

    #[track_caller]
    fn refused(certificate: &Path, key: &Path, parts: &[&str]) {
        let message = Tls::load(certificate, key).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let (dir, certificate, key, foreign) = files();
        Tls::load(&certificate, &key).unwrap();
        refused(&dir.path().join("none.pem"), &key, &["none.pem", "No such file"]);
        refused(&key, &key, &["key.pem", "BEGIN CERTIFICATE"]);
        refused(&certificate, &certificate, &["cert.pem", "BEGIN PRIVATE KEY"]);
        refused(&certificate, &foreign, &["cert.pem", "other.pem", "not that of the certificate"]);
        let locked = dir.path().join("locked.pem");
        std::fs::write(&locked, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
            .unwrap();
        refused(&certificate, &locked, &["locked.pem", "encrypted", "openssl"]);
    }

    #[test]
    fn a_file_that_is_broken_when_it_is_read_again_changes_nothing() {
        let (_dir, certificate, key, _) = files();
        let tls = Tls::load(&certificate, &key).unwrap();
        let before = tls.current.read().unwrap().clone();
        std::fs::write(&certificate, "nothing").unwrap();
        assert!(tls.reload().unwrap_err().to_string().contains("cert.pem"));
        assert!(Arc::ptr_eq(&before, &tls.current.read().unwrap()));
    }
}
