//! What changes while somebody looks: server-sent events (WHATWG HTML section 9.2) of the node's status.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::caller::{Caller, idle_since};
use crate::problem::{Answer, Problem};
use crate::rights::SEE;
use crate::routes::status::status;
use crate::state::Console;

/// Open pages at a time. Each costs one look at the spool every [`EVERY`]; the others ask as before.
pub const STREAMS: usize = 32;
const EVERY: Duration = Duration::from_secs(5);
/// A stream ends after this long and the browser opens another: a token that was taken back is refused then.
const LONGEST: u32 = 120;

struct Following {
    console: Console,
    caller: Caller,
    ticks: Interval,
    left: u32,
    _place: tokio::sync::OwnedSemaphorePermit,
}

/// The status, now and every five seconds, as events named `status`. It ends with the login, and with its right to see this.
#[utoipa::path(get, path = "/live", tag = "status", responses(
    (status = 200, content_type = "text/event-stream", body = String), (status = 503, body = Problem, description = "Too many pages are open")))]
pub async fn live(State(console): State<Console>, caller: Caller) -> Answer<Response> {
    let Ok(place) = console.streams.clone().try_acquire_owned() else {
        return Err(
            Problem::unavailable(format!("{STREAMS} pages are following this node already")).advise("Ask GET /api/v1/status instead.")
        );
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let following = Following { console, caller, ticks, left: LONGEST, _place: place };
    Ok(Sse::new(stream::unfold(following, next)).keep_alive(KeepAlive::new()).into_response())
}

async fn next(mut following: Following) -> Option<(Result<Event, Infallible>, Following)> {
    following.left = following.left.checked_sub(1)?;
    following.ticks.tick().await;
    if let Some((digest, _)) = &following.caller.session {
        let since = idle_since(&following.console);
        following.caller.rights = following.console.state().database.sessions().look(digest, since).await.ok()??.rights();
        SEE.check(&following.caller).ok()?;
    }
    let status = status(State(following.console.clone())).await.ok()?;
    let event = Event::default().event("status").json_data(&status.0).ok()?;
    Some((Ok(event), following))
}
