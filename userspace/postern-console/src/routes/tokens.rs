//! Tokens for programs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_model::role::Role;
use postern_model::time::{Span, Timestamp};
use postern_store::database::api_tokens::{ApiToken, NewApiToken};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Caller, Scope};
use crate::input::{Input, Named};
use crate::password::random_secret;
use crate::problem::{Answer, Problem};
use crate::routes::admins::{domains_of, rights};
use crate::state::{Console, now};

#[derive(Serialize, ToSchema)]
pub struct TokenRow {
    id: i64,
    name: String,
    /// In whose name it acts.
    admin: String,
    /// `full`, `read`, `metrics`.
    scope: String,
    /// `admin`, `operator`, `helpdesk`, `auditor`: within the scope.
    role: &'static str,
    /// It sees only mails to recipients at these; `null`: all.
    domains: Option<Vec<String>>,
    /// Milliseconds since 1970, as are the next two.
    created: i64,
    used: Option<i64>,
    expires: Option<i64>,
}

impl From<ApiToken> for TokenRow {
    fn from(t: ApiToken) -> Self {
        let rights = t.rights();
        let (role, domains) = (rights.role.name(), domains_of(&rights.reach));
        Self { id: t.id, name: t.name, admin: t.admin, scope: t.scope, role, domains, created: t.created, used: t.used, expires: t.expires }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Tokens {
    tokens: Vec<TokenRow>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for.
    name: String,
    /// `full` (all that the role may), `read` (of that what changes nothing) or `metrics`.
    scope: String,
    /// `admin` (unless given), `operator`, `helpdesk`, `auditor`.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// As for `PUT /admins/{name}/role`.
    domains: Option<Vec<String>>,
    /// How long it is good, as in `90d`; left out: until it is removed.
    #[schema(value_type = Option<String>)]
    lifetime: Option<Span>,
}

#[derive(Serialize, ToSchema)]
pub struct MadeToken {
    id: i64,
    /// Sent as `Authorization: Bearer …`; it is not shown again.
    token: String,
}

/// All tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens", responses((status = 200, body = Tokens)))]
pub async fn list(State(console): State<Console>) -> Answer<Json<Tokens>> {
    let tokens = console.state().database.api_tokens().all().await?;
    Ok(Json(Tokens { tokens: tokens.into_iter().map(TokenRow::from).collect() }))
}

/// Make one.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken, responses(
    (status = 201, body = MadeToken), (status = 422, body = Problem)))]
pub async fn add(State(console): State<Console>, caller: Caller, Input(new): Input<NewToken>) -> Answer<(StatusCode, Json<MadeToken>)> {
    if Scope::parse(&new.scope).is_none() || new.name.trim().is_empty() || new.name.len() > 100 {
        let detail = "a token has a name of 1 to 100 octets and the scope full, read or metrics";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-token", "The token cannot be made", detail));
    }
    let rights = rights(new.role.unwrap_or(Role::Admin), new.domains.as_deref())?;
    let token = format!("postern-{}", random_secret());
    let at = now();
    let digest = blake3::hash(token.as_bytes());
    let expires: Option<Timestamp> = new.lifetime.map(|l| at + l.0);
    let made = NewApiToken { name: &new.name, digest: digest.as_bytes(), admin: &caller.name, scope: &new.scope, rights: &rights, expires };
    let id = console.state().database.api_tokens().add(&made, at).await?;
    let may = format!("{} {} {}", new.scope, rights.role, rights.reach);
    caller.audit(&console, "token.add", &new.name, None, Some(&may)).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { id, token })))
}

/// Remove one.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(("id" = i64, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub async fn remove(State(console): State<Console>, caller: Caller, Named(id): Named<i64>) -> Answer<StatusCode> {
    if !console.state().database.api_tokens().remove(id).await? {
        return Err(Problem::not_found(format!("there is no token {id}")));
    }
    caller.audit(&console, "token.remove", &id.to_string(), None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}
