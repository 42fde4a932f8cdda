//! One mail transaction in flight: which commands were sent and what was answered.

use std::collections::VecDeque;
use std::fmt::Write as _;

use postern_model::address::{Address, ReversePath};
use postern_model::envelope::Recipient;
use postern_model::settings::delivery::Protocol;

use super::capabilities::Capabilities;
use super::dots::BodyForm;
use super::parameters::{self, Form, Transaction};
use super::reply::{EnhancedCode, Reply};
use super::{Outcome, RecipientReply, Stage};

/// Commands that may wait for their replies: the peer's replies to these fit into any socket buffer, so neither side can
/// block on writing while the other does too (RFC 2920 §3.1).
const MAX_IN_FLIGHT: usize = 128;
/// A body up to this size goes out with its commands in one burst when the peer offers CHUNKING: one round trip a mail.
/// Larger ones wait for the replies to RCPT, so that a refused mail does not cost its octets.
const MAX_EAGER_BODY: u64 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Rset,
    Mail,
    Rcpt,
    Data,
    /// BDAT with LAST and its octets, sent without waiting for anything.
    EagerChunk,
    /// The same, once all recipients are answered.
    PatientChunk,
    /// The text after DATA, or (LMTP) one more reply to it.
    Text,
    /// The RSET that ends a question.
    Leave,
}

#[derive(Debug)]
enum Verdict {
    Waiting,
    Taken,
    Final(Stage, Reply),
}

/// What the connection is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Option<BodyForm>),
    Read,
    Finished,
}

/// The peer answered something that has no place here.
#[derive(Debug)]
pub(super) struct Unexpected(pub Stage, pub Reply);

#[derive(Debug)]
pub(super) struct Running {
    protocol: Protocol,
    pipelining: bool,
    is_question: bool,
    /// All command lines, one after another.
    lines: String,
    /// Commands not yet handed out, with the end of their line in `lines`.
    unsent: VecDeque<(Command, usize)>,
    /// End of the lines that are written, and of those that are to be written now.
    written: usize,
    released: usize,
    /// Commands whose replies are still to come.
    in_flight: VecDeque<Command>,
    /// The body, when it is to be written now.
    body: Option<BodyForm>,
    recipients: Vec<Verdict>,
    /// The recipient that the next reply to RCPT is about; later (LMTP) that to the text.
    index: usize,
    is_finished: bool,
    /// Replies that came.
    pub(super) replies: usize,
    /// The peer still has a half-made transaction: RSET goes before the next one.
    pub(super) needs_reset: bool,
    /// The connection is of no more use (421).
    pub(super) is_closing: bool,
}

impl Running {
    fn new(protocol: Protocol, peer: &Capabilities, recipients: usize, needs_reset: bool) -> Self {
        let mut run = Self {
            protocol,
            pipelining: peer.pipelining,
            is_question: false,
            lines: String::with_capacity(96 + 64 * recipients),
            unsent: VecDeque::with_capacity(recipients + 3),
            written: 0,
            released: 0,
            in_flight: VecDeque::with_capacity(recipients + 3),
            body: None,
            recipients: (0..recipients).map(|_| Verdict::Waiting).collect(),
            index: 0,
            is_finished: false,
            replies: 0,
            needs_reset,
            is_closing: false,
        };
        if needs_reset {
            run.lines.push_str("RSET\r\n");
            run.plan(Command::Rset);
        }
        run
    }

    /// Prepares a mail, or says at once why this peer cannot take it.
    pub(super) fn mail(t: &Transaction<'_>, protocol: Protocol, peer: &Capabilities, needs_reset: bool) -> Result<Self, Reply> {
        let form = Form::choose(t, peer)?;
        let mut run = Self::new(protocol, peer, t.recipients.len(), needs_reset);
        parameters::mail(&mut run.lines, t, form, peer);
        run.plan(Command::Mail);
        for recipient in t.recipients {
            parameters::rcpt(&mut run.lines, recipient, peer);
            run.plan(Command::Rcpt);
        }
        let octets = t.payload.len();
        // LMTP answers once for each recipient; what BDAT does there is written in no RFC, so it gets DATA when it can.
        if form.is_binary || (protocol == Protocol::Smtp && peer.chunking) {
            let _ = write!(run.lines, "BDAT {octets} LAST\r\n");
            let is_eager = peer.pipelining && octets <= MAX_EAGER_BODY && protocol == Protocol::Smtp;
            run.plan(if is_eager { Command::EagerChunk } else { Command::PatientChunk });
        } else {
            run.lines.push_str("DATA\r\n");
            run.plan(Command::Data);
        }
        Ok(run)
    }

    /// Prepares a question: would these recipients be taken? Ends with RSET.
    pub(super) fn question(recipients: &[&Address], protocol: Protocol, peer: &Capabilities, needs_reset: bool) -> Self {
        let mut run = Self::new(protocol, peer, recipients.len(), needs_reset);
        run.is_question = true;
        parameters::mail_from(&mut run.lines, &ReversePath::Null);
        if peer.smtputf8 && recipients.iter().any(|a| a.needs_smtputf8()) {
            run.lines.push_str(" SMTPUTF8");
        }
        run.lines.push_str("\r\n");
        run.plan(Command::Mail);
        for address in recipients {
            parameters::rcpt(&mut run.lines, &Recipient::plain((*address).clone()), &Capabilities::default());
            run.plan(Command::Rcpt);
        }
        run.lines.push_str("RSET\r\n");
        run.plan(Command::Leave);
        run
    }

    fn plan(&mut self, command: Command) {
        self.unsent.push_back((command, self.lines.len()));
    }

    fn has_taken(&self) -> bool {
        self.recipients.iter().any(|r| matches!(r, Verdict::Taken))
    }

    pub(super) fn next(&mut self) -> Next {
        self.release();
        if self.is_finished {
            Next::Finished
        } else if self.body.is_some() || self.released > self.written {
            Next::Send(self.body)
        } else {
            Next::Read
        }
    }

    pub(super) fn output(&self) -> &[u8] {
        &self.lines.as_bytes()[self.written..self.released]
    }

    pub(super) fn sent(&mut self) {
        self.written = self.released;
        self.body = None;
    }

    /// Hands out the commands that may go now.
    fn release(&mut self) {
        while let Some(&(command, end)) = self.unsent.front() {
            let is_alone = self.in_flight.is_empty();
            let is_allowed = match command {
                Command::PatientChunk => is_alone,
                _ => is_alone || (self.pipelining && self.in_flight.len() < MAX_IN_FLIGHT),
            };
            if !is_allowed || self.body.is_some() {
                return;
            }
            self.unsent.pop_front();
            let is_pointless = is_alone
                && self.released == self.written
                && match command {
                    Command::Rcpt => matches!(self.recipients.get(self.index), Some(Verdict::Final(..))),
                    Command::Data | Command::EagerChunk | Command::PatientChunk => !self.has_taken(),
                    _ => false,
                };
            if is_pointless {
                // Everything before was answered, and the answers make this command useless.
                if command == Command::Rcpt {
                    self.index += 1;
                }
                self.written = end;
                self.released = end;
                self.is_finished = self.unsent.is_empty();
                continue;
            }
            self.released = end;
            self.in_flight.push_back(command);
            if matches!(command, Command::EagerChunk | Command::PatientChunk) {
                self.body = Some(BodyForm::Raw);
            }
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.in_flight.front().or(self.unsent.front().map(|(c, _)| c)) {
            Some(Command::Rset | Command::Mail | Command::Leave) => Stage::Mail,
            Some(Command::Rcpt) => Stage::Rcpt,
            Some(Command::Data) => Stage::Data,
            Some(Command::EagerChunk | Command::PatientChunk | Command::Text) | None => Stage::Text,
        }
    }

    pub(super) fn reply(&mut self, reply: Reply) -> Result<(), Unexpected> {
        let stage = self.stage();
        self.replies += 1;
        if reply.code == 421 {
            // RFC 5321 §3.8: the peer closes; what is unanswered was not done.
            self.settle(stage, &reply, |_| true);
            self.is_closing = true;
            self.is_finished = true;
            return Ok(());
        }
        let Some(command) = self.in_flight.pop_front() else { return Err(Unexpected(stage, reply)) };
        let is_go_on = (300..400).contains(&reply.code);
        if is_go_on != (command == Command::Data && (is_go_on || reply.is_positive())) {
            return Err(Unexpected(stage, reply));
        }
        match command {
            Command::Rset => self.needs_reset = false,
            Command::Mail if reply.is_positive() => self.needs_reset = true,
            Command::Mail => self.settle(stage, &reply, |_| true),
            Command::Rcpt => {
                let index = self.index;
                self.index += 1;
                let slot = self.recipients.get_mut(index).filter(|v| matches!(v, Verdict::Waiting));
                match slot {
                    Some(slot) if reply.is_positive() && !self.is_question => *slot = Verdict::Taken,
                    Some(slot) => *slot = Verdict::Final(stage, as_rcpt_reply(reply)),
                    None => {}
                }
            }
            Command::Data if !is_go_on => self.settle(stage, &reply, |v| matches!(v, Verdict::Taken)),
            Command::Data => self.go_on(),
            Command::EagerChunk | Command::PatientChunk | Command::Text => self.text_reply(command, stage, reply),
            Command::Leave => self.needs_reset = false,
        }
        self.is_finished |= self.in_flight.is_empty() && self.unsent.is_empty() && self.body.is_none();
        Ok(())
    }

    /// 354: the text is due.
    fn go_on(&mut self) {
        let taken = self.recipients.iter().filter(|v| matches!(v, Verdict::Taken)).count();
        match (taken, self.protocol) {
            (0, Protocol::Smtp) => {
                // RFC 2920 §3.1: nobody was taken, the peer wants text all the same: a dot alone.
                self.lines.push_str(".\r\n");
                self.plan(Command::Text);
            }
            (0, Protocol::Lmtp) => {
                // RFC 2033 §4.2 forbids this 354; how many replies would follow is anybody's guess.
                self.is_closing = true;
            }
            (taken, protocol) => {
                self.body = Some(BodyForm::Dotted);
                self.index = 0;
                let replies = if protocol == Protocol::Lmtp { taken } else { 1 };
                self.in_flight.extend(std::iter::repeat_n(Command::Text, replies));
            }
        }
    }

    fn text_reply(&mut self, command: Command, stage: Stage, reply: Reply) {
        self.needs_reset = !reply.is_positive();
        if self.protocol == Protocol::Smtp {
            self.settle(stage, &reply, |v| matches!(v, Verdict::Taken));
            return;
        }
        if command != Command::Text {
            let taken = self.recipients.iter().filter(|v| matches!(v, Verdict::Taken)).count();
            self.in_flight.extend(std::iter::repeat_n(Command::Text, taken.saturating_sub(1)));
        }
        if let Some(slot) = self.recipients.iter_mut().find(|v| matches!(v, Verdict::Taken)) {
            *slot = Verdict::Final(stage, reply);
        }
    }

    /// Gives a reply to all recipients that are not settled and that `which` names.
    fn settle(&mut self, stage: Stage, reply: &Reply, which: impl Fn(&Verdict) -> bool) {
        for slot in &mut self.recipients {
            if !matches!(slot, Verdict::Final(..)) && which(slot) {
                *slot = Verdict::Final(stage, reply.clone());
            }
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let reply = |v| match v {
            Verdict::Final(stage, reply) => Some(RecipientReply { stage, reply }),
            Verdict::Waiting | Verdict::Taken => None,
        };
        Outcome { recipients: self.recipients.into_iter().map(reply).collect(), replies: self.replies }
    }
}

/// RFC 5321 §4.5.3.1.10: 552 to RCPT means "too many recipients" in old servers and is to be read as 452,
/// unless the enhanced code says that it is about something else (5.2.2: mailbox full).
fn as_rcpt_reply(reply: Reply) -> Reply {
    match reply.enhanced() {
        None | Some(EnhancedCode(_, 5, 3)) if reply.code == 552 => Reply { code: 452, ..reply },
        _ => reply,
    }
}
