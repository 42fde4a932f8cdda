//! The people who receive mail: how they log in, and as whom.
//!
//! Thinking: they have no password here. Who reads the mail of an address is that address: a link that is good once is sent to it.
//! Scanners follow links before people do, so following one changes nothing: the page that it leads to has a button, and only the
//! request behind that uses the link up. Nobody is told whether an address exists: the answer is the same, and comes before
//! anything is looked up. How often one may ask is limited for who asks and for whom is asked.

pub mod digest;
mod words;

use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use postern_model::address::Address;
use postern_model::settings::Settings;
use postern_model::settings::delivery::domain_matches;
use postern_store::database::audit::Act;

use crate::caller::{check_csrf, cookie_named, idle_since, peer_of};
use crate::letters::{self, LetterError};
use crate::password::random_secret;
use crate::peers;
use crate::problem::{Answer, Problem};
use crate::state::{Console, now};
use crate::tally::Tally;

/// `__Host-`: the browser takes it over TLS only, for this host and path only.
pub const COOKIE: &str = "__Host-postern-user";
/// Links that one address on the network asks for, and how long it waits then.
pub const ASKED_BY: (u32, Duration) = (10, Duration::from_secs(600));
/// Links that are asked for one mail address, and how long none is sent then.
const ASKED_FOR: (u32, Duration) = (3, Duration::from_secs(3600));

/// How often links were asked for.
pub struct Requests {
    pub by: Tally<std::net::IpAddr>,
    whom: Tally<String>,
}

impl Default for Requests {
    fn default() -> Self {
        Self { by: Tally::new(ASKED_BY.1), whom: Tally::new(ASKED_FOR.1) }
    }
}

/// Who calls the routes of `/user`.
#[derive(Clone, Debug)]
pub struct User {
    pub address: Address,
    pub digest: [u8; 32],
    pub csrf: String,
    /// Where from, for the audit trail.
    from: String,
}

impl<S: Send + Sync> FromRequestParts<S> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(not_logged_in)
    }
}

impl User {
    /// Writes down what somebody did with the own mail.
    ///
    /// # Errors
    /// When the trail cannot be written.
    pub async fn audit(&self, console: &Console, action: &str, subject: &str) -> Answer<()> {
        audit(console, &self.address, &self.from, action, subject).await
    }
}

pub async fn audit(console: &Console, who: &Address, from: &str, action: &str, subject: &str) -> Answer<()> {
    let act = Act { who: &who.to_string(), address: from, action, subject, before: None, after: None };
    console.state().database.audit().append(act, now()).await?;
    Ok(())
}

fn not_logged_in() -> Problem {
    Problem::unauthenticated("nobody is logged in").advise("Ask for a link: POST /api/v1/user/links.")
}

/// Whether an address is somebody's here: at a domain that is named in the settings. `*` names nobody's domain.
pub fn is_user(settings: &Settings, address: &Address) -> bool {
    settings.users.enabled && settings.domains.iter().any(|d| d.name != "*" && domain_matches(&d.name, address.domain()))
}

/// Lets a request through when somebody is logged in; the handler finds the [`User`] in it.
pub async fn authenticate(State(console): State<Console>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let Some(cookie) = cookie_named(request.headers(), COOKIE) else { return Err(not_logged_in()) };
    let digest = *blake3::hash(cookie.as_bytes()).as_bytes();
    let settings = console.state().settings.settings();
    let session = console.state().database.users().find(&digest, idle_since(&console), now()).await?;
    let session = session.ok_or_else(|| Problem::unauthenticated("the login has ended").advise("Ask for another link."))?;
    let address = session.address.parse().ok().filter(|a| is_user(&settings, a)).ok_or_else(not_logged_in)?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        check_csrf(request.headers(), &session.csrf)?;
    }
    let from = peer_of(&request).map(|p| p.address()).unwrap_or_default();
    request.extensions_mut().insert(User { address, digest, csrf: session.csrf, from });
    Ok(next.run(request).await)
}

/// Sends a link to who asked for one, when there is such a user and it was not asked too often. What became of it only the log says.
pub async fn send_link(console: &Console, address: &Address) {
    let settings = console.state().settings.settings();
    let requests = &console.requests;
    if !is_user(&settings, address) || requests.whom.wait(&address.key(), ASKED_FOR.0).is_some() {
        tracing::info!(%address, "a link was asked for and none is sent");
        return;
    }
    requests.whom.count(address.key());
    let written = async {
        let link = new_link(console, &settings, address).await?;
        let w = words::of(settings.users.language);
        letters::post(console, settings.users.language, address, w.link(&link, address, settings.users.link_lifetime)).await
    };
    match written.await {
        Ok(id) => tracing::info!(%address, mail = %id, "a link is on its way"),
        Err(error) => tracing::error!(%address, %error, "a link was asked for and could not be sent"),
    }
}

/// A link that is good once, for whoever reads the mail of this address.
async fn new_link(console: &Console, settings: &Settings, address: &Address) -> Result<String, LetterError> {
    let secret = random_secret();
    let until = now() + settings.users.link_lifetime.0;
    let digest = blake3::hash(secret.as_bytes());
    console.state().database.users().add_link(digest.as_bytes(), &address.to_string(), until, now()).await?;
    // In the fragment: it is in no log of a server or proxy.
    Ok(format!("{}/ui/#/own/{secret}", settings.users.url))
}

/// Uses a link up: who followed it. Another node may have made it.
///
/// # Errors
/// When this node's database cannot be asked.
pub async fn spend_link(console: &Console, link: &str) -> Answer<Option<Address>> {
    let digest = blake3::hash(link.as_bytes()).to_hex();
    let found = match spend_link_here(console, &digest).await? {
        Some(address) => Some(address),
        None => peers::spend_link(console, &digest).await,
    };
    let settings = console.state().settings.settings();
    Ok(found.and_then(|a| a.parse().ok()).filter(|a| is_user(&settings, a)))
}

/// The same for links of this node, by their digest in hex.
///
/// # Errors
/// When the database cannot be asked.
pub async fn spend_link_here(console: &Console, digest: &str) -> Answer<Option<String>> {
    let Ok(digest) = blake3::Hash::from_hex(digest) else { return Ok(None) };
    Ok(console.state().database.users().spend_link(digest.as_bytes(), now()).await?)
}
