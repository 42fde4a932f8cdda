//! Authenticators: one's own, set up and removed; another's, removed by an admin.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::input::{Input, Named};
use crate::problem::{Answer, Problem};
use crate::routes::session::own_password;
use crate::second_factor::{self, Offer};
use crate::state::{Console, now};
use postern_model::second_factor::SecondFactor;

const INSTEAD: &str = "Log in at the web console.";

#[derive(Serialize, ToSchema)]
pub struct TotpView {
    /// A login needs a code.
    active: bool,
    /// Recovery codes that were not used yet.
    recovery_codes: usize,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTotp {
    /// One's own.
    password: String,
    /// As offered by `POST /session/totp/offer`.
    secret: String,
    /// That the authenticator shows for it.
    code: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoTotp {
    /// One's own.
    password: String,
}

#[derive(Serialize, ToSchema)]
pub struct RecoveryCodes {
    /// Each good for one login without the authenticator. They are not shown again.
    recovery_codes: Vec<String>,
}

/// One's own authenticator.
#[utoipa::path(get, path = "/session/totp", tag = "session", responses((status = 200, body = TotpView)))]
pub async fn show(State(console): State<Console>, caller: Caller) -> Answer<Json<TotpView>> {
    let factor = console.state().database.second_factors().one(&caller.name).await?;
    Ok(Json(TotpView { active: factor.is_some(), recovery_codes: factor.map_or(0, |f| f.recovery.len()) }))
}

/// A new secret to be put into an authenticator. Nothing is in force before a code of it was sent.
#[utoipa::path(post, path = "/session/totp/offer", tag = "session", responses((status = 200, body = Offer), (status = 403, body = Problem)))]
pub async fn offer(State(console): State<Console>, caller: Caller) -> Answer<Json<Offer>> {
    caller.login(INSTEAD)?;
    second_factor::offer(&caller.name, &console.state().settings.settings().node.hostname).map(Json)
}

/// Put an authenticator in force. All other logins of the same admin end.
#[utoipa::path(put, path = "/session/totp", tag = "session", request_body = NewTotp, responses(
    (status = 200, body = RecoveryCodes), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub async fn set(State(console): State<Console>, caller: Caller, Input(new): Input<NewTotp>) -> Answer<Json<RecoveryCodes>> {
    let digest = caller.login(INSTEAD)?;
    let refused = |why| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-code", "The authenticator is not set up", why);
    if !second_factor::is_secret(&new.secret) {
        return Err(refused("the secret is none that was offered").advise("Ask POST /session/totp/offer for one."));
    }
    own_password(&console, &caller, new.password).await?;
    let (codes, hashes) = second_factor::recovery_codes().into_iter().unzip();
    let factor = SecondFactor { secret: new.secret, recovery: hashes };
    let code = second_factor::read(&factor, &new.code, now());
    let is_good = match code {
        Some(code @ second_factor::Code::Time(_)) => second_factor::spend(&console, &caller.name, factor.clone(), code).await?,
        _ => false,
    };
    if !is_good {
        return Err(
            refused("the code does not fit").advise("Wait for the next code; compare the clocks of this node and of the authenticator.")
        );
    }
    let database = &console.state().database;
    database.second_factors().set(&caller.name, Some(&factor)).await?;
    database.sessions().end_others(&caller.name, digest).await?;
    console.state().cluster.login_changed(&caller.name, &caller.name).await?;
    caller.audit(&console, "admin.totp", &caller.name, None, Some("set up")).await?;
    Ok(Json(RecoveryCodes { recovery_codes: codes }))
}

/// Log in without an authenticator from now on.
#[utoipa::path(post, path = "/session/totp/remove", tag = "session", request_body = NoTotp, responses((status = 204), (status = 403, body = Problem)))]
pub async fn remove(State(console): State<Console>, caller: Caller, Input(given): Input<NoTotp>) -> Answer<StatusCode> {
    caller.login(INSTEAD)?;
    own_password(&console, &caller, given.password).await?;
    forget(&console, &caller, &caller.name).await
}

/// Remove somebody's authenticator, who lost it and the recovery codes.
#[utoipa::path(delete, path = "/admins/{name}/totp", tag = "admins", params(("name" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub async fn reset(State(console): State<Console>, caller: Caller, Named(name): Named<String>) -> Answer<StatusCode> {
    if console.state().database.second_factors().one(&name).await?.is_none() {
        return Err(Problem::not_found(format!("there is no login `{name}` with an authenticator")));
    }
    forget(&console, &caller, &name).await
}

async fn forget(console: &Console, caller: &Caller, name: &str) -> Answer<StatusCode> {
    console.state().database.second_factors().set(name, None).await?;
    console.state().cluster.login_changed(name, &caller.name).await?;
    caller.audit(console, "admin.totp", name, None, Some("removed")).await?;
    Ok(StatusCode::NO_CONTENT)
}
