//! The queue: list, why, retry, hold, release, reroute, return, delete.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_model::time::Span;
use postern_mta::queue::{Changed, Filter, OperatorError, Status};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Input, Named};
use crate::problem::{Answer, Problem};
use crate::routes::journeys::mail_id;
use crate::state::Console;

/// Mails of a list at most.
const PAGE_LIMIT: usize = 1000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Part of the envelope sender; `<>` for notifications.
    sender: Option<String>,
    /// Part of a recipient's address.
    recipient: Option<String>,
    /// Domain of a recipient; exact.
    domain: Option<String>,
    /// As in `2h`.
    #[param(value_type = Option<String>)]
    older_than: Option<Span>,
    #[param(value_type = Option<String>)]
    younger_than: Option<Span>,
    /// `active`, `ready`, `waiting`, `held`.
    #[param(value_type = Option<String>)]
    status: Option<Status>,
    /// Part of the last reply.
    reply: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// 1 to 1000; 100 unless given.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct QueuePage {
    /// Oldest first: `id`, `status`, `accepted`, `size`, `direction`, `sender`, `recipients`, `subject`, ….
    #[schema(value_type = Vec<Object>)]
    mails: Vec<postern_mta::queue::Row>,
    next: Option<String>,
    /// Mails that match, over all pages.
    total: usize,
}

/// Which mails a command is for; all that is given must hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// `ids`, `sender`, `recipient`, `domain`, `older_than`, `younger_than`, `status`, `reply`; `all: true` for every mail.
    #[schema(value_type = Object)]
    filter: Filter,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reroute {
    #[schema(value_type = Object)]
    filter: Filter,
    /// `host:port` or `lmtp:host:port`; `null`: by the routing table again.
    to: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Done {
    changed: usize,
    /// Left alone because they were being sent at that moment.
    busy: usize,
    /// Left alone because it cannot be done with them.
    unfit: usize,
}

impl From<Changed> for Done {
    fn from(c: Changed) -> Self {
        Self { changed: c.changed, busy: c.busy, unfit: c.unfit }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::OpenFilter => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "open-filter", "Which mails?", error.to_string())
                .advise("Give a condition in `filter`, or `\"all\": true`."),
            OperatorError::Reroute(e) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-hop", "This is no next hop", e.to_string())
                .advise("Write host:port, or lmtp:host:port."),
            OperatorError::Spool(e) => e.into(),
        }
    }
}

/// Mails that are not done.
#[utoipa::path(get, path = "/queue", tag = "queue", params(Search), responses((status = 200, body = QueuePage)))]
pub async fn list(State(console): State<Console>, Asked(asked): Asked<Search>) -> Answer<Json<QueuePage>> {
    let filter = Filter {
        sender: asked.sender,
        recipient: asked.recipient,
        domain: asked.domain,
        older_than: asked.older_than,
        younger_than: asked.younger_than,
        status: asked.status,
        reply: asked.reply,
        ..Filter::default()
    };
    let after = asked.after.filter(|a| !a.is_empty()).map(|a| mail_id(&a)).transpose()?;
    let limit = asked.limit.unwrap_or(100).clamp(1, PAGE_LIMIT);
    let queue = console.state().queue.clone();
    // Looks at every mail of a queue that may hold a million: not on a thread that others wait for.
    let look = move || (queue.list(&filter, after, limit + 1), queue.count(&filter));
    let (mut mails, total) = tokio::task::spawn_blocking(look).await.map_err(|e| Problem::internal(e.to_string()))?;
    let more = mails.len() > limit;
    mails.truncate(limit);
    let next = if more { mails.last().map(|m| m.id.to_string()) } else { None };
    Ok(Json(QueuePage { mails, next, total }))
}

/// Why a mail is still here, and what would be tried next.
#[utoipa::path(get, path = "/queue/{mail}", tag = "queue", params(("mail" = String, Path)), responses(
    (status = 200, body = Object), (status = 404, body = Problem)))]
pub async fn why(State(console): State<Console>, Named(mail): Named<String>) -> Answer<Json<postern_mta::queue::Why>> {
    let id = mail_id(&mail)?;
    console.state().queue.why(id).await.map(Json).ok_or_else(|| Problem::not_found(format!("mail {id} is not in the queue")))
}

/// Try now, whatever the back-off says.
#[utoipa::path(post, path = "/queue/retry", tag = "queue", request_body = Chosen, responses((status = 200, body = Done), (status = 422, body = Problem)))]
pub async fn retry(State(console): State<Console>, caller: Caller, Input(chosen): Input<Chosen>) -> Answer<Json<Done>> {
    let changed = console.state().queue.retry(&chosen.filter, &caller.name).await?;
    noted(&console, &caller, "queue.retry", &chosen.filter, None, changed).await
}

/// Keep from being sent until released.
#[utoipa::path(post, path = "/queue/hold", tag = "queue", request_body = Chosen, responses((status = 200, body = Done), (status = 422, body = Problem)))]
pub async fn hold(State(console): State<Console>, caller: Caller, Input(chosen): Input<Chosen>) -> Answer<Json<Done>> {
    let changed = console.state().queue.hold(&chosen.filter, &caller.name).await?;
    noted(&console, &caller, "queue.hold", &chosen.filter, None, changed).await
}

/// Send what was held.
#[utoipa::path(post, path = "/queue/release", tag = "queue", request_body = Chosen, responses((status = 200, body = Done), (status = 422, body = Problem)))]
pub async fn release(State(console): State<Console>, caller: Caller, Input(chosen): Input<Chosen>) -> Answer<Json<Done>> {
    let changed = console.state().queue.release(&chosen.filter, &caller.name).await?;
    noted(&console, &caller, "queue.release", &chosen.filter, None, changed).await
}

/// Send to another next hop than the routing table's.
#[utoipa::path(post, path = "/queue/reroute", tag = "queue", request_body = Reroute, responses((status = 200, body = Done), (status = 422, body = Problem)))]
pub async fn reroute(State(console): State<Console>, caller: Caller, Input(asked): Input<Reroute>) -> Answer<Json<Done>> {
    let changed = console.state().queue.reroute(&asked.filter, asked.to.as_deref(), &caller.name).await?;
    noted(&console, &caller, "queue.reroute", &asked.filter, asked.to.as_deref(), changed).await
}

/// Send back to the senders as undeliverable.
#[utoipa::path(post, path = "/queue/return", tag = "queue", request_body = Chosen, responses((status = 200, body = Done), (status = 422, body = Problem)))]
pub async fn return_to_sender(State(console): State<Console>, caller: Caller, Input(chosen): Input<Chosen>) -> Answer<Json<Done>> {
    let changed = console.state().queue.return_to_sender(&chosen.filter, &caller.name).await?;
    noted(&console, &caller, "queue.return", &chosen.filter, None, changed).await
}

/// Remove without telling anybody.
#[utoipa::path(post, path = "/queue/delete", tag = "queue", request_body = Chosen, responses((status = 200, body = Done), (status = 422, body = Problem)))]
pub async fn delete(State(console): State<Console>, caller: Caller, Input(chosen): Input<Chosen>) -> Answer<Json<Done>> {
    let changed = console.state().queue.delete(&chosen.filter, &caller.name).await?;
    noted(&console, &caller, "queue.delete", &chosen.filter, None, changed).await
}

async fn noted(
    console: &Console,
    caller: &Caller,
    action: &str,
    filter: &Filter,
    to: Option<&str>,
    changed: Changed,
) -> Answer<Json<Done>> {
    let filter = serde_json::to_string(filter).unwrap_or_default();
    let after = serde_json::json!({ "to": to, "changed": changed }).to_string();
    caller.audit(console, action, &filter, None, Some(&after)).await?;
    Ok(Json(changed.into()))
}
