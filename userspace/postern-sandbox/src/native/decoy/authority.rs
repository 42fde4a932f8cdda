//! Who vouches for the decoy: a certificate authority of each cell's own, made when it begins and gone when it ends.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_ecdsa_type};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Where programs look for whom they trust: all in one file, and by the name's hash, as OpenSSL has it (`openssl x509 -subject_hash`).
pub const FILES: &[&str] = &["etc/ssl/certs/ca-certificates.crt", "etc/ssl/certs/08a783a5.0"];
/// Its name, of which the hash above is.
const NAME: &str = "Internet Root CA";

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Of all the servers that it vouches for.
    key: KeyPair,
}

impl Authority {
    /// # Errors
    /// When there is no randomness for a key.
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut of = CertificateParams::default();
        of.distinguished_name = named(NAME);
        of.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        of.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self { issuer: CertifiedIssuer::self_signed(of, KeyPair::generate()?)?, key: KeyPair::generate()? })
    }

    /// As programs trust it.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// TLS for whoever speaks to this address.
    ///
    /// # Errors
    /// When the library has none of its own ciphers.
    pub fn tls(self: &Arc<Self>, address: IpAddr) -> Result<Arc<ServerConfig>, rustls::Error> {
        let server = Server { authority: Arc::clone(self), address };
        let versions = ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
        Ok(Arc::new(versions.with_no_client_auth().with_cert_resolver(Arc::new(server))))
    }

    fn certified(&self, name: &str) -> Option<CertifiedKey> {
        let mut params = CertificateParams::new([name.to_owned()]).ok()?;
        params.distinguished_name = named(name);
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.key, &self.issuer).ok()?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        Some(CertifiedKey::new(vec![certificate.der().clone()], any_ecdsa_type(&key).ok()?))
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// At one address, under whatever name it is asked for.
struct Server {
    authority: Arc<Authority>,
    address: IpAddr,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl ResolvesServerCert for Server {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map_or_else(|| self.address.to_canonical().to_string(), str::to_owned);
        self.authority.certified(&name).map(Arc::new)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::Command;

    use super::*;

    #[test]
    fn openssl_finds_it_by_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.pem");
        std::fs::write(&path, Authority::new().unwrap().pem()).unwrap();
        let Ok(said) = Command::new("openssl").args(["x509", "-noout", "-subject_hash", "-in"]).arg(&path).output() else {
            println!("skipped: no openssl here");
            return;
        };
        let hash = String::from_utf8(said.stdout).unwrap();
        assert_eq!(FILES[1], format!("etc/ssl/certs/{}.0", hash.trim()));
    }

    #[test]
    fn names_and_addresses_are_vouched_for_and_nonsense_is_not() {
        let authority = Authority::new().unwrap();
        for name in ["evil.example", "203.0.113.9", "2001:db8::1"] {
            assert!(authority.certified(name).is_some(), "{name}");
        }
        assert!(authority.certified("b\u{fc}cher.example").is_none());
    }
}
