//! One mail, from the connection to `Accepted`: the single caller of every check.
//!
//! The session (`session.rs`) speaks SMTP and asks here at each step; the answers are plain data.
//! Nothing here writes to the socket.
//!
//! The order of a visit: [`Journey::connected`] → [`Journey::helo`] → [`Journey::mail_from`] →
//! [`Journey::rcpt_to`] for each recipient → [`Journey::data`]. What needs the network is asked
//! early and waited for late: the client's name and the DNS lists while it waits for the greeting,
//! everything about the content side by side after the data.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use postern_edge::offences::Act;
use postern_filter::bayes::Classifier;
use postern_filter::bayes::features::Client;
use postern_filter::facts::{Asked, BayesFact, Sandboxed};
use postern_filter::judge::{Judgement, judge_fully};
use postern_mail::dns::Answer;
use postern_mail::message::Message;
use postern_model::address::{Address, Domain};
use postern_model::alert::Condition;
use postern_model::envelope::{Direction, Envelope};
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, Step};
use postern_model::queue::{Disposition, QueuedMail};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::settings::Settings;
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use postern_policy::split::{Part, Resolution};
use postern_policy::thresholds::Floor;
use postern_store::database::Database;
use postern_store::database::greylist::GreylistAnswer;
use postern_store::spool::{Accepted, Body, Spool, SpoolError};

use crate::accept;
use crate::dns_lists;
use crate::events::Events;
use crate::facts;
use crate::feedback::Feedback;
use crate::holding;
use crate::live::Live;
use crate::own_lists;
use crate::panics::contained;
use crate::policy::{self, Plan};
use crate::quarantine::QuarantineKeeper;
use crate::queue::{Places, Queue};
use crate::recipients::{self, Recipients};
use crate::sandbox::{Look, Prepared, RuleBook};
use crate::tracked::{Known, Outcome};
use crate::visit::ClientAnswers;
pub use crate::visit::Visit;

/// Bodies above this many octets are taken apart on a thread of their own, so that one large mail
/// does not hold up the sessions that share its core.
const LARGE: usize = 256 * 1024;

/// Everything the journey needs of the node; shared by all sessions.
pub struct Journey {
    pub live: ArcSwap<Live>,
    pub spool: Spool,
    pub queue: Queue,
    pub database: Database,
    pub events: Events,
    pub recipients: Recipients,
    pub feedback: Feedback,
    pub classifier: ArcSwap<Classifier>,
    pub quarantine: QuarantineKeeper,
}

/// What the session tells a refused client: reply code, enhanced code and text; the reason is for our log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub code: u16,
    pub enhanced: String,
    pub text: String,
    /// Close the connection after this reply.
    pub close: bool,
}

impl Refusal {
    /// The reason's own reply.
    pub fn of(reason: Reason) -> Self {
        let (code, enhanced, text) = reason.reply();
        let close = code == 421 || matches!(reason, Reason::Banned | Reason::Pregreet);
        Self { reason, code, enhanced: enhanced.to_owned(), text: text.to_owned(), close }
    }

    fn with_text(self, text: String) -> Self {
        Self { text, ..self }
    }
}

/// The outcome of a mail whose data came whole: one reply for all recipients (SMTP has only one).
#[derive(Debug)]
pub enum DataOutcome {
    /// Durable: the session answers 250 with the id.
    Accepted(Accepted),
    /// Accepted and dropped because an admin's rule says so: answered with 250.
    Discarded(MailId),
    Refused(Refusal),
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

impl Journey {
    /// A client connected (before the greeting): may it speak at all? The questions about its address
    /// are sent off here and waited for when their answers are needed.
    ///
    /// # Errors
    /// The refusal to send in place of the greeting.
    pub async fn connected(self: &Arc<Self>, visit: &mut Visit) -> Result<(), Refusal> {
        let live = self.live.load_full();
        let ip = visit.client.ip();
        if self.feedback.is_banned(ip, now()) {
            return Err(Refusal::of(Reason::Banned));
        }
        if visit.direction == Direction::Outbound && !live.settings.smtp.trusted_networks.iter().any(|n| n.contains(&ip)) {
            self.feedback.record(ip, Act::RelayAttempt);
            return Err(Refusal { code: 554, close: true, ..Refusal::of(Reason::RelayDenied) });
        }
        visit.is_judged = match visit.direction {
            Direction::Inbound => !live.settings.filter.allow_networks.iter().any(|n| n.contains(&ip)),
            Direction::Outbound => live.settings.filter.judge_outbound,
        };
        if visit.is_judged && visit.direction == Direction::Inbound && !live.resolver.is_off() {
            visit.expect(tokio::spawn(ask_about_client(live, ip)));
        }
        Ok(())
    }

    /// The client spoke before the greeting (RFC 5321 §3.1 forbids it; bots do it).
    ///
    /// # Errors
    /// Always for strangers; our own servers are told nothing.
    pub fn pregreeted(self: &Arc<Self>, visit: &mut Visit) -> Result<(), Refusal> {
        visit.pregreet = true;
        if visit.direction == Direction::Outbound || !visit.is_judged {
            return Ok(());
        }
        self.feedback.record(visit.client.ip(), Act::Pregreet);
        Err(Refusal::of(Reason::Pregreet))
    }

    /// EHLO or HELO; `visit.client.helo` is set.
    ///
    /// # Errors
    /// A name that is no name, or that is ours.
    pub async fn helo(self: &Arc<Self>, visit: &mut Visit) -> Result<(), Refusal> {
        let live = self.live.load_full();
        if visit.direction == Direction::Outbound || !visit.is_judged {
            return Ok(());
        }
        let name = visit.client.helo.trim_end_matches('.').to_owned();
        ask_about_helo(&live, visit);
        if !live.settings.smtp.refuse_bad_helo {
            return Ok(());
        }
        let claims_to_be_us = name.eq_ignore_ascii_case(&live.hostname) && !visit.client.ip().is_loopback();
        // RFC 5321 §4.1.1.1 wants a domain name or an address literal; a bare address is neither.
        let is_nonsense = name.parse::<IpAddr>().is_ok() || name.parse::<postern_model::address::Domain>().is_err();
        if claims_to_be_us || is_nonsense {
            self.feedback.record(visit.client.ip(), Act::ProtocolError);
            return Err(Refusal::of(Reason::HeloRefused));
        }
        Ok(())
    }

    /// MAIL FROM with all its parameters (the envelope has no recipients yet).
    ///
    /// # Errors
    /// A sender that could never be answered.
    pub async fn mail_from(self: &Arc<Self>, visit: &mut Visit, envelope: &Envelope) -> Result<(), Refusal> {
        let live = self.live.load_full();
        let Some(domain) = ask_about_sender(&live, visit, envelope).await else { return Ok(()) };
        let is_absent = visit.sender_domain_exists == Asked::Yes(false);
        if live.settings.smtp.refuse_unknown_sender_domain && (visit.sender_null_mx || is_absent) {
            self.feedback.record(visit.client.ip(), Act::ProtocolError);
            let text = format!("the sender's domain {domain} takes no mail, so it could never be answered");
            return Err(Refusal::of(Reason::SenderDomainUnknown).with_text(text));
        }
        Ok(())
    }

    /// One RCPT TO: is it ours, does it exist, is the client welcome?
    ///
    /// # Errors
    /// The refusal for this recipient; others of the same mail are not touched.
    pub async fn rcpt_to(self: &Arc<Self>, visit: &mut Visit, envelope: &Envelope, recipient: &Address) -> Result<(), Refusal> {
        if visit.direction == Direction::Outbound {
            return Ok(());
        }
        let live = self.live.load_full();
        let lists = visit.list_score().await;
        if visit.is_judged && lists >= live.settings.dns_lists.refuse_at && !live.settings.dns_lists.lists.is_empty() {
            let zones: Vec<String> = visit.answers().await.lists.iter().map(|hit| hit.zone.clone()).collect();
            let text = format!("your address {} is listed by {}", visit.client.ip(), zones.join(", "));
            self.feedback.record(visit.client.ip(), Act::RejectedMail);
            return Err(Refusal::of(Reason::DnsList).with_text(text));
        }
        match self.recipients.check(recipient).await {
            recipients::Known::Exists => {}
            recipients::Known::NotOurs => {
                self.feedback.record(visit.client.ip(), Act::RelayAttempt);
                return Err(Refusal::of(Reason::RelayDenied));
            }
            recipients::Known::Missing(words) => {
                visit.unknown_recipients += 1;
                self.feedback.record(visit.client.ip(), Act::UnknownRecipient);
                let refusal = Refusal::of(Reason::UnknownRecipient);
                return Err(match words {
                    Some(words) => refusal.with_text(format!("no such mailbox here; the backend said: {words}")),
                    None => refusal,
                });
            }
            recipients::Known::Unverified(why) => {
                tracing::warn!(%recipient, why, "a recipient cannot be checked: its sender has to try again");
                return Err(Refusal::of(Reason::RecipientUnverified));
            }
        }
        if visit.is_judged { self.greylist(&live, visit, envelope, recipient).await } else { Ok(()) }
    }

    /// Puts off clients that look bad before the data; a good look (name, no lists) costs nobody a delay.
    async fn greylist(&self, live: &Live, visit: &mut Visit, envelope: &Envelope, recipient: &Address) -> Result<(), Refusal> {
        let settings = &live.settings.greylist;
        if !settings.enabled || live.resolver.is_off() {
            return Ok(());
        }
        let nameless = match &visit.answers().await.reverse {
            Asked::Yes(reverse) if reverse.confirmed.is_none() => Score::new(2.0),
            _ => Score::ZERO,
        };
        if (visit.list_score().await + nameless).get() < settings.min_score {
            return Ok(());
        }
        let sender = envelope.mail_from.to_string();
        match self.database.greylist().check(visit.client.ip(), &sender, &recipient.key(), now(), settings).await {
            Ok(GreylistAnswer::Wait(left)) => {
                let text = format!("greylisted, try again in {} seconds", left.as_secs().max(1));
                Err(Refusal::of(Reason::Greylisted).with_text(text))
            }
            Ok(GreylistAnswer::Pass) => Ok(()),
            Err(e) => {
                tracing::warn!(error = %e, "the greylist cannot be asked: nobody is put off");
                Ok(())
            }
        }
    }

    /// The data came whole: facts, verdict, spool.
    pub async fn data(self: &Arc<Self>, visit: &mut Visit, id: MailId, envelope: Envelope, body: Body) -> DataOutcome {
        let live = self.live.load_full();
        let at = now();
        self.note_arrival(visit, id, at);
        let (body, TakenApart { message, bayes, attachments }) = match self.take_apart(&live, visit, body, Look::InSession).await {
            Ok(parts) => parts,
            Err(refusal) => return self.refuse(id, at, refusal),
        };
        let heading = accept::Heading::of(&message);
        let size = body.size();
        let (mut opened, mut unanswered) = (Vec::new(), Vec::new());
        let (judgement, authentication, message) = if visit.is_judged {
            let content = facts::Content { raw: body.bytes(), message, bayes, attachments };
            let facts = facts::gather(&live, &self.database, visit, &envelope, content, at).await;
            let judgement = judge_fully(&facts, &live.policy);
            (opened, unanswered) = (facts.sandbox.opened, facts.sandbox.unanswered);
            (judgement, facts.authentication, facts.message)
        } else {
            // Waits for nothing, but takes a name that is already known into Received.
            (unjudged(), Asked::No, message)
        };
        let unheld = judgement.unheld(&live.policy);
        let Judgement { verdict, floor } = judgement;
        let own = own_lists::of(&self.database, &live.settings.users, envelope.direction, &envelope.recipients).await;
        let judged = policy::Judged {
            at,
            direction: envelope.direction,
            client: Some(visit.client.ip()),
            port: Some(visit.client.local.port()),
            sender: &envelope.mail_from,
            message: &message,
            size,
            verdict: &verdict,
            floor,
            authentication: &authentication,
            is_unopened: !unanswered.is_empty(),
        };
        let plan = Plan::new(&live.rules, &own, &judged, &envelope.recipients);
        let mut plan = if live.settings.users.enabled && visit.direction == Direction::Inbound { plan.each_alone() } else { plan };
        let places = self.make_room(&live, &mut plan, unheld, size);
        let known =
            Known { at, envelope: &envelope, heading: &heading, size, verdict: &verdict, authentication: &authentication, opened: &opened };
        let parts = match &plan.resolution {
            Resolution::Accept(parts) => parts,
            Resolution::Discard => {
                self.note_verdict(visit, id, &known, &Outcome::of_all(&plan, Action::Discard, Reason::Policy));
                return DataOutcome::Discarded(id);
            }
            Resolution::Refuse { action, reason, reply } => {
                self.note_verdict(visit, id, &known, &Outcome::of_all(&plan, *action, *reason));
                // What a rule refuses is not to anybody's discredit.
                if verdict.action == Action::Reject && visit.direction == Direction::Inbound {
                    self.feedback.record(visit.client.ip(), Act::RejectedMail);
                }
                let refusal = Refusal { close: false, ..Refusal::of(*reason) };
                return self.refuse(
                    id,
                    at,
                    match reply {
                        Some(text) => refusal.with_text(text.clone()),
                        None => refusal,
                    },
                );
            }
        };
        // The first is the mildest: the id that the sender is told is the one that is delivered, if one is.
        let ids: Vec<MailId> = parts.iter().enumerate().map(|(n, _)| if n == 0 { id } else { MailId::generate(at) }).collect();
        let mail = |(part, id): (&Part, &MailId)| {
            let envelope = Envelope { recipients: part.recipients.clone(), ..envelope.clone() };
            accept::queued_mail(&live, visit, *id, at, envelope, &body, &heading, &verdict, part, unheld, &authentication)
        };
        let mails: Vec<QueuedMail> = parts.iter().zip(&ids).map(mail).collect();
        let accepted = match self.spool.accept_all(mails, body).await {
            Ok(accepted) => accepted,
            Err(e) => {
                self.note_verdict(visit, id, &known, &Outcome::of_all(&plan, verdict.action, verdict.reason));
                tracing::error!(mail = %id, error = %e, "the spool did not take a mail: its sender keeps it");
                return self.refuse(id, at, Refusal::of(storage_reason(&e)));
            }
        };
        for (part, own) in parts.iter().zip(&ids) {
            if *own != id {
                self.note_arrival(visit, *own, at);
            }
            self.note_verdict(visit, *own, &known, &Outcome::of_part(&plan, part));
            if ids.len() > 1 {
                let parts = ids.iter().filter(|other| *other != own).copied().collect();
                self.events.send(JourneyEvent { mail: *own, at, step: Step::Split { parts } });
            }
            self.events.send(JourneyEvent { mail: *own, at: now(), step: Step::Accepted { size } });
            if part.action == Action::Hold {
                let until = at + live.settings.sandbox.hold.time.0;
                self.events.step(*own, Step::Held { why: unanswered.clone(), until });
                self.database.counters().add("hold-begun", 1, at);
            }
        }
        let is_welcome = parts.iter().any(|p| p.action == Action::Accept);
        if let (Some(author), true, Direction::Inbound) = (&heading.from, is_welcome, visit.direction) {
            self.database.senders().accepted(author, at);
        }
        let mut first = None;
        for accepted in accepted {
            match accepted.mail().disposition {
                Disposition::Quarantine => {
                    let (keeper, id) = (self.quarantine.clone(), accepted.mail().id);
                    tokio::spawn(async move { keeper.hold(id).await });
                }
                Disposition::Deliver | Disposition::Hold => self.queue.enqueue(&accepted),
            }
            first.get_or_insert(accepted);
        }
        // They are counted in the queue from here on.
        drop(places);
        match first {
            Some(first) => DataOutcome::Accepted(first),
            // A resolution that accepts has a part; without one nothing is durable, and nothing may be answered with 250.
            None => self.refuse(id, at, Refusal::of(Reason::StorageError)),
        }
    }

    /// Room for what is to be held. Where there is none, what comes when the waiting is over comes at once.
    fn make_room(&self, live: &Live, plan: &mut Plan, unheld: (Action, Reason), size: u64) -> Option<Places> {
        let Resolution::Accept(parts) = &mut plan.resolution else { return None };
        let held = parts.iter().filter(|p| p.action == Action::Hold).count();
        let bounds = &live.settings.sandbox.hold;
        if held == 0 {
            return None;
        }
        match self.queue.places(bounds, held, size) {
            Ok(places) => Some(places),
            Err(why) => {
                tracing::warn!(%why, "a mail is not held: it is delivered or kept as sandbox.hold.then says");
                self.database.counters().add("hold-no-room", held as u64, now());
                for part in parts.iter_mut().filter(|p| p.action == Action::Hold) {
                    (part.action, part.reason) = holding::when_over(bounds.then, unheld);
                }
                None
            }
        }
    }

    /// Makes what the first mail would wait for, and the greeting need not: tables of the judgement, the model, the authorities of
    /// next hops.
    pub fn prepare(&self) {
        self.live.load().policy.prepare();
        self.classifier.load().prepare();
        self.queue.connector().prepare();
    }

    /// New settings, for the mails that begin from now on. What cannot be used leaves the old ones in force.
    pub fn apply(&self, settings: &Arc<Settings>) {
        let before = self.live.load_full();
        let (seen_files, yara_rules) = (before.sandbox.memory(), before.sandbox.rules());
        match Live::new(Arc::clone(settings), before.hostname.clone(), seen_files, yara_rules) {
            Ok(live) => {
                live.policy.prepare();
                self.live.store(Arc::new(live));
            }
            Err(e) => tracing::error!(error = %e, "the new settings cannot be used: the old ones stay"),
        }
        self.feedback.apply(&settings.edge);
        self.recipients.reload();
        self.queue.reload();
    }

    /// The session refused a mail while it came in: who it was for and why is told, what it said nobody knows. Our own troubles with the
    /// disk come this way too; they are nobody's fault.
    pub fn refused_early(self: &Arc<Self>, visit: &Visit, envelope: Option<Envelope>, reason: Reason) {
        if let Some(envelope) = envelope.filter(|e| !e.recipients.is_empty()) {
            let (id, at) = (MailId::generate(now()), now());
            let refusal = Refusal::of(reason);
            let action = if refusal.code < 500 { Action::Defer } else { Action::Reject };
            self.note_arrival(visit, id, at);
            let verdict = Verdict { action, reason, score: Score::ZERO, hits: Vec::new() };
            let known = Known {
                at,
                envelope: &envelope,
                heading: &accept::Heading::default(),
                size: 0,
                verdict: &verdict,
                authentication: &Asked::No,
                opened: &[],
            };
            self.summarise(id, &known, action, reason, envelope.recipients.iter().map(|r| r.address.clone()).collect());
            self.refuse(id, at, refusal);
        }
        let is_the_mails_fault = matches!(reason, Reason::TooLarge | Reason::BareNewline | Reason::MailLoop);
        if is_the_mails_fault && visit.is_judged && visit.direction == Direction::Inbound {
            self.feedback.record(visit.client.ip(), Act::RejectedMail);
        }
    }

    /// A source opens more sessions a minute than it may, and was told so with 421. (Too many at a time is no offence: large
    /// senders come with many, are told, and come again.)
    pub fn turned_away(&self, client: IpAddr, direction: Direction) {
        if direction == Direction::Inbound && !self.live.load().settings.filter.allow_networks.iter().any(|n| n.contains(&client)) {
            self.feedback.record(client, Act::RejectedMail);
        }
    }

    /// The session ended.
    pub fn disconnected(self: &Arc<Self>, visit: &Visit) {
        if visit.direction == Direction::Inbound && visit.errors > 0 {
            self.feedback.record_many(visit.client.ip(), Act::ProtocolError, visit.errors);
        }
    }

    pub(crate) async fn take_apart<B: AsRef<[u8]> + Send + 'static>(
        self: &Arc<Self>,
        live: &Arc<Live>,
        visit: &Visit,
        body: B,
        look: Look,
    ) -> Result<(B, TakenApart), Refusal> {
        let journey = Arc::clone(self);
        let live = Arc::clone(live);
        let large = body.as_ref().len() > LARGE;
        let limits = live.extraction.clone();
        let uses_bayes = live.settings.filter.bayes.enabled;
        let is_judged = visit.is_judged;
        let reads_whole = is_judged || live.rules.needs_parts();
        let (ip, helo) = (visit.client.ip(), visit.client.helo.clone());
        let work = move || {
            let mail = body.as_ref();
            let message = if reads_whole { postern_mail::read(mail, &limits) } else { postern_mail::read_header(mail, &limits) };
            let bayes =
                if is_judged && uses_bayes { journey.classifier.load().fact(&message, Some(Client { ip, helo: &helo })) } else { None };
            let attachments = if is_judged { live.sandbox.prepare(mail, &message, look) } else { Prepared::default() };
            (body, TakenApart { message, bayes, attachments })
        };
        if !large {
            return Ok(work());
        }
        let unavailable = |e: &dyn std::error::Error| {
            tracing::error!(error = %e, "taking a mail apart failed: its sender keeps it");
            Refusal::of(Reason::CheckUnavailable)
        };
        match tokio::task::spawn_blocking(|| contained(work)).await {
            Ok(parts) => parts.map_err(|e| unavailable(&e)),
            Err(e) => Err(unavailable(&e)),
        }
    }

    /// What is in a mail's attachments, by cells of now and not by what was seen before.
    ///
    /// # Errors
    /// For people: why nobody can say.
    pub async fn open_again(self: &Arc<Self>, mail: Bytes) -> Result<Sandboxed, String> {
        let live = self.live.load_full();
        if !live.settings.sandbox.enabled {
            return Err("the sandbox is switched off (sandbox.enabled)".to_owned());
        }
        let preparing = Arc::clone(&live);
        let read = move || preparing.sandbox.prepare(&mail, &postern_mail::read(&mail, &preparing.extraction), Look::Anew);
        let prepared = tokio::task::spawn_blocking(|| contained(read)).await.map_err(|e| e.to_string())?;
        let prepared = prepared.map_err(|_| "the mail cannot be read: a fault of the program, told in the log".to_owned())?;
        Ok(live.sandbox.ask(prepared).await)
    }

    /// The admin's YARA rules.
    pub fn yara_rules(&self) -> Arc<RuleBook> {
        self.live.load().sandbox.rules()
    }

    /// Who helps to judge, is asked for by the settings, and does not answer now.
    pub async fn silent_helpers(&self) -> Vec<(Condition, String)> {
        let live = self.live.load_full();
        let (clamd, sandbox) = tokio::join!(live.antivirus.silent(), live.sandbox.is_worth_asking());
        let clamd = clamd.map(|place| (Condition::AntivirusAway, format!("clamd at {place} does not answer")));
        let sandbox = (!sandbox).then(|| (Condition::SandboxAway, "the role sandbox does not answer".to_owned()));
        clamd.into_iter().chain(sandbox).collect()
    }

    fn refuse(&self, mail: MailId, at: Timestamp, refusal: Refusal) -> DataOutcome {
        let reply = format!("{} {} {}", refusal.code, refusal.enhanced, refusal.text);
        self.events.send(JourneyEvent { mail, at, step: Step::Refused { reason: refusal.reason, reply: reply.into() } });
        DataOutcome::Refused(refusal)
    }
}

/// The verdict on a mail that nobody judges.
fn unjudged() -> Judgement {
    let (action, reason) = (Action::Accept, Reason::Allowed);
    Judgement { verdict: Verdict { action, reason, score: Score::ZERO, hits: Vec::new() }, floor: Floor::Final(action, reason) }
}

/// What is in a body.
pub(crate) struct TakenApart {
    pub message: Message,
    pub bayes: Option<BayesFact>,
    pub attachments: Prepared,
}

fn storage_reason(error: &SpoolError) -> Reason {
    match error {
        SpoolError::Full(_) => Reason::StorageFull,
        SpoolError::NoCopy => Reason::NoPeer,
        _ => Reason::StorageError,
    }
}

/// Sends off the question whether the name in HELO leads to the client.
pub(crate) fn ask_about_helo(live: &Arc<Live>, visit: &mut Visit) {
    let name = visit.client.helo.trim_end_matches('.').to_owned();
    let lookup = (!live.resolver.is_off() && name.contains('.') && !name.starts_with('['))
        .then(|| tokio::spawn(leads_to(Arc::clone(live), name, visit.client.ip())));
    visit.expect_helo(lookup);
}

/// Whether the sender's domain takes mail. `None`: nobody asked.
pub(crate) async fn ask_about_sender<'e>(live: &Live, visit: &mut Visit, envelope: &'e Envelope) -> Option<&'e Domain> {
    let asks = visit.is_judged && visit.direction == Direction::Inbound && !live.resolver.is_off();
    let domain = envelope.mail_from.domain().filter(|d| asks && !d.is_literal())?;
    let (mx, exists) = tokio::join!(live.resolver.mx(domain.as_str()), live.resolver.exists(domain.as_str()));
    visit.sender_null_mx = matches!(&mx, Answer::Found(list) if list.len() == 1 && list[0].exchange.is_empty());
    visit.sender_domain_exists = facts::existence(&exists);
    Some(domain)
}

/// Whether a name resolves to an address.
async fn leads_to(live: Arc<Live>, name: String, ip: IpAddr) -> Asked<bool> {
    let answer = match ip {
        IpAddr::V4(_) => live.resolver.ipv4(&name).await,
        IpAddr::V6(_) => live.resolver.ipv6(&name).await,
    };
    match answer {
        Answer::Found(addresses) => Asked::Yes(addresses.contains(&ip)),
        other => facts::existence(&other),
    }
}

/// The reverse name and the DNS lists, side by side.
pub(crate) async fn ask_about_client(live: Arc<Live>, ip: IpAddr) -> ClientAnswers {
    let limit = live.settings.dns.timeout.0.max(Duration::from_millis(1));
    let reverse = async {
        match tokio::time::timeout(limit, live.resolver.ptr(ip)).await {
            Ok(Answer::Found(reverse)) => Asked::Yes(reverse),
            Ok(Answer::NoName | Answer::NoData) => Asked::Yes(postern_mail::dns::Reverse { confirmed: None, unconfirmed: None }),
            Ok(Answer::Off) => Asked::No,
            Ok(Answer::Temporary(_)) | Err(_) => Asked::Failed,
        }
    };
    let (reverse, lists) = tokio::join!(reverse, dns_lists::ask_about_address(&live.resolver, &live.settings.dns_lists, ip));
    ClientAnswers { reverse, lists }
}
