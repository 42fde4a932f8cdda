//! The quarantine: list, look, release, delete. A mail is only ever shown as text.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use postern_mail::message::{Limits, Message};
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, Step};
use postern_model::reason::Reason;
use postern_model::role::Reach;
use postern_model::time::Timestamp;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineSearch, QuarantineState};
use postern_store::spool::{QuarantineError, SpoolError};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::input::{Asked, Named};
use crate::peers;
use crate::problem::{Answer, Problem};
use crate::quarantine::{Ended, end_here, read_here};
use crate::rights::OPERATE;
use crate::routes::journeys::mail_id;
use crate::state::{Console, LearnKind, OpenedAgain, now};

/// Characters of text in a preview.
const PREVIEW: usize = 20_000;
/// Header fields and parts in a preview.
const ROWS: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// `held` (unless given), `released`, `deleted`, `all`.
    state: Option<String>,
    /// Anywhere in sender, recipients, From or subject.
    text: Option<String>,
    recipient: Option<String>,
    reason: Option<String>,
    /// Milliseconds since 1970.
    from: Option<i64>,
    /// Milliseconds since 1970.
    to: Option<i64>,
    /// `next` of the page before.
    before: Option<String>,
    /// 1 to 500; 50 unless given.
    limit: Option<usize>,
}

/// What else is done with a mail that leaves the quarantine.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Also {
    /// Train the classifier with it, on all nodes: a released one is no spam, a deleted one is. It wants a role that may train.
    #[serde(default)]
    learn: bool,
}

#[derive(Serialize, ToSchema)]
pub struct QuarantineRow {
    mail: String,
    /// Milliseconds since 1970.
    at: i64,
    sender: String,
    recipients: Vec<String>,
    from_header: Option<String>,
    subject: Option<String>,
    score: f64,
    reason: String,
    size: u64,
    /// Milliseconds since 1970.
    expires: i64,
    /// `held`, `deleted`, `released`.
    state: &'static str,
    /// The node it lies with; `null`: this one, in no cluster.
    holder: Option<String>,
    /// Who released or deleted it.
    state_by: Option<String>,
}

impl QuarantineRow {
    /// As who has this reach may see it; `None`: it has no recipient that is their business.
    pub fn of(e: QuarantineEntry, reach: &Reach) -> Option<Self> {
        let recipients = reach.seen(&e.recipients);
        if recipients.is_empty() && !e.recipients.is_empty() {
            return None;
        }
        Some(Self {
            mail: e.mail.to_string(),
            at: e.at.0,
            sender: e.sender,
            recipients,
            from_header: e.from_header,
            subject: e.subject,
            score: e.score.get(),
            reason: e.reason.name().to_owned(),
            size: e.size,
            expires: e.expires.0,
            state: state_name(e.state),
            holder: e.holder.map(|h| h.to_string()),
            state_by: e.state_by,
        })
    }
}

#[derive(Serialize, ToSchema)]
pub struct QuarantinePage {
    /// Newest first.
    mails: Vec<QuarantineRow>,
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct QuarantineView {
    mail: QuarantineRow,
    /// Empty when the mail is no longer here.
    headers: Vec<HeaderRow>,
    pub parts: Vec<PartRow>,
    /// The text a reader would see, at most 20,000 characters. It was written by the sender: show it as text.
    pub text: String,
    /// Where its links lead.
    pub urls: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct HeaderRow {
    name: String,
    value: String,
}

#[derive(Serialize, ToSchema)]
pub struct PartRow {
    number: String,
    content_type: String,
    /// What its first octets say it is.
    #[schema(value_type = String)]
    true_type: postern_mail::message::TrueType,
    filename: Option<String>,
    size: u64,
}

impl From<QuarantineError> for Problem {
    fn from(error: QuarantineError) -> Self {
        match error {
            QuarantineError::Unknown(id) => Self::not_found(format!("mail {id} is not in the quarantine")),
            other => {
                tracing::error!(error = %other, "the quarantine's files");
                Self::internal(other.to_string())
            }
        }
    }
}

impl From<SpoolError> for Problem {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::Unknown(id) => Self::not_found(format!("mail {id} is not in the spool")),
            SpoolError::NoCopy => Self::unavailable(error.to_string()).advise("Try again when another node of the cluster is there."),
            SpoolError::Full(_) => Self::unavailable(error.to_string()).advise("Free some space on the disk and try again."),
            other => {
                tracing::error!(error = %other, "the spool");
                Self::internal(other.to_string())
            }
        }
    }
}

/// Mails in the quarantine.
#[utoipa::path(get, path = "/quarantine", tag = "quarantine", params(Search), responses(
    (status = 200, body = QuarantinePage), (status = 400, body = Problem)))]
pub async fn search(State(console): State<Console>, caller: Caller, Asked(asked): Asked<Search>) -> Answer<Json<QuarantinePage>> {
    let state = match asked.state.as_deref() {
        None | Some("" | "held") => Some(QuarantineState::Held),
        Some("released") => Some(QuarantineState::Released),
        Some("deleted") => Some(QuarantineState::Deleted),
        Some("all") => None,
        Some(other) => return Err(Problem::bad_request(format!("state: `{other}`: write held, released, deleted or all"))),
    };
    let filled = |text: Option<String>| text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let reason = filled(asked.reason).map(|r| r.parse::<Reason>().map_err(|e| Problem::bad_request(format!("reason: {e}")))).transpose()?;
    let search = QuarantineSearch {
        state,
        text: filled(asked.text),
        recipient: filled(asked.recipient),
        only_for: None,
        within: caller.rights.reach.domains().cloned(),
        reason,
        from: asked.from.map(Timestamp),
        to: asked.to.map(Timestamp),
        before: filled(asked.before).map(|b| mail_id(&b)).transpose()?,
        limit: asked.limit.unwrap_or(50),
    };
    let page = console.state().database.quarantine().search(&search).await?;
    let mails = page.mails.into_iter().filter_map(|e| QuarantineRow::of(e, &caller.rights.reach)).collect();
    Ok(Json(QuarantinePage { mails, next: page.next.map(|m| m.to_string()) }))
}

/// One mail with its header, its parts and its text.
#[utoipa::path(get, path = "/quarantine/{mail}", tag = "quarantine", params(("mail" = String, Path)), responses(
    (status = 200, body = QuarantineView), (status = 404, body = Problem)))]
pub async fn one(State(console): State<Console>, caller: Caller, Named(mail): Named<String>) -> Answer<Json<QuarantineView>> {
    let id = mail_id(&mail)?;
    let not_there = || Problem::not_found(format!("mail {id} is not in the quarantine"));
    let entry = console.state().database.quarantine().one(id).await?.ok_or_else(not_there)?;
    let row = QuarantineRow::of(entry.clone(), &caller.rights.reach).ok_or_else(not_there)?;
    let view = view(&console, &entry, row).await?;
    // Somebody read somebody's mail: that is an act.
    caller.audit(&console, "quarantine.look", &mail, None, None).await?;
    Ok(Json(view))
}

/// What can be seen of a mail, wherever it lies.
///
/// # Errors
/// When it should be there and cannot be had.
pub async fn view(console: &Console, entry: &QuarantineEntry, row: QuarantineRow) -> Answer<QuarantineView> {
    let mut view = QuarantineView { mail: row, headers: Vec::new(), parts: Vec::new(), text: String::new(), urls: Vec::new() };
    let octets = octets(console, entry).await?;
    if let Some(octets) = octets {
        let read = tokio::task::spawn_blocking(move || postern_mail::read(&octets, &Limits::default()));
        fill(&mut view, read.await.map_err(|e| Problem::internal(e.to_string()))?);
    }
    Ok(view)
}

/// The mail itself, from wherever it lies.
async fn octets(console: &Console, entry: &QuarantineEntry) -> Answer<Option<Bytes>> {
    Ok(match (read_here(console, entry.mail).await?, entry.holder) {
        (Some(octets), _) => Some(octets),
        (None, Some(holder)) if entry.state == QuarantineState::Held => {
            Some(peers::quarantined_mail(console, entry.mail, Some(holder)).await?)
        }
        (None, _) => None,
    })
}

/// Take its attachments apart again, by this node's sandbox, whatever was seen of them before. What is seen is a step of its journey, too.
#[utoipa::path(post, path = "/quarantine/{mail}/open", tag = "quarantine", params(("mail" = String, Path)), responses(
    (status = 200, body = OpenedAgain), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub async fn open(State(console): State<Console>, caller: Caller, Named(mail): Named<String>) -> Answer<Json<OpenedAgain>> {
    let id = mail_id(&mail)?;
    let not_here = || Problem::not_found(format!("mail {id} is not in the quarantine"));
    let entry = console.state().database.quarantine().one(id).await?.ok_or_else(not_here)?;
    QuarantineRow::of(entry.clone(), &caller.rights.reach).ok_or_else(not_here)?;
    let octets = octets(&console, &entry).await?.ok_or_else(not_here)?;
    // People who click must not keep the cells from mails whose clients wait.
    let _turn = console.opening.lock().await;
    let opened = (console.state().open_again)(octets).await.map_err(Problem::unavailable)?;
    if opened.attachments.is_empty()
        && let [first, ..] = opened.unanswered.as_slice()
    {
        return Err(Problem::unavailable(format!("the sandbox did not look at it: {first}"))
            .advise("`postern sandbox status` says how it is; try again when it is there."));
    }
    let (attachments, unanswered) = (opened.attachments.clone(), opened.unanswered.clone());
    let step = Step::OpenedAgain { by: caller.name.clone(), attachments, unanswered };
    console.state().database.journeys().record(JourneyEvent { mail: id, at: now(), step });
    caller.audit(&console, "quarantine.open", &mail, None, None).await?;
    Ok(Json(opened))
}

fn fill(view: &mut QuarantineView, message: Message) {
    let cut = |text: String, limit: usize| text.chars().take(limit).collect::<String>();
    view.headers =
        message.headers.into_iter().take(ROWS).map(|h| HeaderRow { name: cut(h.name, 100), value: cut(h.value, 2000) }).collect();
    view.parts = message
        .parts
        .into_iter()
        .take(ROWS)
        .map(|p| PartRow {
            number: p.number,
            content_type: cut(p.content_type, 200),
            true_type: p.true_type,
            filename: p.filename.map(|f| cut(f, 255)),
            size: p.size,
        })
        .collect();
    view.text = cut(message.text, PREVIEW);
    view.urls = message.urls.into_iter().take(ROWS).map(|u| cut(u.raw, 500)).collect();
}

/// Release: it is put into the queue and delivered, by the node that has it. A login that is limited to domains cannot release
/// or delete a mail that is for others, too.
#[utoipa::path(post, path = "/quarantine/{mail}/release", tag = "quarantine", params(("mail" = String, Path), Also), responses(
    (status = 204, description = "In the queue"), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem, description = "In the queue, and not learned"), (status = 503, body = Problem)))]
pub async fn release(
    State(console): State<Console>,
    caller: Caller,
    Named(mail): Named<String>,
    Asked(also): Asked<Also>,
) -> Answer<StatusCode> {
    end(&console, &caller, &mail, QuarantineState::Released, also.learn.then_some(LearnKind::Ham)).await
}

/// Delete it for good.
#[utoipa::path(delete, path = "/quarantine/{mail}", tag = "quarantine", params(("mail" = String, Path), Also), responses(
    (status = 204), (status = 403, body = Problem), (status = 404, body = Problem),
    (status = 422, body = Problem, description = "Deleted, and not learned"), (status = 503, body = Problem)))]
pub async fn delete(
    State(console): State<Console>,
    caller: Caller,
    Named(mail): Named<String>,
    Asked(also): Asked<Also>,
) -> Answer<StatusCode> {
    end(&console, &caller, &mail, QuarantineState::Deleted, also.learn.then_some(LearnKind::Spam)).await
}

async fn end(console: &Console, caller: &Caller, mail: &str, to: QuarantineState, learn: Option<LearnKind>) -> Answer<StatusCode> {
    let id = mail_id(mail)?;
    let action = if to == QuarantineState::Released { "quarantine.release" } else { "quarantine.delete" };
    if learn.is_some()
        && let Err(why) = OPERATE.check(caller)
    {
        return Err(caller.refuse(console, &format!("{action} {id}, and learn"), why).await?);
    }
    let not_there = || Problem::not_found(format!("mail {id} is not in the quarantine"));
    let entry = console.state().database.quarantine().one(id).await?;
    if caller.rights.reach != Reach::Everything {
        let recipients = entry.as_ref().map(|e| e.recipients.as_slice()).unwrap_or_default();
        let seen = caller.rights.reach.seen(recipients).len();
        if seen == 0 {
            return Err(not_there());
        }
        if seen < recipients.len() {
            let why = format!("mail {id} is also for recipients at domains that this login is not for");
            return Err(caller.refuse(console, &format!("{action} {id}"), why).await?);
        }
    }
    // Read first: afterwards it may lie nowhere.
    let lesson = match (learn, &entry) {
        (Some(kind), Some(entry)) => octets(console, entry).await?.map(|octets| (kind, octets)),
        _ => None,
    };
    end_anywhere(console, id, entry.as_ref(), to, &caller.name).await?;
    caller.audit(console, action, mail, None, None).await?;
    if let Some((kind, octets)) = lesson {
        teach(console, caller, mail, kind, octets).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The mail has left the quarantine; what it teaches goes to all nodes.
async fn teach(console: &Console, caller: &Caller, mail: &str, kind: LearnKind, octets: Bytes) -> Answer<()> {
    let (action, done) = match kind {
        LearnKind::Ham => ("learn.ham", "released"),
        LearnKind::Spam => ("learn.spam", "deleted"),
    };
    if let Err(why) = (console.state().learn)(kind, octets).await {
        let detail = format!("mail {mail} is {done}, and was not learned: {why}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-learned", "Done, and not learned", detail));
    }
    caller.audit(console, action, mail, None, None).await
}

/// Releases or deletes a mail, wherever it lies.
///
/// # Errors
/// When it was done already, nobody has it, or nobody knows whether it was done.
pub async fn end_anywhere(console: &Console, id: MailId, entry: Option<&QuarantineEntry>, to: QuarantineState, by: &str) -> Answer<()> {
    match entry.and_then(|e| e.holder.map(|holder| (holder, e.state))) {
        Some((_, state)) if state >= to => Err(Problem::conflict(format!("mail {id} was {} already", state_name(state)))),
        Some((holder, _)) => peers::end_quarantine(console, id, holder, to, by).await,
        None if end_here(console, id, to, by).await? == Ended::NotHere => {
            Err(Problem::not_found(format!("mail {id} is not in the quarantine")))
        }
        None => Ok(()),
    }
}

fn state_name(state: QuarantineState) -> &'static str {
    match state {
        QuarantineState::Held => "held",
        QuarantineState::Deleted => "deleted",
        QuarantineState::Released => "released",
    }
}
