//! What consoles of a cluster ask each other: tracking and quarantined mail lie with the node that took the mail.
//!
//! A question and its answer are one line of JSON each; the octets of a mail follow the answer's line. A node of an earlier
//! version says that it does not understand; one that does not answer in time is named, and the others' answers are shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use postern_acme::KeyAuthorization;
use postern_cluster::node::Cluster;
use postern_cluster::node::view::MemberView;
use postern_model::address::{Address, Domain};
use postern_model::id::MailId;
use postern_model::journey::JourneySummary;
use postern_model::node::NodeId;
use postern_model::settings::users::Language;
use postern_model::time::Timestamp;
use postern_report::figures::NodeFigures;
use postern_report::period::Period;
use postern_store::database::journeys::{Journey, JourneyPage, JourneySearch, JourneyStep};
use postern_store::database::quarantine::QuarantineState;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::alerts::book::{Alert, Peer};
use crate::letters::Text;
use crate::problem::{Answer, Problem};
use crate::quarantine;
use crate::reports::{self, Kept, KeptRow};
use crate::rolling::{self, Machine, Order};
use crate::state::{Console, now};
use crate::{alerts, letters, users};

/// A search shows what came until then.
const SEARCH: Duration = Duration::from_secs(3);
/// A mail of some hundred megabytes on a bad line.
const MAIL: Duration = Duration::from_secs(50);
/// What is known at once, or begun.
const SOON: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    Journeys(Box<JourneySearch>),
    Journey(MailId),
    /// The octets of a quarantined mail that lies there, as the node's own or as a copy.
    QuarantinedMail(MailId),
    /// Release or delete a quarantined mail that lies there.
    EndQuarantine {
        mail: MailId,
        to: QuarantineState,
        by: String,
    },
    /// Be ready to answer an authority that the asking node wants a certificate of: a shared name may lead there.
    AnswerAuthority {
        token: String,
        text: String,
    },
    /// Something that can be had once is taken from now on, unless it was already (`NotHere`).
    Claim {
        name: String,
        what: String,
        until: Timestamp,
    },
    /// Whose a link was, that somebody has followed here; from now on nobody's. Its digest, in hex.
    SpendLink(String),
    /// What is wrong there, and what was until a short while ago.
    Alerts,
    /// Alerts that are over and began before.
    PastAlerts {
        before: Option<Timestamp>,
        limit: usize,
    },
    AcknowledgeAlert {
        id: String,
        by: String,
    },
    /// Send a letter that the asking node's spool does not take.
    Letter {
        to: Address,
        language: Language,
        text: Text,
    },
    /// What it counted in these days; of mails to these domains only, or of all.
    Figures {
        period: Period,
        domains: Option<BTreeSet<Domain>>,
    },
    /// Keep a report that was sent.
    KeepReport(Box<Kept>),
    /// Reports that are kept there.
    Reports,
    Report(String),
    /// How the machine and its last update are.
    Machine,
    Order(Order),
    /// Fetch the bundle from who asks, and have it written.
    TakeUpdate {
        allow_older: bool,
    },
    /// Octets of that bundle, from an offset on.
    PieceOfUpdate {
        offset: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Reply {
    Machine(Box<Machine>),
    Alerts(Vec<Alert>),
    Figures(Box<NodeFigures>),
    Reports(Vec<KeptRow>),
    Report(Box<Kept>),
    /// Octets follow, none at the end.
    Piece,
    Journeys(JourneyPage),
    Journey(Option<Box<Journey>>),
    /// The mail's octets follow.
    Mail,
    Done,
    /// An address.
    Link(String),
    NotHere,
    /// In words.
    Failed(String),
}

/// Answers a peer's question.
pub async fn answer(console: &Console, from: NodeId, question: &[u8]) -> Vec<u8> {
    let (reply, octets) = match serde_json::from_slice::<Question>(question) {
        Err(_) => (Reply::Failed("this version of Postern does not understand the question".into()), None),
        Ok(question) => reply(console, from, question).await.unwrap_or_else(|p| (Reply::Failed(p.detail), None)),
    };
    let mut line = serde_json::to_vec(&reply).unwrap_or_default();
    line.push(b'\n');
    line.extend_from_slice(octets.as_deref().unwrap_or_default());
    line
}

async fn reply(console: &Console, from: NodeId, question: Question) -> Answer<(Reply, Option<Bytes>)> {
    let journeys = console.state().database.journeys();
    Ok(match question {
        Question::Journeys(search) => (Reply::Journeys(journeys.search(&search).await?), None),
        Question::Journey(mail) => (Reply::Journey(journeys.one(mail).await?.map(Box::new)), None),
        Question::QuarantinedMail(mail) => match quarantine::read_here(console, mail).await? {
            Some(kept) => (Reply::Mail, Some(kept)),
            None => (Reply::NotHere, None),
        },
        Question::EndQuarantine { mail, to, by } => match quarantine::end_here(console, mail, to, &by).await? {
            quarantine::Ended::Done => (Reply::Done, None),
            quarantine::Ended::NotHere => (Reply::NotHere, None),
        },
        Question::AnswerAuthority { token, text } => {
            (done(console.state().acme.answer_for_peer(&KeyAuthorization { token, text }).await.map_err(|e| e.to_string())), None)
        }
        Question::Claim { name, what, until } => {
            let is_first = console.state().database.claims().take(&name, &what, until, now()).await?;
            (if is_first { Reply::Done } else { Reply::NotHere }, None)
        }
        Question::SpendLink(digest) => (users::spend_link_here(console, &digest).await?.map_or(Reply::NotHere, Reply::Link), None),
        Question::Alerts => (Reply::Alerts(console.alerts.all()), None),
        Question::PastAlerts { before, limit } => (Reply::Alerts(alerts::past(console, before, limit).await?), None),
        Question::AcknowledgeAlert { id, by } => {
            (if alerts::acknowledge(console, &id, &by).await? { Reply::Done } else { Reply::NotHere }, None)
        }
        Question::Letter { to, language, text } => {
            (done(letters::post(console, language, &to, text).await.map(drop).map_err(|e| e.to_string())), None)
        }
        Question::Figures { period, domains } => {
            (Reply::Figures(Box::new(reports::figures(console, period, domains.as_ref()).await?)), None)
        }
        Question::KeepReport(kept) => (done(reports::keep_here(console, &kept).await.map_err(|p| p.detail)), None),
        Question::Reports => (Reply::Reports(reports::list_here(console).await?), None),
        Question::Report(id) => (reports::one_here(console, &id).await?.map_or(Reply::NotHere, |kept| Reply::Report(Box::new(kept))), None),
        Question::Machine => (rolling::machine(console).await.map_or_else(Reply::Failed, |m| Reply::Machine(Box::new(m))), None),
        Question::Order(order) => (done(rolling::carry_out(console, order).await), None),
        Question::TakeUpdate { allow_older } => (done(rolling::take_from(console, from, allow_older).await), None),
        Question::PieceOfUpdate { offset } => match rolling::read_piece(&console.update_file(), offset).await {
            Ok(piece) => (Reply::Piece, Some(piece.into())),
            Err(e) => (Reply::Failed(e.to_string()), None),
        },
    })
}

fn done(done: Result<(), String>) -> Reply {
    done.map_or_else(Reply::Failed, |()| Reply::Done)
}

/// Has all peers answer an authority, too. One that cannot, or is of an earlier version, is gone without.
pub async fn spread_answer(cluster: &Cluster, answer: &KeyAuthorization) {
    let question = Question::AnswerAuthority { token: answer.token.clone(), text: answer.text.clone() };
    let Ok(question) = serde_json::to_vec(&question) else { return };
    let others = cluster.members().into_iter().filter(|m| !m.this && m.connected);
    join_all(others.map(|member| {
        let question = &question;
        async move {
            let said = cluster.ask(member.id, question, SOON).await.map_err(|e| e.to_string());
            let reply = said.and_then(|octets| read::<Reply>(octets.split(|b| *b == b'\n').next().unwrap_or_default()));
            match reply {
                Ok(Reply::Done) => {}
                Ok(Reply::Failed(error)) | Err(error) => tracing::info!(node = member.name, error, "a peer cannot answer the authority"),
                Ok(_) => {}
            }
        }
    }))
    .await;
}

async fn ask(console: &Console, node: NodeId, question: &Question, limit: Duration) -> Result<(Reply, Bytes), String> {
    let octets = serde_json::to_vec(question).map_err(|e| e.to_string())?;
    let answer = console.state().cluster.ask(node, &octets, limit).await.map_err(|e| e.to_string())?;
    let end = answer.iter().position(|b| *b == b'\n').ok_or("an answer without an end")?;
    let reply = read::<Reply>(&answer[..end])?;
    Ok((reply, answer.slice(end + 1..)))
}

fn read<T: DeserializeOwned>(octets: &[u8]) -> Result<T, String> {
    serde_json::from_slice(octets).map_err(|e| format!("an answer that is not understood: {e}"))
}

/// Members other than this one.
fn others(console: &Console) -> Vec<MemberView> {
    console.state().cluster.members().into_iter().filter(|m| !m.this).collect()
}

/// A page of the tracking of all nodes.
#[derive(Debug, Default)]
pub struct Found {
    /// Newest first, each with the name of its node; empty: this one, in no cluster.
    pub journeys: Vec<(String, JourneySummary)>,
    pub next: Option<String>,
    /// Names of the nodes that did not answer.
    pub silent: Vec<String>,
}

/// Searches the tracking of all nodes side by side.
///
/// # Errors
/// When this node's own cannot be searched, or the cursor is none.
pub async fn search_journeys(console: &Console, search: JourneySearch, cursor: Option<&str>) -> Answer<Found> {
    let cursor = Cursor::read(cursor).ok_or_else(|| Problem::bad_request("before: that is no `next` of a page"))?;
    let members = others(console);
    let own_name = console.state().cluster.name();
    let limit = search.limit;
    let own = async {
        let Some(before) = cursor.of("") else { return Ok(None) };
        console.state().database.journeys().search(&JourneySearch { before, ..search.clone() }).await.map(Some)
    };
    let peers = join_all(members.iter().map(|member| {
        let question =
            cursor.of(&member.id.to_string()).map(|before| Question::Journeys(Box::new(JourneySearch { before, ..search.clone() })));
        async move {
            let Some(question) = question else { return (member, Ok(None)) };
            let page = match ask(console, member.id, &question, SEARCH).await {
                Ok((Reply::Journeys(page), _)) => Ok(Some(page)),
                Ok((other, _)) => Err(format!("{other:?}")),
                Err(e) => Err(e),
            };
            (member, page)
        }
    }));
    let (own, peers) = tokio::join!(own, peers);
    let mut pages = Vec::new();
    if let Some(page) = own? {
        pages.push(Paged { node: String::new(), name: own_name, page });
    }
    let mut silent = Vec::new();
    for (member, page) in peers {
        match page {
            Ok(Some(page)) => pages.push(Paged { node: member.id.to_string(), name: member.name.clone(), page }),
            Ok(None) => {}
            Err(error) => {
                tracing::info!(node = member.name, error, "a node did not take part in a search");
                silent.push(member.name.clone());
            }
        }
    }
    let (journeys, next) = merge(pages, &cursor, limit);
    Ok(Found { journeys, next, silent })
}

/// One mail's journey, put together from all nodes it passed.
#[derive(Debug, Default)]
pub struct Whole {
    /// With the name of the node that wrote it; empty: this one, in no cluster.
    pub summary: Option<(String, JourneySummary)>,
    /// Oldest first, each with the name of the node it happened on.
    pub steps: Vec<(String, JourneyStep)>,
}

impl Whole {
    fn add(&mut self, node: &str, part: Journey) {
        self.summary = self.summary.take().or_else(|| part.summary.map(|s| (node.to_owned(), s)));
        self.steps.extend(part.steps.into_iter().map(|step| (node.to_owned(), step)));
    }
}

/// One mail's journey, wherever it passed, with the names of the nodes that did not answer.
///
/// # Errors
/// When this node's own tracking cannot be read.
pub async fn journey(console: &Console, mail: MailId) -> Answer<(Option<Whole>, Vec<String>)> {
    let mut whole: Option<Whole> = None;
    if let Some(own) = console.state().database.journeys().one(mail).await? {
        whole.get_or_insert_default().add(&console.state().cluster.name(), own);
    }
    let members = others(console);
    let question = Question::Journey(mail);
    let answers = join_all(members.iter().map(|m| ask(console, m.id, &question, SEARCH))).await;
    let mut silent = Vec::new();
    for (member, answer) in members.iter().zip(answers) {
        match answer {
            Ok((Reply::Journey(Some(part)), _)) => whole.get_or_insert_default().add(&member.name, *part),
            Ok((Reply::Journey(None), _)) => {}
            Ok(_) | Err(_) => silent.push(member.name.clone()),
        }
    }
    if let Some(whole) = &mut whole {
        whole.steps.sort_by_key(|(_, step)| step.at);
    }
    Ok((whole, silent))
}

/// The octets of a quarantined mail from whoever has them, the node it lies with first.
///
/// # Errors
/// When nobody has it, with the names of those that could not be asked.
pub async fn quarantined_mail(console: &Console, mail: MailId, holder: Option<NodeId>) -> Answer<Bytes> {
    let question = Question::QuarantinedMail(mail);
    let mails = |reply, octets| matches!(reply, Reply::Mail).then_some(octets);
    first_of(console, by_holder(others(console), holder), mail, &question, mails).await
}

/// Has a quarantined mail of another node released or deleted: by that node, or while it is away by whoever has a copy.
///
/// # Errors
/// When it was done already, nobody has it, or nobody knows whether it was done.
pub async fn end_quarantine(console: &Console, mail: MailId, holder: NodeId, to: QuarantineState, by: &str) -> Answer<()> {
    let question = Question::EndQuarantine { mail, to, by: by.to_owned() };
    let members = by_holder(others(console), Some(holder));
    if let Some(owner) = members.iter().find(|m| m.id == holder && m.connected) {
        // A copy of the mail is not touched while its node is there: it may be done with it, and the copy not know yet.
        return match ask(console, holder, &question, MAIL).await {
            Ok((Reply::Done, _)) => Ok(()),
            Ok((Reply::NotHere, _)) => Err(Problem::conflict(format!("{} has released or deleted mail {mail} already", owner.name))),
            Ok((Reply::Failed(why), _)) => Err(Problem::unavailable(format!("{}: {why}", owner.name))),
            Ok(_) | Err(_) => Err(Problem::unavailable(format!("{} did not say whether it was done", owner.name))
                .advise("Look at the mail again in a moment.")),
        };
    }
    if quarantine::end_here(console, mail, to, by).await? == quarantine::Ended::Done {
        return Ok(());
    }
    first_of(console, members, mail, &question, |reply, _| matches!(reply, Reply::Done).then_some(())).await
}

/// Takes something that can be had once, here and on all nodes that are there. False: somebody had it. Of two nodes that want it at
/// the same moment none may get it; in a cut each side may.
///
/// # Errors
/// When this node's database cannot be written.
pub async fn claim(console: &Console, name: &str, what: &str, until: Timestamp) -> Answer<bool> {
    if !console.state().database.claims().take(name, what, until, now()).await? {
        return Ok(false);
    }
    let question = Question::Claim { name: name.to_owned(), what: what.to_owned(), until };
    Ok(!ask_all_there(console, &question).await.any(|reply| matches!(reply, Reply::NotHere)))
}

/// Whose a link was that another node made.
pub async fn spend_link(console: &Console, digest: &str) -> Option<String> {
    let mut replies = ask_all_there(console, &Question::SpendLink(digest.to_owned())).await;
    replies.find_map(|reply| if let Reply::Link(address) = reply { Some(address) } else { None })
}

/// What is wrong on the nodes that are connected and say so in time.
pub async fn alerts(console: &Console) -> Vec<Peer> {
    alerts_of(console, &Question::Alerts).await
}

/// Their alerts that are over.
pub async fn past_alerts(console: &Console, before: Option<Timestamp>, limit: usize) -> Vec<Peer> {
    alerts_of(console, &Question::PastAlerts { before, limit }).await
}

async fn alerts_of(console: &Console, question: &Question) -> Vec<Peer> {
    let members: Vec<MemberView> = others(console).into_iter().filter(|m| m.connected).collect();
    let answers = join_all(members.iter().map(|m| ask(console, m.id, question, SEARCH))).await;
    let peer = |(member, answer): (MemberView, Result<(Reply, Bytes), String>)| match answer {
        Ok((Reply::Alerts(alerts), _)) => Some(Peer { node: member.id.to_string(), name: member.name, alerts }),
        _ => None,
    };
    members.into_iter().zip(answers).filter_map(peer).collect()
}

/// Acknowledges an alert on all nodes that are there. True: one of them has it.
pub async fn acknowledge_alert(console: &Console, id: &str, by: &str) -> bool {
    let question = Question::AcknowledgeAlert { id: id.to_owned(), by: by.to_owned() };
    ask_all_there(console, &question).await.any(|reply| matches!(reply, Reply::Done))
}

/// What all other nodes counted, and the names of those that did not say.
pub async fn figures(console: &Console, period: Period, domains: Option<&BTreeSet<Domain>>) -> (Vec<NodeFigures>, Vec<String>) {
    let members = others(console);
    let question = Question::Figures { period, domains: domains.cloned() };
    let answers = join_all(members.iter().map(|m| ask(console, m.id, &question, SOON))).await;
    let (mut figures, mut silent) = (Vec::new(), Vec::new());
    for (member, answer) in members.into_iter().zip(answers) {
        match answer {
            Ok((Reply::Figures(one), _)) => figures.push(NodeFigures { name: member.name, ..*one }),
            Ok(_) | Err(_) => silent.push(member.name),
        }
    }
    (figures, silent)
}

/// Has all nodes that are there keep a report. One that cannot, or is of an earlier version, goes without.
pub async fn keep_report(console: &Console, kept: &Kept) {
    let refused = ask_all_there(console, &Question::KeepReport(Box::new(kept.clone()))).await.filter(|r| !matches!(r, Reply::Done));
    for reply in refused {
        tracing::info!(report = kept.id, ?reply, "a node does not keep a report");
    }
}

/// Reports that other nodes keep.
pub async fn reports(console: &Console) -> Vec<KeptRow> {
    let replies = ask_all_there(console, &Question::Reports).await;
    replies.flat_map(|reply| if let Reply::Reports(rows) = reply { rows } else { Vec::new() }).collect()
}

/// A report that another node keeps.
pub async fn report(console: &Console, id: &str) -> Option<Kept> {
    let mut replies = ask_all_there(console, &Question::Report(id.to_owned())).await;
    replies.find_map(|reply| if let Reply::Report(kept) = reply { Some(*kept) } else { None })
}

/// Has a letter sent by the first of the other nodes that takes it.
///
/// # Errors
/// For people: nobody took it.
pub async fn post_letter(console: &Console, to: &Address, language: Language, text: &Text) -> Result<(), String> {
    let question = Question::Letter { to: to.clone(), language, text: text.clone() };
    for member in others(console).into_iter().filter(|m| m.connected) {
        if let Ok((Reply::Done, _)) = ask(console, member.id, &question, SOON).await {
            return Ok(());
        }
    }
    Err("no other node took it".to_owned())
}

/// The answers of all nodes that are connected.
async fn ask_all_there(console: &Console, question: &Question) -> impl Iterator<Item = Reply> + use<> {
    let members: Vec<MemberView> = others(console).into_iter().filter(|m| m.connected).collect();
    let answers = join_all(members.iter().map(|m| ask(console, m.id, question, SEARCH))).await;
    answers.into_iter().flatten().map(|(reply, _)| reply)
}

/// Asks one after the other until somebody has the mail.
async fn first_of<T>(
    console: &Console,
    members: Vec<MemberView>,
    mail: MailId,
    question: &Question,
    taken: impl Fn(Reply, Bytes) -> Option<T>,
) -> Answer<T> {
    let mut silent = Vec::new();
    for member in members {
        match ask(console, member.id, question, MAIL).await {
            Ok((Reply::NotHere, _)) => {}
            Ok((Reply::Failed(why), _)) => silent.push(format!("{} ({why})", member.name)),
            Ok((reply, octets)) => match taken(reply, octets) {
                Some(taken) => return Ok(taken),
                None => silent.push(member.name),
            },
            Err(_) => silent.push(member.name),
        }
    }
    Err(nobody(mail, &silent))
}

fn by_holder(mut members: Vec<MemberView>, holder: Option<NodeId>) -> Vec<MemberView> {
    members.sort_by_key(|m| (Some(m.id) != holder, !m.connected));
    members
}

fn nobody(mail: MailId, silent: &[String]) -> Problem {
    if silent.is_empty() {
        return Problem::not_found(format!("mail {mail} lies on no node any more"));
    }
    Problem::unavailable(format!("no node that answers has mail {mail}; not reached: {}", silent.join(", ")))
        .advise("It can be had again when that node is back.")
}

struct Paged {
    /// Its id in the cursor; empty: this node.
    node: String,
    name: String,
    page: JourneyPage,
}

/// Where each node's next page begins: `node=row`, joined by commas; `node=end` when it has no more. A number alone is this
/// node's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cursor(BTreeMap<String, Option<i64>>);

impl Cursor {
    fn read(text: Option<&str>) -> Option<Self> {
        let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else { return Some(Self::default()) };
        let one = |part: &str| {
            let (node, row) = part.split_once('=').unwrap_or(("", part));
            let row = if row == "end" { None } else { Some(row.parse().ok()?) };
            Some((node.to_owned(), row))
        };
        text.split(',').map(one).collect::<Option<_>>().map(Self)
    }

    /// What to give as `before`; `None`: nothing is left there.
    #[expect(clippy::option_option, reason = "whether to ask at all, and from where")]
    fn of(&self, node: &str) -> Option<Option<i64>> {
        match self.0.get(node) {
            None => Some(None),
            Some(Some(row)) => Some(Some(*row)),
            Some(None) => None,
        }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let (1, Some(Some(row))) = (self.0.len(), self.0.get("")) {
            return write!(f, "{row}");
        }
        for (i, (node, row)) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            match row {
                Some(row) => write!(f, "{comma}{node}={row}")?,
                None => write!(f, "{comma}{node}=end")?,
            }
        }
        Ok(())
    }
}

/// The newest of all pages, and where each node goes on.
fn merge(pages: Vec<Paged>, asked: &Cursor, limit: usize) -> (Vec<(String, JourneySummary)>, Option<String>) {
    let mut next = Cursor(asked.0.iter().filter(|(n, _)| !pages.iter().any(|p| p.node == **n)).map(|(n, r)| (n.clone(), *r)).collect());
    let mut rows: Vec<(usize, i64, JourneySummary)> = Vec::new();
    for (i, paged) in pages.iter().enumerate() {
        rows.extend(paged.page.journeys.iter().zip(&paged.page.rows).map(|(j, row)| (i, *row, j.clone())));
    }
    rows.sort_by(|a, b| b.2.at.cmp(&a.2.at).then(b.2.mail.cmp(&a.2.mail)));
    let left = rows.split_off(rows.len().min(limit.max(1)));
    for (i, paged) in pages.iter().enumerate() {
        let last_shown = rows.iter().filter(|r| r.0 == i).map(|r| r.1).min();
        let has_left = left.iter().any(|r| r.0 == i);
        let goes_on = match (has_left, last_shown) {
            (true, Some(row)) => Some(row),
            (true, None) => {
                // Nothing of it was shown: it begins again where it was asked.
                match asked.of(&paged.node) {
                    Some(Some(row)) => Some(row),
                    _ => continue,
                }
            }
            (false, _) => paged.page.next,
        };
        next.0.insert(paged.node.clone(), goes_on);
    }
    let is_over = left.is_empty() && next.0.values().all(Option::is_none);
    let rows = rows.into_iter().map(|(i, _, summary)| (pages[i].name.clone(), summary)).collect();
    (rows, (!is_over).then(|| next.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::IpAddr;

    use postern_model::address::ReversePath;
    use postern_model::envelope::Direction;
    use postern_model::reason::Reason;
    use postern_model::time::Timestamp;

    use super::*;

    fn summary(at: i64) -> JourneySummary {
        JourneySummary {
            mail: MailId::new(Timestamp(at), 1),
            at: Timestamp(at),
            direction: Direction::Inbound,
            client: IpAddr::from([192, 0, 2, 1]),
            mail_from: ReversePath::Null,
            recipients: Vec::new(),
            from_header: None,
            subject: None,
            message_id: None,
            size: 1,
            action: "accept".into(),
            reason: Reason::Clean,
            score: 0.0,
        }
    }

    /// A node's mails, newest first, by their times; its rows are numbered from the oldest.
    struct Node(&'static str, Vec<i64>);

    impl Node {
        fn page(&self, before: Option<i64>, limit: usize) -> JourneyPage {
            let rows: Vec<i64> = (0..self.1.len() as i64).rev().filter(|r| before.is_none_or(|b| *r < b)).collect();
            let shown: Vec<i64> = rows.iter().copied().take(limit).collect();
            let next = if rows.len() > limit { shown.last().copied() } else { None };
            let mut oldest_first = self.1.clone();
            oldest_first.sort_unstable();
            let journeys = shown.iter().map(|r| summary(oldest_first[usize::try_from(*r).unwrap()])).collect();
            JourneyPage { journeys, rows: shown, next }
        }
    }

    #[test]
    fn pages_of_all_nodes_give_every_mail_once_and_newest_first() {
        let nodes = [Node("", vec![10, 40, 70, 71, 72]), Node("aa", vec![20, 30, 60]), Node("bb", vec![]), Node("cc", vec![5])];
        for limit in 1..8 {
            let mut cursor: Option<String> = None;
            let mut seen = Vec::new();
            for _ in 0..20 {
                let asked = Cursor::read(cursor.as_deref()).unwrap();
                let pages = nodes.iter().filter_map(|n| {
                    let before = asked.of(n.0)?;
                    Some(Paged { node: n.0.to_owned(), name: n.0.to_owned(), page: n.page(before, limit) })
                });
                let (rows, next) = merge(pages.collect(), &asked, limit);
                seen.extend(rows.iter().map(|(_, s)| s.at.0));
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, [72, 71, 70, 60, 40, 30, 20, 10, 5], "limit {limit}");
            assert!(cursor.is_none(), "limit {limit}");
        }
    }

    #[test]
    fn a_cursor_reads_back_and_nonsense_is_refused() {
        for text in ["17", "=3,aa=end", "aa=1,bb=2"] {
            assert_eq!(Cursor::read(Some(text)).unwrap().to_string(), text);
        }
        assert_eq!(Cursor::read(Some("x,y")), None);
        assert_eq!(Cursor::read(Some("")).unwrap(), Cursor::default());
    }
}

/// Why a peer did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It may be there again soon.
    #[error("{0}")]
    Away(String),
    #[error("{0}")]
    Refused(String),
}

/// # Errors
/// When the peer does not answer, or its machine is no appliance.
pub async fn machine(console: &Console, node: NodeId) -> Result<Machine, Trouble> {
    match reply_of(console, node, &Question::Machine, SOON).await? {
        (Reply::Machine(machine), _) => Ok(*machine),
        (other, _) => Err(refusal(other)),
    }
}

/// # Errors
/// When the peer does not answer, or refuses.
pub async fn order(console: &Console, node: NodeId, order: Order) -> Result<(), Trouble> {
    done_by(console, node, &Question::Order(order), SOON).await
}

/// # Errors
/// When the peer does not get the bundle, or refuses it.
pub async fn take_update(console: &Console, node: NodeId, allow_older: bool) -> Result<(), Trouble> {
    done_by(console, node, &Question::TakeUpdate { allow_older }, rolling::TAKE).await
}

/// # Errors
/// When the peer does not answer.
pub async fn piece_of_update(console: &Console, node: NodeId, offset: u64) -> Result<Bytes, Trouble> {
    match reply_of(console, node, &Question::PieceOfUpdate { offset }, rolling::ONE_PIECE).await? {
        (Reply::Piece, piece) => Ok(piece),
        (other, _) => Err(refusal(other)),
    }
}

async fn done_by(console: &Console, node: NodeId, question: &Question, limit: Duration) -> Result<(), Trouble> {
    match reply_of(console, node, question, limit).await? {
        (Reply::Done, _) => Ok(()),
        (other, _) => Err(refusal(other)),
    }
}

async fn reply_of(console: &Console, node: NodeId, question: &Question, limit: Duration) -> Result<(Reply, Bytes), Trouble> {
    ask(console, node, question, limit).await.map_err(Trouble::Away)
}

fn refusal(reply: Reply) -> Trouble {
    Trouble::Refused(match reply {
        Reply::Failed(why) => why,
        other => format!("an answer to something else: {other:?}"),
    })
}
