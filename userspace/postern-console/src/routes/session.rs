//! Login, logout, password.

use std::net::{IpAddr, Ipv4Addr};

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_edge::offences::Act as Offence;
use postern_store::database::audit::Act;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{COOKIE, Caller, Peer, Scope, cookie};
use crate::input::Input;
use crate::password::{self, PasswordError};
use crate::problem::{Answer, Problem};
use crate::routes::set_up;
use crate::state::{Console, now};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    name: String,
    password: String,
}

#[derive(Serialize, ToSchema)]
pub struct SessionInfo {
    /// Who is logged in.
    name: String,
    /// `full`, `read`, `metrics`.
    scope: &'static str,
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
    (status = 200, body = SessionInfo), (status = 401, body = Problem), (status = 429, body = Problem, description = "Too many failures from this address")))]
pub async fn login(State(console): State<Console>, Extension(peer): Extension<Peer>, Input(login): Input<Login>) -> Answer<Response> {
    let address = match peer {
        Peer::Tcp(a) => a.ip(),
        Peer::Unix { .. } => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let settings = console.state().settings.settings();
    if let Some(wait) = console.gate.wait(address, settings.console.login_tries) {
        let seconds = wait.as_secs() + 1;
        let mut problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-logins",
            "Too many failed logins",
            format!("too many failed logins from {address}"),
        );
        problem.retry_after = Some(seconds);
        return Err(problem.advise(format!("Wait {seconds} seconds.")));
    }
    if login.password.len() > password::LONGEST || login.name.len() > 100 {
        return Err(Problem::bad_request("name or password is too long"));
    }
    let database = &console.state().database;
    let admin = database.admins().one(&login.name).await?;
    let good = console.gate.verify(login.password, admin.as_ref().map(|a| a.password.clone())).await?;
    let shown = peer.address();
    let act = |action| Act { who: &login.name, address: &shown, action, subject: "", before: None, after: None };
    let Some(admin) = admin.filter(|_| good) else {
        console.gate.failed(address);
        if let Peer::Tcp(_) = peer {
            console.state().feedback.record(address, Offence::FailedLogin);
        }
        tracing::warn!(name = %login.name, %address, "login failed");
        database.audit().append(act("login.failed"), now()).await?;
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "login-failed", "The login failed", "name or password is wrong"));
    };
    console.gate.succeeded(address);
    let (secret, csrf) = (password::random_secret(), password::random_secret());
    database.sessions().begin(blake3::hash(secret.as_bytes()).as_bytes(), &admin.name, &csrf, &shown, now()).await?;
    database.audit().append(act("login"), now()).await?;
    let not_set_up = set_up::is_wanted(&console).await;
    let body = Json(SessionInfo { name: admin.name, scope: "full", csrf: Some(csrf), one_time_password: admin.one_time, not_set_up });
    Ok(with_cookie(body.into_response(), &format!("{COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict")))
}

/// Who am I?
#[utoipa::path(get, path = "/session", tag = "session", responses((status = 200, body = SessionInfo), (status = 401, body = Problem)))]
pub async fn session(State(console): State<Console>, caller: Caller) -> Answer<Json<SessionInfo>> {
    let admin = console.state().database.admins().one(&caller.name).await?;
    Ok(Json(SessionInfo {
        name: caller.name,
        scope: match caller.scope {
            Scope::Full => "full",
            Scope::Read => "read",
            Scope::Metrics => "metrics",
        },
        csrf: caller.session.map(|(_, csrf)| csrf),
        one_time_password: admin.is_some_and(|a| a.one_time),
        not_set_up: set_up::is_wanted(&console).await,
    }))
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
    let Some((digest, _)) = caller.session else {
        return Err(Problem::forbidden("only a login has a password").advise("Use PUT /api/v1/admins/{name}/password."));
    };
    check_strength(&change.new)?;
    let database = &console.state().database;
    let Some(admin) = database.admins().one(&caller.name).await? else { return Err(Problem::not_found("the admin is gone")) };
    if !console.gate.verify(change.old, Some(admin.password)).await? {
        return Err(Problem::forbidden("the old password is wrong"));
    }
    let hash = console.gate.hash(change.new).await?;
    database.admins().set_password(&caller.name, &hash, false, Some(&digest)).await?;
    console.state().cluster.login_changed(&caller.name, &caller.name).await?;
    caller_without_session(&caller.name, &caller.address).audit(&console, "admin.password", &caller.name, None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn caller_without_session(name: &str, address: &str) -> Caller {
    Caller { name: name.to_owned(), address: address.to_owned(), scope: Scope::Full, session: None }
}

pub fn check_strength(password: &str) -> Answer<()> {
    let characters = password.chars().count();
    if (password::SHORTEST..=password::LONGEST).contains(&characters) && password.len() <= password::LONGEST {
        return Ok(());
    }
    let detail = format!("a password has {} to {} characters", password::SHORTEST, password::LONGEST);
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "weak-password", "The password is not taken", detail))
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
