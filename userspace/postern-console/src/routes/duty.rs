//! Whether this node takes mail: drain it for maintenance, and put it back.

use axum::Json;
use axum::extract::State;

use crate::caller::Caller;
use crate::problem::{Answer, Problem};
use crate::state::{Console, DutyView};

/// Serving, draining or drained, and what is left to do.
#[utoipa::path(get, path = "/node/duty", tag = "node", responses((status = 200, body = DutyView)))]
pub async fn status(State(console): State<Console>) -> Json<DutyView> {
    Json(console.state().duty.view())
}

/// Take no more mail, let sessions end, hand the queue to peers. Comes back at once; the state says how far it is.
#[utoipa::path(post, path = "/node/drain", tag = "node", responses((status = 200, body = DutyView), (status = 409, body = Problem)))]
pub async fn drain(State(console): State<Console>, caller: Caller) -> Answer<Json<DutyView>> {
    console.state().duty.drain().map_err(Problem::conflict)?;
    caller.audit(&console, "node.drain", "this", None, None).await?;
    Ok(Json(console.state().duty.view()))
}

/// Take mail again.
#[utoipa::path(post, path = "/node/resume", tag = "node", responses((status = 200, body = DutyView), (status = 409, body = Problem)))]
pub async fn resume(State(console): State<Console>, caller: Caller) -> Answer<Json<DutyView>> {
    console.state().duty.resume().await.map_err(Problem::conflict)?;
    caller.audit(&console, "node.resume", "this", None, None).await?;
    Ok(Json(console.state().duty.view()))
}
