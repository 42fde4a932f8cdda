//! Who did what.

use axum::Json;
use axum::extract::State;
use postern_store::database::audit::{AuditEntry, AuditSearch};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::input::Asked;
use crate::problem::Answer;
use crate::state::Console;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Search {
    who: Option<String>,
    /// An action as in `quarantine.release`, or a group of them as in `quarantine.`.
    action: Option<String>,
    subject: Option<String>,
    before: Option<i64>,
    /// 1 to 500; 50 unless given.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct AuditRow {
    id: i64,
    /// Milliseconds since 1970.
    at: i64,
    who: String,
    /// Client address, or `unix`.
    address: String,
    action: String,
    subject: String,
    before: Option<String>,
    after: Option<String>,
}

impl From<AuditEntry> for AuditRow {
    fn from(e: AuditEntry) -> Self {
        Self { id: e.id, at: e.at, who: e.who, address: e.address, action: e.action, subject: e.subject, before: e.before, after: e.after }
    }
}

#[derive(Serialize, ToSchema)]
pub struct Trail {
    /// Newest first.
    entries: Vec<AuditRow>,
    next: Option<i64>,
}

/// The audit trail.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Search), responses((status = 200, body = Trail)))]
pub async fn search(State(console): State<Console>, Asked(asked): Asked<Search>) -> Answer<Json<Trail>> {
    let search = AuditSearch {
        who: asked.who,
        action: asked.action,
        subject: asked.subject,
        before: asked.before,
        limit: asked.limit.unwrap_or(50),
    };
    let page = console.state().database.audit().search(&search).await?;
    Ok(Json(Trail { entries: page.entries.into_iter().map(AuditRow::from).collect(), next: page.next }))
}
