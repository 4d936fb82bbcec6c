//! The certificate: read at the start, and again when its file has changed, so that a renewal needs no restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::rustls::{self, ServerConfig};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read, or holds no PEM of the kind.
    #[error("cannot read {}: {what}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Certificate and key do not go together, or are of a kind that is not known.
    #[error("the certificate in {} and its key cannot be used", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// A certificate and the key that goes with it.
#[derive(Debug)]
pub(super) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    acceptor: TlsAcceptor,
    modified: Option<SystemTime>,
    looked: Instant,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loaded({:?})", self.modified)
    }
}

impl Certificate {
    pub(super) fn load(certificate: &Path, key: &Path, now: Instant) -> Result<Self, TlsError> {
        let loaded = Loaded { acceptor: acceptor(certificate, key)?, modified: modified(certificate), looked: now };
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), loaded: Mutex::new(loaded) })
    }

    /// Gives the acceptor of the newest certificate; one that cannot be read leaves the one before in use.
    pub(super) fn acceptor(&self, now: Instant) -> TlsAcceptor {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(loaded.looked) >= LOOK_EVERY {
            loaded.looked = now;
            let found = modified(&self.certificate);
            if found != loaded.modified {
                match acceptor(&self.certificate, &self.key) {
                    Ok(newer) => {
                        tracing::info!(certificate = %self.certificate.display(), "the certificate was renewed");
                        loaded.acceptor = newer;
                        loaded.modified = found;
                    }
                    Err(error) => tracing::warn!(%error, "the new certificate cannot be used; the old one stays"),
                }
            }
        }
        loaded.acceptor.clone()
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let unreadable =
        |path: &Path, error: pem::Error| TlsError::Unreadable { path: path.into(), what: error.to_string() };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(certificate, error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let unusable = |source| TlsError::Unusable { path: certificate.to_owned(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(unusable)?.with_no_client_auth().with_single_cert(chain, private);
    let mut config = config.map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

const LOOK_EVERY: Duration = Duration::from_secs(60);
