//! What would the filter say about a mail, and learn from one.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postern_model::verdict::Verdict;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::caller::Caller;
use crate::input::{Asked, Named, Octets};
use crate::problem::{Answer, Problem};
use crate::state::{Console, ExplainRequest, LearnKind};

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
    /// Envelope recipients, separated by commas.
    recipients: Option<String>,
}

/// Judge a mail (as it would be sent after DATA); nothing happens to it.
#[utoipa::path(post, path = "/explain", tag = "filter", params(How), request_body(content = String, content_type = "message/rfc822"),
    responses((status = 200, description = "Action, reason, score and every symbol with its evidence", body = Object), (status = 422, body = Problem)))]
pub async fn explain(State(console): State<Console>, Asked(how): Asked<How>, Octets(mail): Octets) -> Answer<Json<Verdict>> {
    not_empty(&mail)?;
    let recipients = separated(&how.recipients.unwrap_or_default()).map(str::to_owned).collect();
    let request = ExplainRequest { mail, client: how.client, helo: how.helo, mail_from: how.mail_from, recipients };
    (console.state().explain)(request).await.map(Json).map_err(unfit)
}

/// Train the classifier: `spam` or `ham`.
#[utoipa::path(post, path = "/learn/{kind}", tag = "filter", params(("kind" = String, Path, description = "`spam` or `ham`")),
    request_body(content = String, content_type = "message/rfc822"), responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn learn(State(console): State<Console>, caller: Caller, Named(kind): Named<String>, Octets(mail): Octets) -> Answer<StatusCode> {
    not_empty(&mail)?;
    let learned = match kind.as_str() {
        "spam" => LearnKind::Spam,
        "ham" => LearnKind::Ham,
        _ => return Err(Problem::not_found(format!("`{kind}`: learn spam or ham"))),
    };
    let digest = blake3::hash(&mail).to_hex();
    (console.state().learn)(learned, mail).await.map_err(unfit)?;
    caller.audit(&console, &format!("learn.{kind}"), &digest[..16], None, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Recipients as they stand in a query.
pub(super) fn separated(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|r| !r.is_empty())
}

pub(super) fn not_empty(mail: &[u8]) -> Answer<()> {
    if mail.is_empty() { Err(Problem::bad_request("the body is empty: send the whole mail")) } else { Ok(()) }
}

pub(super) fn unfit(why: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit-mail", "This cannot be done with the mail", why)
}
