//! Open logins of this node: one's own, for an admin all.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_model::role::Role;
use postern_store::database::sessions::OpenSession;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::{Caller, idle_since};
use crate::input::Named;
use crate::problem::{Answer, Problem};
use crate::state::Console;

#[derive(Serialize, ToSchema)]
pub struct SessionRow {
    id: String,
    name: String,
    /// Where it was logged in from.
    address: String,
    /// Milliseconds since 1970.
    created: i64,
    /// Milliseconds since 1970; to half a minute.
    used: i64,
    /// The one that asks.
    this: bool,
}

#[derive(Serialize, ToSchema)]
pub struct OpenSessions {
    /// The last used first.
    sessions: Vec<SessionRow>,
}

/// Names a session without giving away what its cookie's digest is.
fn id_of(session: &OpenSession) -> String {
    blake3::derive_key("postern session id", &session.id)[..8].iter().map(|b| format!("{b:02x}")).collect()
}

async fn seen(console: &Console, caller: &Caller) -> Answer<Vec<OpenSession>> {
    let mut all = console.state().database.sessions().all(idle_since(console)).await?;
    all.retain(|s| caller.rights.role == Role::Admin || s.admin == caller.name);
    Ok(all)
}

/// Open logins of this node: one's own; for an admin, all.
#[utoipa::path(get, path = "/sessions", tag = "session", responses((status = 200, body = OpenSessions)))]
pub async fn list(State(console): State<Console>, caller: Caller) -> Answer<Json<OpenSessions>> {
    let own = caller.session.as_ref().map(|(digest, _)| digest.as_slice());
    let row = |s: OpenSession| {
        let (id, this) = (id_of(&s), own == Some(s.id.as_slice()));
        SessionRow { id, name: s.admin, address: s.address, created: s.created, used: s.used, this }
    };
    Ok(Json(OpenSessions { sessions: seen(&console, &caller).await?.into_iter().map(row).collect() }))
}

/// End one.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "session", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub async fn end(State(console): State<Console>, caller: Caller, Named(id): Named<String>) -> Answer<StatusCode> {
    let Some(session) = seen(&console, &caller).await?.into_iter().find(|s| id_of(s) == id) else {
        return Err(Problem::not_found(format!("there is no open login {id} of yours")));
    };
    let digest: [u8; 32] = session.id.try_into().map_err(|_| Problem::internal("a session without a digest"))?;
    console.state().database.sessions().end(&digest).await?;
    caller.audit(&console, "session.end", &session.admin, Some(&session.address), None).await?;
    Ok(StatusCode::NO_CONTENT)
}
