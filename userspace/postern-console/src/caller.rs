//! Who calls: the local socket, a token, or a login; and with which rights ([`crate::rights`] says what they are good for).
//!
//! Thinking: the unix socket's file mode decides who may connect to it; who can is an admin already.
//! A cookie is sent by the browser whoever wrote the page, so a request that changes something must
//! also carry the session's CSRF token in a header, which a page of another site can neither read nor
//! set. Tokens are not sent by browsers by themselves and need none.

use std::net::SocketAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use postern_model::role::Rights;
use postern_model::time::Timestamp;
use postern_store::database::audit::Act;

use crate::problem::{Answer, Problem};
use crate::state::{Console, now};

/// `__Host-`: the browser takes it over TLS only, for this host and path only.
pub const COOKIE: &str = "__Host-postern";
pub const CSRF_HEADER: &str = "x-postern-csrf";
/// What a page sends that asks again by itself while nobody touches it.
const UNATTENDED_HEADER: &str = "x-postern-unattended";

/// The other end of the connection, put into each request by the listener.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    Unix { uid: u32 },
    Tcp(SocketAddr),
}

impl Peer {
    pub fn address(&self) -> String {
        match self {
            Self::Unix { .. } => "unix".to_owned(),
            Self::Tcp(a) => a.ip().to_canonical().to_string(),
        }
    }

    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp(a) => a.ip().to_canonical().is_loopback(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Full,
    /// Looks, changes nothing.
    Read,
    /// `/metrics` only.
    Metrics,
}

impl Scope {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "full" => Some(Self::Full),
            "read" => Some(Self::Read),
            "metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Caller {
    /// The admin's name, or `unix:UID`.
    pub name: String,
    pub address: String,
    pub scope: Scope,
    pub rights: Rights,
    /// Digest of the cookie and the CSRF token, when it is a login.
    pub session: Option<([u8; 32], String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthenticated("nobody is logged in"))
    }
}

impl Caller {
    /// Writes down what this caller does.
    pub async fn audit(&self, console: &Console, action: &str, subject: &str, before: Option<&str>, after: Option<&str>) -> Answer<()> {
        let act = Act { who: &self.name, address: &self.address, action, subject, before, after };
        console.state().database.audit().append(act, now()).await?;
        tracing::info!(who = %self.name, address = %self.address, action, subject, "an admin acted");
        Ok(())
    }

    /// Writes down what this caller may not do, and says so.
    ///
    /// # Errors
    /// When the audit trail cannot be written.
    pub async fn refuse(&self, console: &Console, what: &str, why: String) -> Answer<Problem> {
        self.audit(console, "refused", what, None, Some(&why)).await?;
        Ok(Problem::forbidden(why).advise("An admin can give another role: `postern admin role`."))
    }

    /// The digest of the login's cookie; a token or the local socket has neither a password nor sessions.
    ///
    /// # Errors
    /// When it is no login; `instead` is what to do then.
    pub fn login(&self, instead: &str) -> Answer<&[u8; 32]> {
        let session = self.session.as_ref().map(|(digest, _)| digest);
        session.ok_or_else(|| Problem::forbidden("only a login of the web console has this").advise(instead))
    }
}

pub fn peer_of(request: &Request) -> Option<Peer> {
    request.extensions().get::<Peer>().copied()
}

/// Lets a request through when its caller may do it; the handler finds the [`Caller`] in the request.
pub async fn authenticate(State(console): State<Console>, mut request: Request, next: Next) -> Result<Response, Problem> {
    let Some(peer) = peer_of(&request) else { return Err(Problem::unauthenticated("the connection is of no known kind")) };
    let caller = identify(&console, peer, request.headers()).await?;
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    match caller.scope {
        Scope::Full => {}
        Scope::Read if !changes => {}
        Scope::Read => return Err(Problem::forbidden("this token may only look").advise("Make a token with the scope `full`.")),
        Scope::Metrics => return Err(Problem::forbidden("this token is for /metrics only")),
    }
    if changes && let Some((_, csrf)) = &caller.session {
        check_csrf(request.headers(), csrf)?;
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(console);
    Ok(next.run(request).await)
}

pub async fn identify(console: &Console, peer: Peer, headers: &HeaderMap) -> Answer<Caller> {
    let address = peer.address();
    if let Peer::Unix { uid } = peer {
        let name = if uid == 0 { "root".to_owned() } else { format!("unix:{uid}") };
        return Ok(Caller { name, address, scope: Scope::Full, rights: Rights::ALL, session: None });
    }
    let database = &console.state().database;
    let at = now();
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|v| v.strip_prefix("Bearer ")).map(str::trim);
        let Some(token) = token else { return Err(Problem::unauthenticated("only Bearer tokens are taken in Authorization")) };
        let found = database.api_tokens().find(blake3::hash(token.as_bytes()).as_bytes(), at).await?;
        let Some(found) = found else { return Err(Problem::unauthenticated("this token is not known, or its time is over")) };
        let scope = Scope::parse(&found.scope).unwrap_or(Scope::Read);
        return Ok(Caller { rights: found.rights(), name: found.admin, address, scope, session: None });
    }
    let Some(cookie) = cookie(headers) else { return Err(Problem::unauthenticated("nobody is logged in")) };
    let digest = *blake3::hash(cookie.as_bytes()).as_bytes();
    let (sessions, since) = (database.sessions(), idle_since(console));
    let found = if unattended(headers) { sessions.look(&digest, since).await? } else { sessions.find(&digest, since, at).await? };
    let Some(session) = found else { return Err(Problem::unauthenticated("the login has ended")) };
    Ok(Caller { rights: session.rights(), name: session.admin, address, scope: Scope::Full, session: Some((digest, session.csrf)) })
}

/// A login that was used last before this has ended.
pub fn idle_since(console: &Console) -> Timestamp {
    let idle = console.state().settings.settings().console.session_idle.0;
    Timestamp(now().0.saturating_sub(i64::try_from(idle.as_millis()).unwrap_or(i64::MAX)))
}

/// Whether a page asks by itself, with nobody before it: that is no use of a login. Streams of events are opened anew by browsers.
fn unattended(headers: &HeaderMap) -> bool {
    headers.contains_key(UNATTENDED_HEADER) || headers.get(header::ACCEPT).is_some_and(|accept| accept == "text/event-stream")
}

pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, COOKIE)
}

pub fn cookie_named<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    pairs.filter_map(|p| p.trim().split_once('=')).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

pub fn check_csrf(headers: &HeaderMap, expected: &str) -> Answer<()> {
    // Browsers say which page a request comes from (Fetch Metadata); another site's is refused whatever it carries.
    if let Some(site) = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok())
        && !matches!(site, "same-origin" | "none")
    {
        return Err(Problem::forbidden("the request comes from another site's page"));
    }
    let given = headers.get(CSRF_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
    // Hashed first: comparing hashes tells an attacker's clock nothing about the token.
    if blake3::hash(given.as_bytes()) == blake3::hash(expected.as_bytes()) {
        Ok(())
    } else {
        Err(Problem::forbidden("the CSRF token is missing or wrong")
            .advise(format!("Send the `csrf` of GET /api/v1/session in the header {CSRF_HEADER}.")))
    }
}
