//! Updates of this machine and of all nodes: uploaded, or fetched from an address. The role `os` checks and writes them.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::StreamExt;
use postern_os::client;
use serde::Deserialize;
use tokio::sync::OwnedMutexGuard;
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::fetching::{self, FetchView};
use crate::incoming::{Incoming, IncomingError, Kept, LARGEST};
use crate::input::{Asked, Input};
use crate::problem::{Answer, Problem};
use crate::rolling::RollingView;
use crate::state::Console;

/// An upload that brings nothing for so long is over.
const SILENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct UpdateOptions {
    /// Also when its version is older than this one.
    #[serde(default)]
    allow_older: bool,
    /// Restart into it when it is written.
    #[serde(default)]
    restart: bool,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RollingOptions {
    /// Also when its version is older than that of the node that is asked.
    #[serde(default)]
    allow_older: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FetchUpdate {
    /// Of a `postern-VERSION.update`: `https://` or `http://`. Who signed it is checked in any case.
    url: String,
    #[serde(default)]
    order: fetching::Order,
}

/// Upload an update: it is checked, written into the other slot and read back; `GET /system` says how far it is.
#[utoipa::path(post, path = "/system/update", tag = "system", params(UpdateOptions),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "postern-VERSION.update"), responses(
    (status = 202), (status = 400, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 503, body = Problem)))]
pub async fn update(
    State(console): State<Console>,
    caller: Caller,
    Asked(options): Asked<UpdateOptions>,
    body: Body,
) -> Answer<StatusCode> {
    let bundle = receive(&console, body).await?;
    let UpdateOptions { allow_older, restart } = options;
    fetching::Order::This { allow_older, restart }.carry_out(&console, bundle).await.map_err(Problem::conflict)?;
    caller.audit(&console, "system.update", "upload", None, None).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Upload an update for all nodes: each takes it, is drained, restarts into it and shows that it is good before the next one has its turn.
/// The node that is asked comes last. It stops at the first failure; `GET /cluster/update` says how far it is.
#[utoipa::path(post, path = "/cluster/update", tag = "cluster", params(RollingOptions),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "postern-VERSION.update"), responses(
    (status = 202), (status = 400, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem), (status = 503, body = Problem)))]
pub async fn update_all(
    State(console): State<Console>,
    caller: Caller,
    Asked(options): Asked<RollingOptions>,
    body: Body,
) -> Answer<StatusCode> {
    let bundle = receive(&console, body).await?;
    caller.audit(&console, "cluster.update", "upload", None, None).await?;
    fetching::Order::All { allow_older: options.allow_older }.carry_out(&console, bundle).await.map_err(Problem::conflict)?;
    Ok(StatusCode::ACCEPTED)
}

/// How far the update of all nodes is.
#[utoipa::path(get, path = "/cluster/update", tag = "cluster", responses((status = 200, body = RollingView)))]
pub async fn update_of_all(State(console): State<Console>) -> Json<RollingView> {
    Json(console.rolling.view())
}

/// Fetch an update from an address, then go on as with an upload. `GET /system/update/fetch` says how far it is, and why it failed.
#[utoipa::path(post, path = "/system/update/fetch", tag = "system", request_body = FetchUpdate, responses(
    (status = 202, body = FetchView), (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub async fn fetch(
    State(console): State<Console>,
    caller: Caller,
    Input(FetchUpdate { url, order }): Input<FetchUpdate>,
) -> Answer<(StatusCode, Json<FetchView>)> {
    let source = fetching::source(&url)
        .map_err(|why| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-address", "There is nothing to fetch there", why))?;
    let alone = admit(&console).await?;
    caller.audit(&console, "system.update.fetch", &fetching::shown(&source), None, None).await?;
    fetching::begin(&console, source, order, alone);
    Ok((StatusCode::ACCEPTED, Json(console.fetching.view())))
}

/// How far the fetching of an update is.
#[utoipa::path(get, path = "/system/update/fetch", tag = "system", responses((status = 200, body = FetchView)))]
pub async fn fetch_status(State(console): State<Console>) -> Json<FetchView> {
    Json(console.fetching.view())
}

/// A refused upload is read to its end, as far as an update goes: a connection that is closed with octets unread takes the answer with it.
async fn drain(body: Body) {
    let (mut pieces, mut left) = (body.into_data_stream(), LARGEST);
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(SILENCE, pieces.next()).await
        && piece.len() as u64 <= left
    {
        left -= piece.len() as u64;
    }
}

/// Whether an update may come in. No other does while the guard is held.
async fn admit(console: &Console) -> Answer<OwnedMutexGuard<()>> {
    client::status(&console.os_socket()).await?;
    if console.rolling.leads() {
        return Err(Problem::conflict("an update of all nodes is under way: see how far it is"));
    }
    console.incoming.clone().try_lock_owned().map_err(|_| Problem::conflict("another update is coming in"))
}

async fn receive(console: &Console, body: Body) -> Answer<Kept> {
    let alone = match admit(console).await {
        Ok(alone) => alone,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let mut incoming = Incoming::begin(console, alone).await?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = tokio::time::timeout(SILENCE, pieces.next()).await.map_err(|_| Problem::bad_request("the upload stopped"))? {
        incoming.append(&piece.map_err(|e| Problem::bad_request(format!("the upload broke off: {e}")))?).await?;
    }
    Ok(incoming.end().await?)
}

impl From<IncomingError> for Problem {
    fn from(error: IncomingError) -> Self {
        let detail = error.to_string();
        match error {
            IncomingError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large", detail),
            IncomingError::Disk { .. } => Self::internal(detail),
        }
    }
}
