//! The settings: looked at, changed as a whole or one by one. Secrets are shown as a mask; a mask that
//! comes back means "as it was".

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use postern_model::settings::Settings;
use postern_store::database::settings::SettingsVersion;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Input, Octets};
use crate::problem::{Answer, Fault, Problem};
use crate::secrets::{mask_json, mask_text};
use crate::setting_path;
use crate::settings_file::{self, SettingsFileError, restart_needed};
use crate::state::{Console, now};

#[derive(Serialize, ToSchema)]
pub struct SettingsView {
    /// The ETag, to be sent as If-Match with a change.
    digest: String,
    /// The file as it is, with masked secrets.
    text: String,
    /// All settings with their values, defaults included.
    #[schema(value_type = Object)]
    settings: serde_json::Value,
}

#[derive(Serialize, ToSchema)]
pub struct SettingsChange {
    digest: String,
    /// False: it was like that already.
    changed: bool,
    /// What changed and works only after a restart of the node.
    restart_needed: Vec<&'static str>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneSetting {
    #[schema(example = "smtp.limits.max_recipients")]
    path: String,
    /// Left out: back to the default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    value: Option<serde_json::Value>,
    /// Further settings of the same change: all of them or none.
    #[serde(default)]
    further: Vec<Further>,
    /// Why, for the history.
    #[serde(default)]
    message: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Further {
    path: String,
    /// Left out: back to the default.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    value: Option<serde_json::Value>,
}

impl OneSetting {
    pub fn new(path: &str, value: serde_json::Value, message: &str) -> Self {
        Self { path: path.into(), value: Some(value), message: message.into(), further: Vec::new() }
    }

    fn all(&self) -> impl Iterator<Item = (&str, Option<&serde_json::Value>)> {
        let further = self.further.iter().map(|f| (f.path.as_str(), f.value.as_ref()));
        std::iter::once((self.path.as_str(), self.value.as_ref())).chain(further)
    }

    /// For the audit trail.
    fn paths(&self) -> String {
        self.all().map(|(path, _)| path).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Why {
    /// Why, for the history.
    #[serde(default)]
    message: String,
}

#[derive(Serialize, ToSchema)]
pub struct Checked {
    good: bool,
    problems: Vec<Fault>,
}

#[derive(Serialize, ToSchema)]
pub struct VersionRow {
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub author: String,
    pub message: String,
    pub digest: String,
}

impl From<SettingsVersion> for VersionRow {
    fn from(v: SettingsVersion) -> Self {
        Self { id: v.id, at: v.at, author: v.author, message: v.message, digest: v.digest }
    }
}

impl From<SettingsFileError> for Problem {
    fn from(error: SettingsFileError) -> Self {
        match &error {
            SettingsFileError::Bad { source, .. } => Self::settings(&source.0),
            SettingsFileError::Stale => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "stale",
                "The settings have changed meanwhile",
                "what you changed is not the present version",
            )
            .advise("Get the settings again, make the change there, and send its digest as If-Match."),
            SettingsFileError::ChangedByHand(_) => {
                Self::conflict(error.to_string()).advise("`postern settings reload` (or SIGHUP to the node) reads it.")
            }
            SettingsFileError::File { .. } => {
                tracing::error!(%error, "the settings file");
                Self::internal(error.to_string())
            }
        }
    }
}

/// All settings.
#[utoipa::path(get, path = "/settings", tag = "settings", responses((status = 200, body = SettingsView)))]
pub async fn get(State(console): State<Console>) -> Answer<Response> {
    let version = console.state().settings.current();
    let mut settings = serde_json::to_value(&*version.settings).map_err(|e| Problem::internal(e.to_string()))?;
    settings.sort_all_objects();
    mask_json(&mut settings);
    let view = SettingsView { digest: version.digest.clone(), text: mask_text(&version.text), settings };
    Ok(tagged(Json(view), &version.digest))
}

/// With the digest of the version that it shows, for If-Match.
pub(super) fn tagged(view: impl IntoResponse, digest: &str) -> Response {
    let mut response = view.into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{digest}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// JSON schema of the settings, with the documentation of each.
#[utoipa::path(get, path = "/settings/schema", tag = "settings", responses((status = 200, body = Object)))]
pub async fn schema() -> Json<serde_json::Value> {
    let mut schema = schemars::schema_for!(Settings).to_value();
    schema.sort_all_objects();
    Json(schema)
}

/// Put a whole file (TOML) in force.
#[utoipa::path(put, path = "/settings", tag = "settings", params(Why, ("If-Match" = String, Header, description = "Digest of the version it was made from")),
    request_body(content = String, content_type = "application/toml"), responses(
    (status = 200, body = SettingsChange), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub async fn put(
    State(console): State<Console>,
    caller: Caller,
    Asked(why): Asked<Why>,
    headers: HeaderMap,
    Octets(body): Octets,
) -> Answer<Json<SettingsChange>> {
    let text = std::str::from_utf8(&body).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    let expected = needed_match(&headers)?;
    apply(&console, &caller, text.to_owned(), Some(expected), &why.message, "settings.replace", "all").await
}

/// Change one setting, or some together; comments and order of the file stay.
#[utoipa::path(patch, path = "/settings", tag = "settings", request_body = OneSetting, responses(
    (status = 200, body = SettingsChange), (status = 412, body = Problem), (status = 422, body = Problem)))]
pub async fn patch(
    State(console): State<Console>,
    caller: Caller,
    headers: HeaderMap,
    Input(one): Input<OneSetting>,
) -> Answer<Json<SettingsChange>> {
    Ok(Json(change(&console, &caller, &one, if_match(&headers)).await?))
}

/// Puts the change on top of what is in force; `expected` is the digest of what whoever asks has seen.
pub async fn change(console: &Console, caller: &Caller, one: &OneSetting, expected: Option<String>) -> Answer<SettingsChange> {
    const TRIES: usize = 5;
    for attempt in 1.. {
        let version = console.state().settings.current();
        let mut document: toml_edit::DocumentMut =
            version.text.parse().map_err(|e: toml_edit::TomlError| Problem::internal(e.message().to_owned()))?;
        for (path, value) in one.all() {
            setting_path::set(&mut document, path, value).map_err(|e| {
                let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-path", "There is no such setting", e.to_string());
                problem.errors = vec![Fault { path: path.to_owned(), message: e.to_string() }];
                problem
            })?;
        }
        let base = expected.clone().unwrap_or_else(|| version.digest.clone());
        match apply(console, caller, document.to_string(), Some(base), &one.message, "settings.change", &one.paths()).await {
            // A change of a peer came in between: the one setting is set on top of it.
            Err(problem) if expected.is_none() && attempt < TRIES && problem.status == StatusCode::PRECONDITION_FAILED.as_u16() => {}
            done => return done.map(|Json(changed)| changed),
        }
    }
    Err(Problem::unavailable("the settings change all the time"))
}

/// Say what is wrong with a file (TOML), without using it.
#[utoipa::path(post, path = "/settings/check", tag = "settings", request_body(content = String, content_type = "application/toml"),
    responses((status = 200, body = Checked)))]
pub async fn check(Octets(body): Octets) -> Answer<Json<Checked>> {
    let text = std::str::from_utf8(&body).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    let problems = settings_file::check(text).err().map(|e| e.0).unwrap_or_default();
    let faults: Vec<Fault> = problems.iter().map(Fault::from).collect();
    Ok(Json(Checked { good: faults.is_empty(), problems: faults }))
}

/// Read the file again after it was changed by hand.
#[utoipa::path(post, path = "/settings/reload", tag = "settings", responses((status = 200, body = SettingsChange), (status = 422, body = Problem)))]
pub async fn reload(State(console): State<Console>, caller: Caller) -> Answer<Json<SettingsChange>> {
    let handle = &console.state().settings;
    let before = handle.current();
    let changed = handle.reload()?;
    let after = handle.current();
    if changed {
        console.state().cluster.settings_changed(&before.settings, &after.settings, &caller.name, "changed by hand").await?;
        remember(&console, &caller, &before.text, &before.digest, "before a reload").await?;
        remember(&console, &caller, &after.text, &after.digest, "changed by hand").await?;
        caller.audit(&console, "settings.reload", "all", Some(&mask_text(&before.text)), Some(&mask_text(&after.text))).await?;
    }
    let restart_needed = restart_needed(&before.settings, &after.settings);
    Ok(Json(SettingsChange { digest: after.digest.clone(), changed, restart_needed }))
}

/// Puts a text in force, notes both versions, and writes the audit trail.
pub async fn apply(
    console: &Console,
    caller: &Caller,
    text: String,
    expected: Option<String>,
    message: &str,
    action: &str,
    subject: &str,
) -> Answer<Json<SettingsChange>> {
    let handle = std::sync::Arc::clone(&console.state().settings);
    let writer = std::sync::Arc::clone(&handle);
    let write = tokio::task::spawn_blocking(move || writer.replace(&text, expected.as_deref()));
    let (before, after) = write.await.map_err(|e| Problem::internal(e.to_string()))??;
    let changed = before.digest != after.digest;
    if changed {
        if let Err(refused) = console.state().cluster.settings_changed(&before.settings, &after.settings, &caller.name, message).await {
            // All nodes or none: the file becomes what it was.
            let (text, digest) = (before.text.clone(), after.digest.clone());
            let back = tokio::task::spawn_blocking(move || handle.replace(&text, Some(&digest)));
            back.await.map_err(|e| Problem::internal(e.to_string()))??;
            return Err(refused.into());
        }
        // The one before may never have been noted: it was written by hand, or came with the machine.
        remember(console, caller, &before.text, &before.digest, "before the first change").await?;
        remember(console, caller, &after.text, &after.digest, message).await?;
        caller.audit(console, action, subject, Some(&mask_text(&before.text)), Some(&mask_text(&after.text))).await?;
    }
    let restart_needed = restart_needed(&before.settings, &after.settings);
    Ok(Json(SettingsChange { digest: after.digest.clone(), changed, restart_needed }))
}

async fn remember(console: &Console, caller: &Caller, text: &str, digest: &str, message: &str) -> Answer<()> {
    let message: String = message.chars().take(200).collect();
    Ok(console.state().database.settings_history().add(text, digest, &caller.name, &message, now()).await?)
}

/// The version that a change as a whole was made from.
pub(super) fn needed_match(headers: &HeaderMap) -> Answer<String> {
    if_match(headers).ok_or_else(|| {
        let status = StatusCode::PRECONDITION_REQUIRED;
        Problem::new(status, "if-match-needed", "If-Match is needed", "which version is this made from?")
            .advise("Send the digest of GET /api/v1/settings as If-Match.")
    })
}

fn if_match(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::IF_MATCH)?.to_str().ok()?;
    Some(value.trim().trim_start_matches("W/").trim_matches('"').to_owned())
}
