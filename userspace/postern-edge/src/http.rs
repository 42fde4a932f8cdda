//! What Postern fetches by HTTP, only from where an admin says: feeds, updates, certificates.

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, redirect};

const CONNECT: Duration = Duration::from_secs(10);
/// A server that sends nothing for so long has died.
const STALL: Duration = Duration::from_secs(30);
/// Redirects followed.
const REDIRECTS: usize = 3;

/// A client whose answers take at most `whole`.
///
/// # Errors
/// When the system's certificates cannot be used.
pub fn client(whole: Duration) -> reqwest::Result<Client> {
    builder(whole).build()
}

/// The same, for who has something to add.
pub fn builder(whole: Duration) -> ClientBuilder {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been first: either is fine.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
    let agent = concat!("postern/", env!("CARGO_PKG_VERSION"));
    let client = Client::builder().user_agent(agent).connect_timeout(CONNECT).timeout(whole).read_timeout(STALL);
    client.redirect(redirect::Policy::limited(REDIRECTS))
}

/// Lets a client trust these authorities, too: PEM certificates, or nothing.
///
/// # Errors
/// When they cannot be read.
pub fn trusting(builder: ClientBuilder, roots: &str) -> reqwest::Result<ClientBuilder> {
    let roots = if roots.is_empty() { Vec::new() } else { Certificate::from_pem_bundle(roots.as_bytes())? };
    Ok(roots.into_iter().fold(builder, ClientBuilder::add_root_certificate))
}
