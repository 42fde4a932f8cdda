//! The certificate we show and the TLS we speak on the receiving side: TLS 1.2 and 1.3 by rustls, the
//! hybrid key exchange X25519MLKEM768 first, so that what is recorded today stays closed to the
//! quantum computers of tomorrow.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
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
        source: rcgen::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// A certificate with its key, read again when the files change.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
    seen: Mutex<Option<Stamp>>,
}

/// What tells one state of the two files from another.
type Stamp = [(SystemTime, u64); 2];

impl Tls {
    /// Opens the files that the settings name. When they name none: `tls/smtp.pem` and `tls/smtp.key` in the data
    /// directory, made for `hostname` when they do not exist.
    ///
    /// # Errors
    /// When the files cannot be read, made or used together.
    pub fn open(settings: &TlsSettings, data_dir: &Path, hostname: &str) -> Result<Arc<Self>, TlsError> {
        let own = data_dir.join("tls");
        let (certificate, key) = if settings.certificate.as_os_str().is_empty() {
            self_signed(&own, "smtp", hostname)?
        } else {
            (settings.certificate.clone(), settings.key.clone())
        };
        let config = read(&certificate, &key)?;
        let seen = Mutex::new(stamp(&certificate, &key));
        Ok(Arc::new(Self { certificate, key, config: ArcSwap::new(config), seen }))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reads the files again when they have changed. True when a new certificate is in use.
    ///
    /// # Errors
    /// When what is there now cannot be used; the certificate in use stays.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let now = stamp(&self.certificate, &self.key);
        let mut seen = self.seen.lock();
        if *seen == now {
            return Ok(false);
        }
        // Remembered before it is tried: a broken file is complained about once, not at every look.
        *seen = now;
        self.config.store(read(&self.certificate, &self.key)?);
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
                    Ok(true) => tracing::info!(certificate = %tls.certificate.display(), "a new certificate is in use"),
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

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
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

/// The files of a self-signed certificate for `name` under `dir`, made when missing. Servers that deliver to us
/// opportunistically (RFC 7435) do not check it; who verifies needs a real one.
///
/// # Errors
/// When they cannot be made or written.
pub fn self_signed(dir: &Path, stem: &str, name: &str) -> Result<(PathBuf, PathBuf), TlsError> {
    let certificate = dir.join(format!("{stem}.pem"));
    let key = dir.join(format!("{stem}.key"));
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).map_err(|source| TlsError::Make { name: name.into(), source })?;
    std::fs::create_dir_all(dir).map_err(|source| TlsError::Write { path: dir.to_owned(), source })?;
    write(&key, &made.signing_key.serialize_pem(), 0o600)?;
    write(&certificate, &made.cert.pem(), 0o644)?;
    Ok((certificate, key))
}

/// Writes beside and renames, so that nobody ever reads half a key.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let beside = path.with_extension("new");
    let failed = |source| TlsError::Write { path: path.to_owned(), source };
    let _ = std::fs::remove_file(&beside);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}

fn stamp(certificate: &Path, key: &Path) -> Option<Stamp> {
    let of = |m: Metadata| Some((m.modified().ok()?, m.len()));
    let one = |path: &Path| std::fs::metadata(path).ok().and_then(of);
    Some([one(certificate)?, one(key)?])
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
        let (certificate, key) = self_signed(&dir.path().join("other"), "x", "mx2.example.org").unwrap();
        std::fs::copy(certificate, &path).unwrap();
        assert!(tls.reload().is_err(), "the key does not belong to it");
        std::fs::copy(key, dir.path().join("tls/smtp.key")).unwrap();
        assert!(tls.reload().unwrap());
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
