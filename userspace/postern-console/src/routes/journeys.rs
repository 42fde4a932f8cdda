//! Tracking: search, and one mail with all that happened to it.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use postern_model::id::MailId;
use postern_model::journey::{JourneySummary, Step};
use postern_model::reason::Reason;
use postern_model::role::Reach;
use postern_model::time::Timestamp;
use postern_store::database::journeys::{JourneySearch, JourneyStep, PAGE_LIMIT};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Named};
use crate::peers;
use crate::problem::{Answer, Problem};
use crate::state::Console;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Address, local part, domain (with all below it), or words of the display name.
    sender: Option<String>,
    /// Address, local part or domain.
    recipient: Option<String>,
    /// Whole words.
    subject: Option<String>,
    message_id: Option<String>,
    /// Mail id.
    mail: Option<String>,
    /// The client's address.
    client: Option<String>,
    /// `accept`, `tag`, `hold`, `quarantine`, `defer`, `reject`, `discard`.
    action: Option<String>,
    /// As in `score-reject`.
    reason: Option<String>,
    /// `inbound`, `outbound`.
    direction: Option<String>,
    /// Milliseconds since 1970.
    from: Option<i64>,
    /// Milliseconds since 1970.
    to: Option<i64>,
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 500; 50 unless given.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct JourneyRow {
    mail: String,
    /// The node that took it; empty outside of a cluster.
    node: String,
    /// Milliseconds since 1970.
    at: i64,
    /// `inbound`, `outbound`.
    direction: &'static str,
    client: String,
    /// Empty: the null path.
    sender: String,
    recipients: Vec<String>,
    from_header: Option<String>,
    subject: Option<String>,
    message_id: Option<String>,
    size: u64,
    action: String,
    reason: String,
    score: f64,
}

impl JourneyRow {
    /// As this caller may see it; `None`: no recipient is the caller's business.
    fn of(node: String, s: JourneySummary, caller: &Caller) -> Option<Self> {
        let recipients: Vec<String> = s.recipients.iter().filter(|r| caller.rights.reach.sees(r)).map(ToString::to_string).collect();
        if recipients.is_empty() && caller.rights.reach != Reach::Everything {
            return None;
        }
        Some(Self {
            mail: s.mail.to_string(),
            node,
            at: s.at.0,
            direction: postern_store::database::terms::direction(&s),
            client: s.client.to_canonical().to_string(),
            sender: s.mail_from.to_string(),
            recipients,
            from_header: s.from_header,
            subject: s.subject,
            message_id: s.message_id,
            size: s.size,
            action: s.action.into_owned(),
            reason: s.reason.name().to_owned(),
            score: s.score,
        })
    }
}

/// Whether a login sees this step: what happened to recipients that are not its business it does not. Decisions are left out one by one.
fn narrow(step: &mut Step, reach: &Reach) -> bool {
    match step {
        Step::Policy { decisions } => decisions.retain(|d| reach.sees(&d.recipient)),
        Step::RecipientRefused { recipient, .. } => return recipient.parse().map_or(*reach == Reach::Everything, |a| reach.sees(&a)),
        Step::Deferred { recipient, .. } | Step::Delivered { recipient, .. } | Step::Failed { recipient, .. } => {
            return reach.sees(recipient);
        }
        _ => {}
    }
    true
}

#[derive(Serialize, ToSchema)]
pub struct JourneyPage {
    /// Newest first.
    journeys: Vec<JourneyRow>,
    /// To be given as `before` for the next page.
    next: Option<String>,
    /// Names of the nodes of the cluster that did not answer: what they took is not here.
    silent: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct JourneyView {
    /// `null` when the mail never got as far as a judgement.
    summary: Option<JourneyRow>,
    /// Oldest first: `at`, `node` (empty outside of a cluster), `event`, and what belongs to the event.
    #[schema(value_type = Vec<Object>)]
    steps: Vec<serde_json::Value>,
    /// Names of the nodes of the cluster that did not answer.
    silent: Vec<String>,
}

/// A step and the node it happened on.
#[derive(Serialize)]
struct NodeStep {
    node: String,
    #[serde(flatten)]
    step: JourneyStep,
}

/// Search mails.
#[utoipa::path(get, path = "/journeys", tag = "journeys", params(Search), responses((status = 200, body = JourneyPage), (status = 400, body = Problem)))]
pub async fn search(State(console): State<Console>, caller: Caller, Asked(asked): Asked<Search>) -> Answer<Json<JourneyPage>> {
    let bad = |what: &str, value: &str, hint: &str| Problem::bad_request(format!("{what}: `{value}`: {hint}"));
    if let Some(mail) = filled(&asked.mail) {
        let id: MailId = mail.parse().map_err(|_| bad("mail", mail, "write a mail id of 26 characters"))?;
        let (found, silent) = peers::journey(&console, id).await?;
        let found = found.and_then(|j| j.summary).and_then(|(node, s)| JourneyRow::of(node, s, &caller));
        return Ok(Json(JourneyPage { journeys: found.into_iter().collect(), next: None, silent }));
    }
    let client =
        filled(&asked.client).map(|c| c.parse::<IpAddr>().map_err(|_| bad("client", c, "write an IPv4 or IPv6 address"))).transpose()?;
    let reason = filled(&asked.reason).map(|r| r.parse::<Reason>().map_err(|_| bad("reason", r, "there is no such reason"))).transpose()?;
    let owned = |text: &Option<String>| filled(text).map(str::to_owned);
    let search = JourneySearch {
        sender: owned(&asked.sender),
        recipient: owned(&asked.recipient),
        within: caller.rights.reach.domains().cloned(),
        subject: owned(&asked.subject),
        message_id: owned(&asked.message_id),
        client,
        action: owned(&asked.action),
        reason,
        direction: owned(&asked.direction),
        from: asked.from.map(Timestamp),
        to: asked.to.map(Timestamp),
        before: None,
        limit: asked.limit.unwrap_or(50).clamp(1, PAGE_LIMIT),
    };
    let found = peers::search_journeys(&console, search, asked.before.as_deref()).await?;
    let journeys = found.journeys.into_iter().filter_map(|(node, summary)| JourneyRow::of(node, summary, &caller)).collect();
    Ok(Json(JourneyPage { journeys, next: found.next, silent: found.silent }))
}

/// One mail with all that happened to it.
#[utoipa::path(get, path = "/journeys/{mail}", tag = "journeys", params(("mail" = String, Path)), responses(
    (status = 200, body = JourneyView), (status = 404, body = Problem)))]
pub async fn one(State(console): State<Console>, caller: Caller, Named(mail): Named<String>) -> Answer<Json<JourneyView>> {
    let id = mail_id(&mail)?;
    let (journey, silent) = peers::journey(&console, id).await?;
    let unknown = |silent: &[String]| {
        let problem = Problem::not_found(format!("nothing is known of mail {id}"));
        if silent.is_empty() { problem } else { problem.advise(format!("Did not answer: {}.", silent.join(", "))) }
    };
    let Some(journey) = journey else { return Err(unknown(&silent)) };
    let reach = &caller.rights.reach;
    let summary = journey.summary.and_then(|(node, s)| JourneyRow::of(node, s, &caller));
    if summary.is_none() && *reach != Reach::Everything {
        return Err(unknown(&silent));
    }
    let shown = journey.steps.into_iter().filter_map(|(node, mut step)| narrow(&mut step.step, reach).then_some(NodeStep { node, step }));
    let steps = shown.filter_map(|step| serde_json::to_value(step).ok()).collect();
    Ok(Json(JourneyView { summary, steps, silent }))
}

/// A mail's id in a path.
pub fn mail_id(text: &str) -> Answer<MailId> {
    text.parse().map_err(|e: postern_model::id::MailIdError| Problem::not_found(e.to_string()))
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty())
}
