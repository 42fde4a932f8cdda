//! The operator's rules: looked at, changed as a whole, tried on a mail and on the mails of the last days. They are a part of the
//! settings, so that history, undo and the cluster are those of the settings.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use postern_document::local;
use postern_filter::registry;
use postern_model::address::Address;
use postern_model::envelope::Direction;
use postern_model::settings::policy::PolicySettings;
use postern_model::settings::{self, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::diff::unified;
use crate::input::{Asked, Input, Named, Octets};
use crate::problem::{Answer, Fault, Problem};
use crate::render;
use crate::routes::explain::{not_empty, separated, unfit};
use crate::routes::settings::{SettingsChange, VersionRow, apply, needed_match, tagged};
use crate::routes::settings_history::{Difference, Undo, Versions};
use crate::state::{Console, ExplainRequest, PolicyExplained, PolicyRequest};
use crate::what_if::{self, Compared, WhatIf};

/// Versions of the settings that are read for one page of the policy's history.
const READ_VERSIONS: usize = 200;
/// Days that a try reaches back at most.
const MOST_DAYS: u32 = 30;

#[derive(Serialize, ToSchema)]
pub struct PolicyView {
    /// The ETag, to be sent as If-Match with a change.
    digest: String,
    /// `rules`, `lists`, `when_mixed`, `allow_discard`, `time_zone`, as in the settings.
    #[schema(value_type = Object)]
    policy: PolicySettings,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// As GET gives it. What is left out has its default.
    #[schema(value_type = Object)]
    policy: Value,
    /// Why, for the history.
    #[serde(default)]
    message: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposed {
    /// As GET gives it. What is left out has its default.
    #[schema(value_type = Object)]
    policy: Value,
    /// How far to look back; 1 to 30, 7 unless given.
    #[serde(default)]
    days: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct PolicyChecked {
    good: bool,
    problems: Vec<Fault>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Page {
    /// 1 to 100.
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// The client it came from, as if it came now.
    #[param(value_type = Option<String>)]
    client: Option<IpAddr>,
    helo: Option<String>,
    /// Envelope sender; left out: the one in Return-Path or From.
    mail_from: Option<String>,
    /// Envelope recipients, separated by commas: at least one.
    recipients: String,
    /// `inbound` or `outbound`; inbound unless given.
    #[param(value_type = Option<String>)]
    direction: Option<Direction>,
}

/// The rules and lists in force.
#[utoipa::path(get, path = "/policy", tag = "policy", responses((status = 200, body = PolicyView)))]
pub async fn get(State(console): State<Console>) -> Answer<Response> {
    let version = console.state().settings.current();
    let view = PolicyView { digest: version.digest.clone(), policy: version.settings.policy.clone() };
    Ok(tagged(Json(view), &version.digest))
}

/// Put rules and lists in force, in place of those there are. The rest of the settings stays.
#[utoipa::path(put, path = "/policy", tag = "policy", params(("If-Match" = String, Header, description = "Digest of the version it was made from")),
    request_body = PolicyChange, responses(
    (status = 200, body = SettingsChange), (status = 412, body = Problem), (status = 422, body = Problem), (status = 428, body = Problem)))]
pub async fn put(
    State(console): State<Console>,
    caller: Caller,
    headers: HeaderMap,
    Input(change): Input<PolicyChange>,
) -> Answer<Json<SettingsChange>> {
    let expected = needed_match(&headers)?;
    let (policy, _) = ready(change.policy).map_err(|p| Problem::settings(&p))?;
    write(&console, &caller, policy, expected, &change.message, "policy.change", "all").await
}

/// Say what is wrong with rules and lists, without using them.
#[utoipa::path(post, path = "/policy/check", tag = "policy", request_body = Proposed, responses((status = 200, body = PolicyChecked)))]
pub async fn check(Input(proposed): Input<Proposed>) -> Answer<Json<PolicyChecked>> {
    let problems = ready(proposed.policy).err().unwrap_or_default();
    let problems: Vec<Fault> = problems.iter().map(Fault::from).collect();
    Ok(Json(PolicyChecked { good: problems.is_empty(), problems }))
}

/// Say what the rules in force would make of a mail (as it would be sent after DATA), and why; nothing happens to it.
#[utoipa::path(post, path = "/policy/explain", tag = "policy", params(How), request_body(content = String, content_type = "message/rfc822"),
    responses((status = 200, description = "The filter's verdict, and for each recipient every rule with what it saw", body = Object),
    (status = 400, body = Problem), (status = 422, body = Problem)))]
pub async fn explain(State(console): State<Console>, Asked(how): Asked<How>, Octets(mail): Octets) -> Answer<Json<PolicyExplained>> {
    not_empty(&mail)?;
    let named: Vec<&str> = separated(&how.recipients).collect();
    let read = named.iter().map(|r| r.parse::<Address>().map_err(|e| Problem::bad_request(format!("recipients: {e}"))));
    let recipients = read.collect::<Answer<Vec<Address>>>()?;
    if recipients.is_empty() {
        return Err(Problem::bad_request("recipients: name at least one, as in recipients=erika@example.net"));
    }
    let named = named.into_iter().map(str::to_owned).collect();
    let mail = ExplainRequest { mail, client: how.client, helo: how.helo, mail_from: how.mail_from, recipients: named };
    let request = PolicyRequest { mail, direction: how.direction.unwrap_or(Direction::Inbound), recipients };
    (console.state().explain_policy)(request).await.map(Json).map_err(unfit)
}

/// Try proposed rules on what this node knows of the mails of the last days: which would have fared otherwise?
#[utoipa::path(post, path = "/policy/what-if", tag = "policy", request_body = Proposed, responses(
    (status = 200, body = WhatIf), (status = 400, body = Problem), (status = 422, body = Problem)))]
pub async fn what_if(State(console): State<Console>, Input(proposed): Input<Proposed>) -> Answer<Json<WhatIf>> {
    let days = proposed.days.unwrap_or(7);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(Problem::bad_request(format!("days: {days}: write 1 to {MOST_DAYS}")));
    }
    let (wanted, then) = ready(proposed.policy).map_err(|p| Problem::settings(&p))?;
    let settings = console.state().settings.settings();
    let now = registry::policy(&settings.policy).map_err(|p| Problem::settings(&p))?;
    let rules = Compared::new((&settings.policy, now), (&wanted, then));
    Ok(Json(what_if::run(&console.state().database, &rules, days).await?))
}

/// The versions of the settings in which rules or lists changed.
#[utoipa::path(get, path = "/policy/history", tag = "policy", params(Page), responses((status = 200, body = Versions)))]
pub async fn history(State(console): State<Console>, Asked(page): Asked<Page>) -> Answer<Json<Versions>> {
    let history = console.state().database.settings_history();
    let limit = page.limit.unwrap_or(50).clamp(1, 100);
    let all = history.list(None, READ_VERSIONS).await?;
    let mut versions: Vec<VersionRow> = Vec::new();
    let mut younger: Option<(VersionRow, PolicySettings)> = None;
    for version in all {
        if versions.len() >= limit {
            break;
        }
        let Some(policy) = history.text(version.id).await?.and_then(|text| settings::parse(&text).ok()).map(|s| s.policy) else { continue };
        if let Some((row, _)) = younger.take().filter(|(_, theirs)| *theirs != policy) {
            versions.push(row);
        }
        younger = Some((VersionRow::from(version), policy));
    }
    // The oldest that was looked at: nobody knows what was before, but it is one to go back to.
    if versions.len() < limit {
        versions.extend(younger.map(|(row, _)| row));
    }
    Ok(Json(Versions { versions }))
}

/// What changed in rules and lists since a version.
#[utoipa::path(get, path = "/policy/history/{id}/diff", tag = "policy", params(("id" = i64, Path)), responses(
    (status = 200, body = Difference), (status = 404, body = Problem)))]
pub async fn diff(State(console): State<Console>, Named(id): Named<i64>) -> Answer<Json<Difference>> {
    let old = text(&of_version(&console, id).await?)?;
    let present = text(&console.state().settings.settings().policy)?;
    Ok(Json(Difference { diff: unified(&old, &present) }))
}

/// Go back to the rules and lists of a version; the rest of the settings stays. It becomes the newest version; nothing is lost.
#[utoipa::path(post, path = "/policy/undo", tag = "policy", request_body = Undo, responses(
    (status = 200, body = SettingsChange), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn undo(State(console): State<Console>, caller: Caller, Input(undo): Input<Undo>) -> Answer<Json<SettingsChange>> {
    let policy = of_version(&console, undo.to).await?;
    let digest = console.state().settings.current().digest.clone();
    let message = format!("rules back to version {}", undo.to);
    write(&console, &caller, policy, digest, &message, "policy.undo", &undo.to.to_string()).await
}

async fn of_version(console: &Console, id: i64) -> Answer<PolicySettings> {
    let text = console.state().database.settings_history().text(id).await?;
    let text = text.ok_or_else(|| Problem::not_found(format!("there is no version {id} of the settings")))?;
    Ok(settings::parse(&text).map_err(|e| Problem::settings(&e.0))?.policy)
}

/// The rules as they stand in a settings file that says nothing else.
fn text(policy: &PolicySettings) -> Answer<String> {
    into("", &Settings::default(), policy)
}

fn into(text: &str, present: &Settings, policy: &PolicySettings) -> Answer<String> {
    let wanted = Settings { policy: policy.clone(), ..present.clone() };
    render::render(text, &local::shared(&wanted)).map_err(|e| match e {
        render::RenderError::Settings(source) => Problem::settings(&source.0),
        other => Problem::internal(other.to_string()),
    })
}

async fn write(
    console: &Console,
    caller: &Caller,
    policy: PolicySettings,
    expected: String,
    message: &str,
    action: &str,
    subject: &str,
) -> Answer<Json<SettingsChange>> {
    let version = console.state().settings.current();
    let text = into(&version.text, &version.settings, &policy)?;
    apply(console, caller, text, Some(expected), message, action, subject).await
}

/// The rules, and ready to be asked; or all that is wrong with them.
fn ready(policy: Value) -> Result<(PolicySettings, postern_policy::Policy), Vec<settings::Problem>> {
    let read = settings::policy::read(policy).map_err(|e| e.0)?;
    let ready = registry::policy(&read)?;
    Ok((read, ready))
}
