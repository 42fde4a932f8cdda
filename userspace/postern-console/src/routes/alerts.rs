//! What is wrong with the nodes, and what was.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::alerts::book::{Alert, Event};
use crate::alerts::{self, Channels};
use crate::caller::Caller;
use crate::input::{Asked, Named};
use crate::peers;
use crate::problem::{Answer, Problem};
use crate::state::Console;

const PAGE_LIMIT: usize = 500;

#[derive(Serialize, ToSchema)]
pub struct AlertView {
    #[serde(flatten)]
    alert: Alert,
    /// Names of the nodes that see it now.
    seen_by: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ActiveAlerts {
    /// Of all nodes that answer, the newest first.
    alerts: Vec<AlertView>,
    /// How this node's telling goes.
    channels: Channels,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PastSearch {
    /// Those that began before, in milliseconds since 1970.
    before: Option<i64>,
    /// 1 to 500; 50 unless given.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct PastAlerts {
    /// Of all nodes that answer, the newest first. Each node keeps its last 1000.
    alerts: Vec<Alert>,
    /// `before` of the next page.
    next: Option<i64>,
}

/// What is wrong now.
#[utoipa::path(get, path = "/alerts", tag = "alerts", responses((status = 200, body = ActiveAlerts)))]
pub async fn list(State(console): State<Console>) -> Json<ActiveAlerts> {
    let mut found = alerts::everywhere(&console).await;
    found.sort_by_key(|(alert, _)| std::cmp::Reverse(alert.raised));
    let alerts = found.into_iter().map(|(alert, seen_by)| AlertView { alert, seen_by }).collect();
    Json(ActiveAlerts { alerts, channels: console.alerts.channels(&console.state().settings.settings()) })
}

/// What is over.
#[utoipa::path(get, path = "/alerts/past", tag = "alerts", params(PastSearch), responses((status = 200, body = PastAlerts)))]
pub async fn past(State(console): State<Console>, Asked(asked): Asked<PastSearch>) -> Answer<Json<PastAlerts>> {
    let limit = asked.limit.unwrap_or(50).clamp(1, PAGE_LIMIT);
    let alerts = alerts::past_everywhere(&console, asked.before.map(Timestamp), limit).await?;
    let next = alerts.last().filter(|_| alerts.len() == limit).map(|a| a.raised.0);
    Ok(Json(PastAlerts { alerts, next }))
}

/// Say that somebody looks after it: it is not told again until it is over.
#[utoipa::path(post, path = "/alerts/{id}/acknowledge", tag = "alerts", params(("id" = String, Path)), responses(
    (status = 204), (status = 404, body = Problem)))]
pub async fn acknowledge(State(console): State<Console>, caller: Caller, Named(id): Named<String>) -> Answer<StatusCode> {
    let is_here = alerts::acknowledge(&console, &id, &caller.name).await?;
    let is_elsewhere = peers::acknowledge_alert(&console, &id, &caller.name).await;
    if !is_here && !is_elsewhere {
        return Err(Problem::not_found(format!("no alert {id} goes on that nobody has acknowledged")));
    }
    caller.audit(&console, "alert.acknowledge", &id, None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try whether alerts come through: a mail to each recipient and a notice to each webhook. `channels` of `GET /alerts` says how it goes.
#[utoipa::path(post, path = "/alerts/test", tag = "alerts", responses((status = 202), (status = 409, body = Problem)))]
pub async fn test(State(console): State<Console>, caller: Caller) -> Answer<StatusCode> {
    let settings = console.state().settings.settings();
    if settings.alerts.recipients.is_empty() && settings.alerts.webhooks.is_empty() {
        return Err(Problem::conflict("nobody is told of alerts").advise("Set alerts.recipients or alerts.webhooks."));
    }
    alerts::tell(&console, &settings, Event::Test, Vec::new()).await;
    caller.audit(&console, "alert.test", "this", None, None).await?;
    Ok(StatusCode::ACCEPTED)
}
