//! The certificate we show and the TLS we speak on the receiving side: TLS 1.2 and 1.3 by rustls, the
//! hybrid key exchange X25519MLKEM768 first, so that what is recorded today stays closed to the
//! quantum computers of tomorrow.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use postern_model::envelope::TlsInfo;
use postern_model::settings::smtp::TlsSettings;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

use crate::certificate::{self, CertificateError};

/// How often the files are looked at for a new certificate.
const LOOK_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the certificate in {path}")]
    Pem {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("{0} holds no certificate: write a PEM file with the chain, our own first")]
    Empty(PathBuf),
    #[error("the certificate in {certificate} and the key in {key} cannot be used")]
    Unusable {
        certificate: PathBuf,
        key: PathBuf,
        #[source]
        source: rustls::Error,
    },
    #[error("cannot make a certificate for {name}")]
    Make {
        name: String,
        #[source]
        source: CertificateError,
    },
}

/// A certificate with its key, read again when the files change.
pub struct Tls {
    files: Files,
    config: ArcSwap<ServerConfig>,
    seen: Mutex<Option<Stamp>>,
}

enum Files {
    /// By the settings.
    Named(Pair),
    /// The node's own ([`certificate`]): what an admin gave, else the self-signed one.
    Own { installed: PathBuf, self_signed: Pair },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// What tells one state of the files from another.
type Stamp = (Pair, [(SystemTime, u64); 2]);

impl Files {
    fn now(&self) -> Pair {
        match self {
            Self::Named(pair) => pair.clone(),
            Self::Own { installed, .. } if installed.exists() => Pair { certificate: installed.clone(), key: installed.clone() },
            Self::Own { self_signed, .. } => self_signed.clone(),
        }
    }
}

impl Tls {
    /// Opens the files that the settings name. When they name none: the node's own certificate, made for `hostname` when there is none yet.
    ///
    /// # Errors
    /// When the files cannot be read, made or used together.
    pub fn open(settings: &TlsSettings, data_dir: &Path, hostname: &str) -> Result<Arc<Self>, TlsError> {
        let files = if settings.certificate.as_os_str().is_empty() {
            let (certificate, key) = certificate::self_signed(&certificate::folder(data_dir), "smtp", hostname)
                .map_err(|source| TlsError::Make { name: hostname.to_owned(), source })?;
            Files::Own { installed: certificate::installed(data_dir), self_signed: Pair { certificate, key } }
        } else {
            Files::Named(Pair { certificate: settings.certificate.clone(), key: settings.key.clone() })
        };
        let seen = Mutex::new(stamp(&files));
        let Pair { certificate, key } = files.now();
        let config = match (read(&certificate, &key), &files) {
            // Mail is better taken with the wrong certificate than not at all: most who deliver do not check it.
            (Err(e), Files::Own { self_signed: own, .. }) if own.certificate != certificate => {
                tracing::error!(error = %e, "the installed certificate cannot be used: the self-signed one is shown");
                read(&own.certificate, &own.key)?
            }
            (read, _) => read?,
        };
        Ok(Arc::new(Self { files, config: ArcSwap::new(config), seen }))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reads the files again when they have changed. True when a new certificate is in use.
    ///
    /// # Errors
    /// When what is there now cannot be used; the certificate in use stays.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let now = stamp(&self.files);
        let mut seen = self.seen.lock();
        if *seen == now {
            return Ok(false);
        }
        // Remembered before it is tried: a broken file is complained about once, not at every look.
        *seen = now;
        let Pair { certificate, key } = self.files.now();
        self.config.store(read(&certificate, &key)?);
        Ok(true)
    }

    /// Looks at the files now and then, for as long as somebody holds `self`.
    pub fn watch(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let Some(tls) = weak.upgrade() else { return };
                match tls.reload() {
                    Ok(true) => tracing::info!(certificate = %tls.files.now().certificate.display(), "a new certificate is in use"),
                    Ok(false) => {}
                    Err(e) => tracing::error!(error = %e, "the new certificate is not used, the old one stays"),
                }
            }
        });
    }
}

/// What a handshake agreed on.
pub fn info(connection: &ServerConnection) -> TlsInfo {
    let name = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        other => format!("{other:?}"),
    };
    TlsInfo {
        version,
        cipher: name(connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str())),
        key_exchange: connection.negotiated_key_exchange_group().and_then(|g| g.name().as_str()).map(str::to_owned),
    }
}

pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(pem(certificate))?;
    let chain = chain.collect::<Result<Vec<_>, _>>().map_err(pem(certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(pem(key))?;
    let unusable = |source| TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), source };
    // The provider orders the key exchanges X25519MLKEM768, X25519, P-256, P-384.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(unusable)?;
    // Mail servers seldom resume; each ticket costs a key derivation and a record.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn stamp(files: &Files) -> Option<Stamp> {
    let of = |m: Metadata| Some((m.modified().ok()?, m.len()));
    let one = |path: &Path| std::fs::metadata(path).ok().and_then(of);
    let pair = files.now();
    let stamps = [one(&pair.certificate)?, one(&pair.key)?];
    Some((pair, stamps))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_certificate_is_made_once_kept_and_exchanged() {
        let dir = tempfile::tempdir().unwrap();
        let settings = TlsSettings::default();
        let tls = Tls::open(&settings, dir.path(), "mx.example.org").unwrap();
        let path = dir.path().join("tls/smtp.pem");
        let first = std::fs::read(&path).unwrap();
        drop(Tls::open(&settings, dir.path(), "mx.example.org").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), first, "a second start makes no second certificate");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(dir.path().join("tls/smtp.key")).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);

        assert!(!tls.reload().unwrap());
        let (certificate, key) = certificate::self_signed(&dir.path().join("other"), "x", "mx2.example.org").unwrap();
        std::fs::copy(certificate, &path).unwrap();
        assert!(tls.reload().is_err(), "the key does not belong to it");
        std::fs::copy(key, dir.path().join("tls/smtp.key")).unwrap();
        assert!(tls.reload().unwrap());

        drop(Tls::open(&settings, dir.path(), "mx9.example.org").unwrap());
        assert_eq!(certificate::facts(&path).unwrap().names, ["mx9.example.org"], "a node that has another name now");
    }

    #[test]
    fn an_installed_one_is_shown_until_it_is_forgotten() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tls = Tls::open(&TlsSettings::default(), dir.path(), "mx.example.org").unwrap();
        let (chain, key) = certificate::self_signed(other.path(), "x", "mx2.example.org").unwrap();
        let text = |path| std::fs::read_to_string(path).unwrap();
        certificate::install(dir.path(), &text(chain), Some(&text(key))).unwrap();
        assert!(tls.reload().unwrap());
        assert!(certificate::forget(dir.path()).unwrap() && tls.reload().unwrap());

        std::fs::write(certificate::installed(dir.path()), "rubbish").unwrap();
        assert!(tls.reload().is_err(), "the one in use stays");
        Tls::open(&TlsSettings::default(), dir.path(), "mx.example.org").unwrap();
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        let settings = TlsSettings { certificate: empty.clone(), key: empty, ..TlsSettings::default() };
        let error = Tls::open(&settings, dir.path(), "mx.example.org").map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("empty.pem"), "{error}");
    }
}
