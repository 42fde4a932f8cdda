//! An SMTP client that does exactly what it is told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than any wait in these tests that ends well.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client<S> {
    stream: BufStream<S>,
}

impl Client<TcpStream> {
    pub async fn connect(to: SocketAddr) -> Self {
        Self::connect_from("127.0.0.1", to).await
    }

    pub async fn connect_from(source: &str, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        Self { stream: BufStream::new(socket.connect(to).await.unwrap()) }
    }

    pub async fn greeted(to: SocketAddr) -> Self {
        let mut client = Self::connect(to).await;
        client.expect("220 mx.example.org ESMTP").await;
        client.send("EHLO client.example\r\n").await;
        client.expect_last("250 LIMITS RCPTMAX=1000 MAILMAX=1000").await;
        client
    }

    pub async fn start_tls(self) -> Client<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        let name = ServerName::try_from("mx.example.org").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, self.stream.into_inner()).await.unwrap();
        Client { stream: BufStream::new(stream) }
    }
}

impl<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin> Client<S> {
    pub async fn send(&mut self, text: &str) {
        self.send_octets(text.as_bytes()).await;
    }

    pub async fn send_octets(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, self.stream.read_line(&mut line)).await.expect("no reply in time").unwrap();
        line.trim_end().to_owned()
    }

    pub async fn expect(&mut self, want: &str) {
        assert_eq!(self.line().await, want);
    }

    /// Reads the lines of one reply to its last, which must be `want`.
    pub async fn expect_last(&mut self, want: &str) {
        loop {
            let line = self.line().await;
            if line.as_bytes().get(3) != Some(&b'-') {
                assert_eq!(line, want);
                return;
            }
        }
    }

    pub async fn expect_end(&mut self) {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("not closed in time");
        assert_eq!((read.is_ok(), rest.as_slice()), (true, &b""[..]));
    }

    /// Begins a mail in one group of commands, reads the replies up to 354, and sends `data`.
    pub async fn mail(&mut self, data: &str) {
        self.send("MAIL FROM:<a@client.example>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n").await;
        self.expect("250 2.1.0 sender ok").await;
        self.expect("250 2.1.5 recipient ok").await;
        self.expect("354 go ahead, end with CR LF . CR LF").await;
        self.send(data).await;
    }

    /// Sends an octet every 20 ms until the server says `want`.
    pub async fn trickle_until(&mut self, want: &str) {
        let mut line = String::new();
        let trickle = async {
            loop {
                tokio::select! {
                    read = self.stream.read_line(&mut line) => break read.unwrap(),
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
                let _ = self.stream.write_all(b"x").await;
                let _ = self.stream.flush().await;
            }
        };
        tokio::time::timeout(PATIENCE, trickle).await.expect("nobody ended it");
        assert_eq!(line.trim_end(), want);
    }
}

/// Takes any certificate, as opportunistic TLS does.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
