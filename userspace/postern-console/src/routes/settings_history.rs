//! Versions of the settings: list, look, compare, go back.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::diff::unified;
use crate::input::{Asked, Input, Named};
use crate::problem::{Answer, Problem};
use crate::routes::settings::{SettingsChange, VersionRow, apply};
use crate::secrets::mask_text;
use crate::state::Console;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// Versions older than this one.
    before: Option<i64>,
    /// 1 to 500.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct Versions {
    /// Newest first.
    pub(super) versions: Vec<VersionRow>,
}

#[derive(Serialize, ToSchema)]
pub struct VersionText {
    id: i64,
    /// With masked secrets.
    text: String,
}

#[derive(Serialize, ToSchema)]
pub struct Difference {
    /// Unified, from that version to the present one; empty: they are equal. Secrets are masked.
    pub(super) diff: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The version to go back to.
    pub(super) to: i64,
}

/// The versions.
#[utoipa::path(get, path = "/settings/history", tag = "settings", params(Page), responses((status = 200, body = Versions)))]
pub async fn list(State(console): State<Console>, Asked(page): Asked<Page>) -> Answer<Json<Versions>> {
    let versions = console.state().database.settings_history().list(page.before, page.limit.unwrap_or(50)).await?;
    Ok(Json(Versions { versions: versions.into_iter().map(VersionRow::from).collect() }))
}

/// One version.
#[utoipa::path(get, path = "/settings/history/{id}", tag = "settings", params(("id" = i64, Path)), responses(
    (status = 200, body = VersionText), (status = 404, body = Problem)))]
pub async fn one(State(console): State<Console>, Named(id): Named<i64>) -> Answer<Json<VersionText>> {
    Ok(Json(VersionText { id, text: mask_text(&text(&console, id).await?) }))
}

/// What changed since a version.
#[utoipa::path(get, path = "/settings/history/{id}/diff", tag = "settings", params(("id" = i64, Path)), responses(
    (status = 200, body = Difference), (status = 404, body = Problem)))]
pub async fn diff(State(console): State<Console>, Named(id): Named<i64>) -> Answer<Json<Difference>> {
    let old = text(&console, id).await?;
    let present = console.state().settings.current();
    Ok(Json(Difference { diff: unified(&mask_text(&old), &mask_text(&present.text)) }))
}

/// Go back to a version. It becomes the newest one; nothing is lost.
#[utoipa::path(post, path = "/settings/undo", tag = "settings", request_body = Undo, responses(
    (status = 200, body = SettingsChange), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn undo(State(console): State<Console>, caller: Caller, Input(undo): Input<Undo>) -> Answer<Json<SettingsChange>> {
    let old = text(&console, undo.to).await?;
    let message = format!("back to version {}", undo.to);
    apply(&console, &caller, old, None, &message, "settings.undo", &undo.to.to_string()).await
}

async fn text(console: &Console, id: i64) -> Answer<String> {
    let text = console.state().database.settings_history().text(id).await?;
    text.ok_or_else(|| Problem::not_found(format!("there is no version {id} of the settings")))
}
