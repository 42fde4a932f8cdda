//! The node's own certificate, in its data directory under `tls`: self-signed until an admin gives another, which the SMTP listeners
//! and the console take within seconds. What the settings name instead is not touched here.
//!
//! - `smtp.pem`, `smtp.key`: self-signed, made at the first start.
//! - `installed.pem`: chain and key in one file, so that a power cut cannot part them.
//! - `requested.key`: of the last request; the certificate to it comes without a key.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use postern_model::time::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::tls::{self, TlsError};

/// Longest chain and key taken, in octets.
pub const LONGEST: usize = 256 << 10;
const MOST_CERTIFICATES: usize = 10;

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("there is no certificate in it: a PEM file begins with -----BEGIN CERTIFICATE-----")]
    Empty,
    #[error("certificate {number} of the chain cannot be read: {why}")]
    Unreadable { number: usize, why: String },
    #[error("more than {MOST_CERTIFICATES} certificates, or more than {} KiB", LONGEST >> 10)]
    TooLong,
    #[error("certificate {number} of the chain, {subject}, did not sign the one before it: our own comes first, then who signed it")]
    Order { number: usize, subject: String },
    #[error("it ended on {0}")]
    Expired(String),
    #[error("it begins on {0} only: look at this machine's clock")]
    NotYet(String),
    #[error("no key came with it, and none was requested here")]
    NoKey,
    #[error("it cannot be used with its key: {0}")]
    Unusable(String),
    #[error("`{0}` is no host name")]
    Name(String),
    #[error(transparent)]
    Make(#[from] rcgen::Error),
    #[error("{path}: {source}", path = path.display())]
    Disk {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub names: Vec<String>,
    pub issuer: String,
    pub from: Timestamp,
    pub until: Timestamp,
    /// SHA-256 of the certificate, as browsers show it.
    pub fingerprint: [u8; 32],
}

/// The folder of the node's own certificate.
pub fn folder(data: &Path) -> PathBuf {
    data.join("tls")
}

/// The file of chain and key that an admin gave, wherever it is.
pub fn installed(data: &Path) -> PathBuf {
    folder(data).join("installed.pem")
}

fn requested(data: &Path) -> PathBuf {
    folder(data).join("requested.key")
}

/// # Errors
/// When the file cannot be read as certificates.
pub fn facts(file: &Path) -> Result<Facts, CertificateError> {
    let octets = fs::read(file).map_err(disk(file))?;
    let chain = chain(&octets)?;
    let certificate = parsed(&chain[0], 1)?;
    let validity = certificate.validity();
    Ok(Facts {
        names: names(&certificate),
        issuer: certificate.issuer().to_string(),
        from: Timestamp(validity.not_before.timestamp() * 1000),
        until: Timestamp(validity.not_after.timestamp() * 1000),
        fingerprint: Sha256::digest(&chain[0]).into(),
    })
}

/// A request for a certificate of these names, in PEM. Its key stays here.
///
/// # Errors
/// When a name is none, or the disk refuses.
pub fn request(data: &Path, names: &[String]) -> Result<String, CertificateError> {
    let mut params = CertificateParams::new(names).map_err(|_| CertificateError::Name(names.join(" ")))?;
    let first = names.first().ok_or_else(|| CertificateError::Name(String::new()))?;
    params.distinguished_name.push(DnType::CommonName, first.as_str());
    let key = KeyPair::generate()?;
    let request = params.serialize_request(&key)?.pem()?;
    fs::create_dir_all(folder(data)).map_err(disk(&folder(data)))?;
    write(&requested(data), &key.serialize_pem(), 0o600)?;
    Ok(request)
}

/// Puts this chain in force, with this key or that of the last [`request`].
///
/// # Errors
/// When it is not what a server can show today: nothing is changed then.
pub fn install(data: &Path, given: &str, key: Option<&str>) -> Result<Facts, CertificateError> {
    if given.len() + key.map_or(0, str::len) > LONGEST {
        return Err(CertificateError::TooLong);
    }
    let ders = chain(given.as_bytes())?;
    let parsed = ders.iter().enumerate().map(|(n, der)| parsed(der, n + 1)).collect::<Result<Vec<_>, _>>()?;
    for (n, pair) in parsed.windows(2).enumerate() {
        if pair[0].issuer() != pair[1].subject() {
            return Err(CertificateError::Order { number: n + 2, subject: pair[1].subject().to_string() });
        }
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let validity = parsed[0].validity();
    if validity.not_after.timestamp() < now {
        return Err(CertificateError::Expired(validity.not_after.to_string()));
    }
    if validity.not_before.timestamp() > now {
        return Err(CertificateError::NotYet(validity.not_before.to_string()));
    }
    let of_request = requested(data);
    // Some hand out chain and key in one file.
    let key = match key.or(given.contains("PRIVATE KEY-----").then_some(given)) {
        Some(key) => key.to_owned(),
        None => match fs::read_to_string(&of_request) {
            Ok(key) => key,
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(CertificateError::NoKey),
            Err(source) => return Err(CertificateError::Disk { path: of_request, source }),
        },
    };
    let chain: Vec<pem::Pem> = ders.iter().map(|der| pem::Pem::new("CERTIFICATE", der.to_vec())).collect();
    let text = format!("{}\n{}\n", pem::encode_many(&chain), key.trim());
    let beside = folder(data).join("offered.pem");
    fs::create_dir_all(folder(data)).map_err(disk(&folder(data)))?;
    write(&beside, &text, 0o600)?;
    if let Err(e) = tls::read(&beside, &beside) {
        let _ = fs::remove_file(&beside);
        return Err(CertificateError::Unusable(why(&e)));
    }
    let path = installed(data);
    fs::rename(&beside, &path).map_err(disk(&path))?;
    sync(&folder(data))?;
    facts(&path)
}

/// Back to the self-signed one; false: it was in use anyway.
///
/// # Errors
/// When the disk refuses.
pub fn forget(data: &Path) -> Result<bool, CertificateError> {
    let path = installed(data);
    match fs::remove_file(&path) {
        Ok(()) => sync(&folder(data)).map(|()| true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(CertificateError::Disk { path, source }),
    }
}

/// Keeps a secret text beside the certificate, for the node alone.
///
/// # Errors
/// When the disk refuses.
pub fn keep_secret(path: &Path, text: &str) -> Result<(), CertificateError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(disk(parent))?;
    write(path, text, 0o600)?;
    sync(parent)
}

/// The files of a self-signed certificate for `name` under `dir`, made when missing or another's: a node may get another name. Servers that
/// deliver to us opportunistically (RFC 7435) do not check it; who verifies needs a real one.
///
/// # Errors
/// When they cannot be made or written.
pub fn self_signed(dir: &Path, stem: &str, name: &str) -> Result<(PathBuf, PathBuf), CertificateError> {
    let certificate = dir.join(format!("{stem}.pem"));
    let key = dir.join(format!("{stem}.key"));
    let is_its = |facts: Facts| facts.names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if key.exists() && facts(&certificate).is_ok_and(is_its) {
        return Ok((certificate, key));
    }
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let pair = KeyPair::generate()?;
    let made = params.self_signed(&pair)?;
    fs::create_dir_all(dir).map_err(disk(dir))?;
    write(&key, &pair.serialize_pem(), 0o600)?;
    write(&certificate, &made.pem(), 0o644)?;
    Ok((certificate, key))
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let mut chain = Vec::new();
    for (n, one) in CertificateDer::pem_slice_iter(pem).enumerate() {
        if n == MOST_CERTIFICATES {
            return Err(CertificateError::TooLong);
        }
        chain.push(one.map_err(|e| CertificateError::Unreadable { number: n + 1, why: e.to_string() })?);
    }
    if chain.is_empty() { Err(CertificateError::Empty) } else { Ok(chain) }
}

fn parsed(der: &[u8], number: usize) -> Result<X509Certificate<'_>, CertificateError> {
    X509Certificate::from_der(der).map(|(_, c)| c).map_err(|e| CertificateError::Unreadable { number, why: e.to_string() })
}

/// RFC 6125 §6.4.4: the subject's common name counts only where there is no other.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let mut names: Vec<String> = alternative.iter().flat_map(|a| &a.value.general_names).filter_map(shown).collect();
    if names.is_empty() {
        names.extend(certificate.subject().iter_common_name().filter_map(|n| n.as_str().ok()).map(str::to_owned));
    }
    names
}

fn shown(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match <[u8; 4]>::try_from(*octets) {
            Ok(four) => Some(std::net::Ipv4Addr::from(four).to_string()),
            Err(_) => <[u8; 16]>::try_from(*octets).ok().map(|six| std::net::Ipv6Addr::from(six).to_string()),
        },
        _ => None,
    }
}

fn why(error: &TlsError) -> String {
    use std::error::Error;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

fn disk(path: &Path) -> impl FnOnce(std::io::Error) -> CertificateError {
    let path = path.to_owned();
    move |source| CertificateError::Disk { path, source }
}

fn sync(folder: &Path) -> Result<(), CertificateError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(disk(folder))
}

/// Writes beside and renames, so that nobody ever reads half a key.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), CertificateError> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside).map_err(disk(path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(disk(path))?;
    fs::rename(&beside, path).map_err(disk(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{BasicConstraints, CertificateSigningRequestParams, IsCa, Issuer};

    use super::*;

    const NAME: &str = "mx1.example.org";

    struct Authority {
        pem: String,
        issuer: Issuer<'static, KeyPair>,
    }

    fn authority(name: &str) -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn signed(request: &str, by: &Authority, years: (i32, i32)) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(request).unwrap();
        request.params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        request.params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        request.signed_by(&by.issuer).unwrap().pem()
    }

    #[test]
    fn one_is_requested_given_shown_and_forgotten() {
        let data = tempfile::tempdir().unwrap();
        let authority = authority("Example Authority");
        let names = [NAME.to_owned(), "192.0.2.10".to_owned()];
        let wanted = request(data.path(), &names).unwrap();
        let chain = signed(&wanted, &authority, (2020, 2120)) + &authority.pem;
        let facts = install(data.path(), &chain, None).unwrap();
        assert_eq!(facts.names, names);
        assert!(facts.issuer.contains("Example Authority"), "{facts:?}");
        assert_eq!(fs::metadata(installed(data.path())).unwrap().permissions().mode() & 0o777, 0o600);

        // Chain and key in one text, as some hand it out; then the key beside it.
        let both = fs::read_to_string(installed(data.path())).unwrap();
        assert_eq!(install(data.path(), &both, None).unwrap(), facts);
        let key = &both[both.find("-----BEGIN PRIVATE").unwrap()..];
        assert_eq!(install(data.path(), &chain, Some(key)).unwrap(), facts);

        assert!(forget(data.path()).unwrap());
        assert!(!forget(data.path()).unwrap());
    }

    #[test]
    fn what_cannot_be_shown_is_refused_and_changes_nothing() {
        let data = tempfile::tempdir().unwrap();
        let (authority, other) = (authority("Example Authority"), authority("Another"));
        let wanted = request(data.path(), &[NAME.to_owned()]).unwrap();
        let good = signed(&wanted, &authority, (2020, 2120));
        install(data.path(), &good, None).unwrap();
        let before = fs::read(installed(data.path())).unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let foreign = signed(&request(elsewhere.path(), &[NAME.to_owned()]).unwrap(), &authority, (2020, 2120));
        let cases = [
            (String::new(), "no certificate in it"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(), "certificate 1 of the chain cannot be read"),
            (format!("{}{good}", authority.pem), "certificate 2 of the chain"),
            (format!("{good}{}", other.pem), "did not sign the one before it"),
            (signed(&wanted, &authority, (2001, 2002)), "it ended on"),
            (signed(&wanted, &authority, (2119, 2120)), "it begins on"),
            (foreign, "cannot be used with its key"),
            (good.repeat(11), "more than 10 certificates"),
            ("x".repeat(LONGEST + 1), "more than 256 KiB"),
        ];
        for (given, words) in cases {
            let said = install(data.path(), &given, None).unwrap_err().to_string();
            assert!(said.contains(words), "`{said}` lacks `{words}`");
            assert_eq!(fs::read(installed(data.path())).unwrap(), before, "{words}");
        }
        assert_eq!(fs::read_dir(folder(data.path())).unwrap().count(), 2, "nothing is left lying about");
        let said = install(tempfile::tempdir().unwrap().path(), &good, None).unwrap_err().to_string();
        assert!(said.contains("none was requested here"), "{said}");
        assert!(matches!(request(data.path(), &["ä b".to_owned()]), Err(CertificateError::Name(_))));
    }
}
