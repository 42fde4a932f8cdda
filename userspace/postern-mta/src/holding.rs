//! Mails that were answered with 250 and wait for the sandbox: looked at again, then delivered or kept in the quarantine.
//!
//! Such a mail lies in the spool as held, with a copy at peers as any other, so neither a crash nor the loss of the node loses it; who
//! takes it over looks at it. It is judged anew as a whole, with what is known of its client and envelope; what only the session saw
//! (errors of the protocol, unknown recipients) does not count a second time.
//!
//! Nothing is bounced or dropped here: what would be refused now is kept in the quarantine.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use futures_util::stream;
use postern_edge::offences::Act;
use postern_filter::facts::Sandboxed;
use postern_filter::judge::{Judgement, judge_fully};
use postern_mail::edit;
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::PolicyDecision;
use postern_model::queue::{QueueChange, QueuedMail};
use postern_model::reason::Reason;
use postern_model::settings::sandbox::AfterHold;
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use tokio_util::sync::CancellationToken;

use crate::facts;
use crate::journey::{self, Journey, TakenApart};
use crate::live::Live;
use crate::own_lists;
use crate::panics::contained_future;
use crate::policy::{self, Plan};
use crate::sandbox::Look;
use crate::visit::Visit;

/// How often those that wait are looked through.
const EVERY: Duration = Duration::from_secs(2);
/// Mails that are looked at side by side: sessions, whose clients wait, come first.
const AT_ONCE: usize = 2;
/// Mails in a row that wait on, and time, after which the rest has its turn in the next round: it begins with those whose time is over.
const IN_VAIN: usize = 4;
const ROUND: Duration = Duration::from_secs(10);

/// What comes of a mail that waits no more, without a word from the sandbox. `unheld`: what the rest of the verdict says.
pub(crate) fn when_over(then: AfterHold, unheld: (Action, Reason)) -> (Action, Reason) {
    match (then, unheld) {
        (_, (action, reason)) if action >= Action::Quarantine => (Action::Quarantine, reason),
        (AfterHold::Deliver, unheld) => unheld,
        (AfterHold::Quarantine, _) => (Action::Quarantine, Reason::CheckUnavailable),
    }
}

/// Looks after them until the node stops.
pub async fn keep(journey: Arc<Journey>, stop: CancellationToken) {
    let mut last = None;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        journey.look_through(&mut last).await;
    }
}

/// A second look at a mail.
struct Looked {
    verdict: Verdict,
    /// The hardest for any of its recipients.
    action: Action,
    reason: Reason,
    unheld: (Action, Reason),
    sandboxed: Sandboxed,
    decisions: Vec<PolicyDecision>,
}

#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Ended,
    WaitsOn,
}

impl Journey {
    /// One round, from behind the `last` mail that was looked at; those whose time is over come first.
    async fn look_through(self: &Arc<Self>, last: &mut Option<MailId>) {
        let waiting = self.queue.waiting_for_sandbox();
        if waiting.is_empty() {
            return;
        }
        let live = self.live.load_full();
        let (over, mut waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|mail| is_over(&live, mail));
        let look = |mail: Arc<QueuedMail>| {
            let (journey, live) = (Arc::clone(self), Arc::clone(&live));
            async move { (mail.id, journey.look_again(&live, &mail).await) }
        };
        stream::iter(over).map(look).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;
        if waiting.is_empty() || !live.sandbox.is_worth_asking().await {
            return;
        }
        let behind = last.map_or(0, |last| waiting.partition_point(|mail| mail.id <= last));
        waiting.rotate_left(behind);
        let mut turns = stream::iter(waiting).map(look).buffered(AT_ONCE);
        let (began, mut in_vain) = (Instant::now(), 0);
        while let Some((id, turn)) = turns.next().await {
            *last = Some(id);
            in_vain = if turn == Turn::WaitsOn { in_vain + 1 } else { 0 };
            if in_vain >= IN_VAIN || began.elapsed() > ROUND {
                return;
            }
        }
    }

    async fn look_again(self: &Arc<Self>, live: &Arc<Live>, mail: &Arc<QueuedMail>) -> Turn {
        // A content that makes its reader panic must not end the others' waiting.
        let looked = match contained_future(Box::pin(self.judge_again(live, mail))).await {
            Ok(looked) => looked,
            Err(_) => Err("a fault of the program, logged above".to_owned()),
        };
        let is_over = is_over(live, mail);
        let then = live.settings.sandbox.hold.then;
        let (action, reason, why) = match &looked {
            Ok(looked) if is_decided(looked) => (looked.action, looked.reason, "the sandbox has looked at it".to_owned()),
            Ok(looked) if is_over => {
                let unheld = if looked.sandboxed.unanswered.is_empty() { (looked.action, looked.reason) } else { looked.unheld };
                let (action, reason) = when_over(then, unheld);
                (action, reason, format!("its time is over: {}", missing(looked)))
            }
            Err(e) if is_over => {
                let (action, reason) = when_over(then, (Action::Accept, Reason::Clean));
                (action, reason, format!("its time is over, and it could not be looked at: {e}"))
            }
            Ok(_) => return Turn::WaitsOn,
            Err(e) => {
                tracing::warn!(mail = %mail.id, error = e, "a mail that is held could not be looked at: tried again until its time is over");
                return Turn::WaitsOn;
            }
        };
        let action = if action >= Action::Quarantine { Action::Quarantine } else { action };
        self.settle(live, mail, looked.ok(), action, reason, &why).await
    }

    async fn judge_again(self: &Arc<Self>, live: &Arc<Live>, mail: &QueuedMail) -> Result<Looked, String> {
        let (spool, id) = (self.spool.clone(), mail.id);
        let read = tokio::task::spawn_blocking(move || spool.read(id)).await.map_err(|e| e.to_string())?;
        let body = read.map_err(|e| e.to_string())?;
        let mut visit = Visit::new(mail.envelope.direction, mail.envelope.client.clone());
        if visit.direction == Direction::Inbound && !live.resolver.is_off() {
            visit.expect(tokio::spawn(journey::ask_about_client(Arc::clone(live), visit.client.ip())));
            journey::ask_about_helo(live, &mut visit);
        }
        journey::ask_about_sender(live, &mut visit, &mail.envelope).await;
        let (body, TakenApart { message, bayes, attachments }) =
            self.take_apart(live, &visit, body, Look::Held).await.map_err(|refusal| refusal.text)?;
        let content = facts::Content { raw: body.bytes(), message, bayes, attachments };
        let facts = facts::gather(live, &self.database, &mut visit, &mail.envelope, content, mail.accepted).await;
        let judgement = judge_fully(&facts, &live.policy);
        let unheld = judgement.unheld(&live.policy);
        let Judgement { verdict, floor } = judgement;
        let own = own_lists::of(&self.database, &live.settings.users, mail.envelope.direction, &mail.envelope.recipients).await;
        let judged = policy::Judged {
            at: mail.accepted,
            direction: mail.envelope.direction,
            client: Some(visit.client.ip()),
            port: Some(visit.client.local.port()),
            sender: &mail.envelope.mail_from,
            message: &facts.message,
            size: mail.size,
            verdict: &verdict,
            floor,
            authentication: &facts.authentication,
            is_unopened: !facts.sandbox.unanswered.is_empty(),
        };
        // Where it goes was decided when it came; what is asked now is whether it goes there.
        let plan = Plan::new(&live.rules, &own, &judged, &mail.envelope.recipients);
        let hardest = plan.decisions.iter().map(|d| (d.action, d.reason)).max_by_key(|(action, _)| *action);
        let (action, reason) = hardest.unwrap_or((verdict.action, verdict.reason));
        let decisions = plan.all_kept();
        Ok(Looked { action, reason, unheld, decisions, sandboxed: facts.sandbox, verdict })
    }

    async fn settle(
        self: &Arc<Self>,
        live: &Live,
        mail: &Arc<QueuedMail>,
        looked: Option<Looked>,
        action: Action,
        reason: Reason,
        why: &str,
    ) -> Turn {
        let mut changes = Vec::new();
        if let Some(looked) = &looked {
            let verdict = Verdict { action, reason, ..looked.verdict.clone() };
            let tag = Some(live.settings.delivery.subject_tag.as_str()).filter(|tag| action == Action::Tag && !tag.is_empty());
            // Read once more: a header in a mapped file is cheaper than a mail kept in memory while it was judged.
            if let Ok(body) = self.spool.read(mail.id) {
                changes.push(QueueChange::Edits(edit::judged_again(&mail.edits, body.bytes(), &verdict, tag)));
            }
        }
        let is_kept = action == Action::Quarantine;
        let moved = match is_kept {
            true => self.queue.quarantine_waiting(mail.id, changes, reason).await,
            false => self.queue.deliver_waiting(mail.id, changes, reason).await,
        };
        match moved {
            Ok(true) => {}
            // Somebody else decided, or a peer has it: not ours to tell.
            Ok(false) => return Turn::Ended,
            Err(e) => {
                tracing::error!(mail = %mail.id, error = %e, "what was decided about a mail that was held is not durable: it is decided again");
                return Turn::WaitsOn;
            }
        }
        let is_decided = looked.as_ref().is_some_and(is_decided);
        let score = looked.as_ref().map_or(mail.score, |l| l.verdict.score);
        if let Some(Looked { verdict, sandboxed, decisions, .. }) = looked {
            if is_decided && verdict.action == Action::Reject && mail.envelope.direction == Direction::Inbound {
                self.feedback.record(mail.envelope.client.ip(), Act::RejectedMail);
            }
            self.note_second_verdict(mail, &verdict, sandboxed.opened, decisions);
        }
        self.note_hold_ended(mail, action, reason, score, why);
        let counter = match (is_decided, is_kept) {
            (true, true) => "hold-quarantined",
            (true, false) => "hold-delivered",
            (false, _) => "hold-overdue",
        };
        self.database.counters().add(counter, 1, now());
        if is_kept {
            self.quarantine.hold(mail.id).await;
        } else if let (Some(author), Action::Accept, Direction::Inbound) = (&mail.from_header, action, mail.envelope.direction) {
            self.database.senders().accepted(author, mail.accepted);
        }
        Turn::Ended
    }
}

/// The sandbox has looked at everything, and nothing else has to be asked again.
fn is_decided(looked: &Looked) -> bool {
    looked.sandboxed.unanswered.is_empty() && !matches!(looked.action, Action::Hold | Action::Defer)
}

fn missing(looked: &Looked) -> String {
    match looked.sandboxed.unanswered.as_slice() {
        [] => format!("{} could not be made", looked.reason),
        unanswered => unanswered.join("; "),
    }
}

fn is_over(live: &Live, mail: &QueuedMail) -> bool {
    now() >= mail.accepted + live.settings.sandbox.hold.time.0
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_is_never_milder_than_the_rest_of_its_verdict() {
        let clean = (Action::Accept, Reason::Clean);
        let tagged = (Action::Tag, Reason::ScoreTag);
        let table = [
            (AfterHold::Deliver, clean, clean),
            (AfterHold::Deliver, tagged, tagged),
            (AfterHold::Quarantine, tagged, (Action::Quarantine, Reason::CheckUnavailable)),
            (AfterHold::Deliver, (Action::Quarantine, Reason::ScoreQuarantine), (Action::Quarantine, Reason::ScoreQuarantine)),
            (AfterHold::Deliver, (Action::Reject, Reason::Virus), (Action::Quarantine, Reason::Virus)),
            (AfterHold::Deliver, (Action::Defer, Reason::CheckUnavailable), (Action::Quarantine, Reason::CheckUnavailable)),
        ];
        for (then, unheld, expected) in table {
            assert_eq!(when_over(then, unheld), expected, "{then:?} {unheld:?}");
        }
    }
}
