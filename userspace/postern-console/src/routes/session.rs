//! Login, logout, password.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_edge::offences::Act as Offence;
use postern_model::role::Role;
use postern_store::database::audit::Act;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{COOKIE, Caller, Peer, Scope, cookie};
use crate::input::Input;
use crate::password::{self, PasswordError};
use crate::problem::{Answer, Problem};
use crate::router;
use crate::routes::admins::domains_of;
use crate::routes::set_up;
use crate::second_factor;
use crate::state::{Console, now};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    name: String,
    password: String,
    /// Of the authenticator, or a recovery code; asked for by the problem `code-needed`.
    code: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct SessionInfo {
    /// Who is logged in.
    name: String,
    /// `full`, `read`, `metrics`.
    scope: &'static str,
    /// `admin`, `operator`, `helpdesk`, `auditor`.
    role: &'static str,
    /// One sees only mails to recipients at these; `null`: all.
    domains: Option<Vec<String>>,
    /// What one may ask, as in `GET /quarantine/{mail}`.
    may: Vec<&'static str>,
    /// To be sent in the header `x-postern-csrf` with each request that changes something. Logins only.
    csrf: Option<String>,
    /// The password is the one that was printed at the first start: change it.
    one_time_password: bool,
    /// An appliance whose first questions nobody has answered: `POST /system/set-up`.
    not_set_up: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    old: String,
    new: String,
}

impl SessionInfo {
    async fn of(console: &Console, caller: &Caller, one_time_password: bool) -> Self {
        let scope = match caller.scope {
            Scope::Full => "full",
            Scope::Read => "read",
            Scope::Metrics => "metrics",
        };
        let may = router::rights().iter().filter(|e| e.access.check(caller).is_ok()).map(|e| e.operation.as_str());
        Self {
            name: caller.name.clone(),
            scope,
            role: caller.rights.role.name(),
            domains: domains_of(&caller.rights.reach),
            may: may.filter(|o| caller.scope == Scope::Full || o.starts_with("GET ")).collect(),
            csrf: caller.session.as_ref().map(|(_, csrf)| csrf.clone()),
            one_time_password,
            not_set_up: caller.rights.role == Role::Admin && set_up::is_wanted(console).await,
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::unavailable(error.to_string()).advise("Try again in a few seconds."),
            PasswordError::Hash(_) => Self::internal(error.to_string()),
        }
    }
}

/// Log in. The answer sets a cookie.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Login, responses(
    (status = 200, body = SessionInfo), (status = 401, body = Problem, description = "`login-failed`, or `code-needed`: the same again with `code`"),
    (status = 429, body = Problem, description = "Too many failures from this address, or too many wrong codes for this login")))]
pub async fn login(State(console): State<Console>, Extension(peer): Extension<Peer>, Input(login): Input<Login>) -> Answer<Response> {
    let address = match peer {
        Peer::Tcp(a) => a.ip(),
        Peer::Unix { .. } => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let tries = console.state().settings.settings().console.login_tries;
    if let Some(wait) = console.gate.wait(address, tries) {
        return Err(too_many(wait, &format!("too many failed logins from {address}")));
    }
    let is_long = |text: &str| text.len() > password::LONGEST;
    if is_long(&login.password) || login.code.as_deref().is_some_and(is_long) || login.name.len() > 100 {
        return Err(Problem::bad_request("name, password or code is too long"));
    }
    let database = &console.state().database;
    let admin = database.admins().one(&login.name).await?;
    let good = console.gate.verify(login.password.clone(), admin.as_ref().map(|a| a.password.clone())).await?;
    let shown = peer.address();
    let Some(admin) = admin.filter(|_| good) else {
        return Err(failed(&console, peer, address, &login.name, "name or password is wrong").await?);
    };
    if let Some(factor) = database.second_factors().one(&admin.name).await? {
        if let Some(wait) = console.gate.wait_for_code(&admin.name, tries) {
            return Err(too_many(wait, "too many wrong codes for this login"));
        }
        let Some(written) = &login.code else {
            let title = "A code is needed";
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "code-needed", title, "this login has an authenticator");
            return Err(problem.advise("Send `code`, too: of the authenticator, or a recovery code."));
        };
        let is_good = match second_factor::read(&factor, written, now()) {
            Some(code) => second_factor::spend(&console, &admin.name, factor, code).await?,
            None => false,
        };
        if !is_good {
            console.gate.failed_code(&admin.name);
            return Err(failed(&console, peer, address, &login.name, "the code is wrong, or was used already").await?);
        }
        console.gate.succeeded_code(&admin.name);
    }
    console.gate.succeeded(address);
    let (secret, csrf) = (password::random_secret(), password::random_secret());
    let digest = *blake3::hash(secret.as_bytes()).as_bytes();
    database.sessions().begin(&digest, &admin.name, &csrf, &shown, now()).await?;
    let rights = admin.rights();
    let caller = Caller { rights, name: admin.name, address: shown, scope: Scope::Full, session: Some((digest, csrf)) };
    caller.audit(&console, "login", "", None, None).await?;
    let body = Json(SessionInfo::of(&console, &caller, admin.one_time).await);
    Ok(with_cookie(body.into_response(), &format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict")))
}

pub fn too_many(wait: Duration, detail: &str) -> Problem {
    let seconds = wait.as_secs() + 1;
    let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-logins", "Too many failed logins", detail);
    problem.retry_after = Some(seconds);
    problem.advise(format!("Wait {seconds} seconds."))
}

/// Counts a failed login, by its address for bans, too, and writes it down.
async fn failed(console: &Console, peer: Peer, address: IpAddr, name: &str, why: &str) -> Answer<Problem> {
    console.gate.failed(address);
    if let Peer::Tcp(_) = peer {
        console.state().feedback.record(address, Offence::FailedLogin);
    }
    tracing::warn!(%name, %address, why, "login failed");
    let act = Act { who: name, address: &peer.address(), action: "login.failed", subject: "", before: None, after: Some(why) };
    console.state().database.audit().append(act, now()).await?;
    Ok(Problem::new(StatusCode::UNAUTHORIZED, "login-failed", "The login failed", why))
}

/// Who am I?
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = SessionInfo), (status = 401, body = Problem)))]
pub async fn session(State(console): State<Console>, caller: Caller) -> Answer<Json<SessionInfo>> {
    let admin = console.state().database.admins().one(&caller.name).await?;
    Ok(Json(SessionInfo::of(&console, &caller, admin.is_some_and(|a| a.one_time)).await))
}

/// Log out.
#[utoipa::path(delete, path = "/session", tag = "session", responses((status = 204), (status = 401, body = Problem)))]
pub async fn logout(State(console): State<Console>, caller: Caller, headers: HeaderMap) -> Answer<Response> {
    if let Some((digest, _)) = &caller.session {
        console.state().database.sessions().end(digest).await?;
        caller.audit(&console, "logout", "", None, None).await?;
    }
    let response = StatusCode::NO_CONTENT.into_response();
    if cookie(&headers).is_none() {
        return Ok(response);
    }
    Ok(with_cookie(response, &format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")))
}

/// Change one's own password. All other logins of the same admin end.
#[utoipa::path(put, path = "/session/password", tag = "session", request_body = NewPassword, responses(
    (status = 204), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn change_password(State(console): State<Console>, caller: Caller, Input(change): Input<NewPassword>) -> Answer<StatusCode> {
    let digest = caller.login("Use PUT /api/v1/admins/{name}/password.")?;
    check_strength(&change.new)?;
    let database = &console.state().database;
    own_password(&console, &caller, change.old).await?;
    let hash = console.gate.hash(change.new).await?;
    database.admins().set_password(&caller.name, &hash, false, Some(digest)).await?;
    console.state().cluster.login_changed(&caller.name, &caller.name).await?;
    caller.audit(&console, "admin.password", &caller.name, None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody who sits down at a browser that is logged in does not know it.
///
/// # Errors
/// When it is wrong, or the login is gone.
pub async fn own_password(console: &Console, caller: &Caller, password: String) -> Answer<()> {
    let Some(admin) = console.state().database.admins().one(&caller.name).await? else {
        return Err(Problem::not_found("the admin is gone"));
    };
    if console.gate.verify(password, Some(admin.password)).await? { Ok(()) } else { Err(Problem::forbidden("the old password is wrong")) }
}

pub fn check_strength(password: &str) -> Answer<()> {
    let characters = password.chars().count();
    if (password::SHORTEST..=password::LONGEST).contains(&characters) && password.len() <= password::LONGEST {
        return Ok(());
    }
    let detail = format!("a password has {} to {} characters", password::SHORTEST, password::LONGEST);
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "weak-password", "The password is not taken", detail))
}

pub fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
