//! TLS towards next hops: with a checked certificate, or (opportunistic, RFC 7435) without.

use std::sync::{Arc, LazyLock};

use postern_model::settings::delivery::TlsPolicy;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

/// Both configurations, made once, when the first is asked for: session tickets live in them.
pub(crate) struct TlsClients(LazyLock<Clients>);

struct Clients {
    verified: TlsConnector,
    unverified: TlsConnector,
}

impl TlsClients {
    pub(crate) fn new() -> Self {
        Self(LazyLock::new(Clients::new))
    }

    /// Reads the system's authorities now, not while a delivery waits.
    pub(crate) fn prepare(&self) {
        LazyLock::force(&self.0);
    }

    pub(crate) fn connector(&self, policy: TlsPolicy) -> &TlsConnector {
        match policy {
            TlsPolicy::Verified => &self.0.verified,
            TlsPolicy::Off | TlsPolicy::Opportunistic | TlsPolicy::Required => &self.0.unverified,
        }
    }
}

impl Clients {
    fn new() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            tracing::warn!("the system has no certificate authorities: next hops with tls = \"verified\" cannot be reached");
        }
        Self::with_roots(provider, roots)
    }

    fn with_roots(provider: Arc<CryptoProvider>, roots: RootCertStore) -> Self {
        let builder = || ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let verified = match builder() {
            Ok(b) => b.with_root_certificates(roots).with_no_client_auth(),
            Err(e) => {
                // The provider has no cipher for any version we ask for: not possible with aws-lc-rs as it is built here.
                tracing::error!(error = %e, "TLS cannot be set up");
                ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
            }
        };
        let mut unverified = verified.clone();
        unverified.dangerous().set_certificate_verifier(Arc::new(Unchecked(Arc::clone(&provider))));
        // Sessions begun without a check must never be resumed where one is asked for.
        unverified.resumption = rustls::client::Resumption::in_memory_sessions(256);
        Self { verified: TlsConnector::from(Arc::new(verified)), unverified: TlsConnector::from(Arc::new(unverified)) }
    }
}

/// Takes any certificate, but not any signature: who answers holds the key of the certificate it shows.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
