//! The machine: its states, what it asks, and how answers move it on. Commands are in `commands.rs`.

use std::sync::Arc;

use memchr::memchr;
use postern_model::envelope::BodyType;
use postern_model::reason::Reason;

use super::action::{Action, Ending, Question, Refused, Taken};
use super::config::{Config, Dialect, StartTls};
use super::content::{Form, Incoming};
use super::text::Piece;
use crate::reply::{self, Reply};

/// Replies that may gather before they have to be written: a pipelined group is far below.
const MOST_OUTPUT: usize = 32 * 1024;
/// A line of this many times the longest one is not read to its end: the session ends.
const HOPELESS_LINE: usize = 16;
/// What a mail that is already refused may go on for beyond twice the largest mail before the session ends.
pub(super) const HOPELESS_DATA: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) enum State {
    /// Before the greeting.
    Silent,
    Command,
    Asking(Asked),
    /// Inside DATA.
    Data,
    /// Inside a BDAT chunk.
    Chunk(Chunk),
    Handshake,
    Closed(Ending),
}

#[derive(Debug)]
pub(super) enum Asked {
    Hello { esmtp: bool },
    Mail(Box<Transaction>),
    Rcpt,
    Data,
    Chunk(Chunk),
    Finished,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) size: u64,
    pub(super) left: u64,
    pub(super) last: bool,
    /// The chunk came out of turn: it is read over and answered with this.
    pub(super) misplaced: Option<(u16, &'static str, &'static str)>,
}

/// From MAIL to the end of the data.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) body: BodyType,
    pub(super) smtputf8: bool,
    pub(super) recipients: usize,
    /// Octets of content, from the first BDAT or from DATA on.
    pub(super) incoming: Option<Incoming>,
}

#[derive(Debug)]
pub struct Server {
    pub(super) config: Arc<Config>,
    pub(super) start_tls: StartTls,
    pub(super) over_tls: bool,
    pub(super) state: State,
    /// `Some(esmtp)` after a HELO, EHLO or LHLO that was answered with 250.
    pub(super) greeted: Option<bool>,
    pub(super) draining: bool,
    pub(super) errors: u32,
    pub(super) transactions: u32,
    /// Commands since the last mail that do no work.
    pub(super) junk: u32,
    pub(super) transaction: Option<Box<Transaction>>,
    pub(super) question: Option<Question>,
    pub(super) forgotten: Option<Option<Reason>>,
    /// The beginning of a command line whose end has not come yet.
    line: Vec<u8>,
    /// Octets of a command line that is too long.
    overlong: usize,
    pub(super) out: Vec<u8>,
}

impl Server {
    pub fn new(config: Arc<Config>, start_tls: StartTls) -> Self {
        Self {
            config,
            start_tls,
            over_tls: false,
            state: State::Silent,
            greeted: None,
            draining: false,
            errors: 0,
            transactions: 0,
            junk: 0,
            transaction: None,
            question: None,
            forgotten: None,
            line: Vec::new(),
            overlong: 0,
            out: Vec::new(),
        }
    }

    /// What is to be written. The caller empties it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Errors of the client so far.
    pub fn errors(&self) -> u32 {
        self.errors
    }

    /// True inside DATA and BDAT, where other time limits hold.
    pub fn is_receiving(&self) -> bool {
        matches!(self.state, State::Data | State::Chunk(_))
    }

    /// True when nothing is lost by ending the session now.
    pub fn is_between_mails(&self) -> bool {
        matches!(self.state, State::Command) && self.transaction.is_none() && self.line.is_empty()
    }

    /// Says 220; from now on commands are read.
    pub fn greet(&mut self) {
        let protocol = if self.config.dialect == Dialect::Lmtp { "LMTP" } else { "ESMTP" };
        let text = format!("{} {protocol}", self.config.hostname);
        reply::write(&mut self.out, 220, "", &text);
        self.state = State::Command;
    }

    /// Refuses the client in place of a greeting, and closes (RFC 5321 §3.1).
    pub fn refuse_client(&mut self, refused: &Refused) {
        self.refuse(&Refused { close: true, ..refused.clone() });
    }

    /// The handshake is done: everything the client said before is forgotten (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        self.over_tls = true;
        self.greeted = None;
        self.forget(None);
        if matches!(self.state, State::Handshake) {
            self.state = State::Command;
        }
    }

    /// From now on the next command is answered with 421 (RFC 5321 §3.8). Data that are coming in are still taken.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Ends the session from our side: the reason's reply, then close.
    pub fn end(&mut self, reason: Reason) {
        if !matches!(self.state, State::Closed(_)) {
            let (code, enhanced, text) = reason.reply();
            reply::write(&mut self.out, code, enhanced, text);
            self.close(Ending::Ours(reason));
        }
    }

    /// Refuses the mail whose octets are coming in, because they can't be kept.
    pub fn refuse_body(&mut self, refused: Refused) {
        let incoming = self.transaction.as_mut().and_then(|t| t.incoming.as_mut());
        if let Some(incoming) = incoming.filter(|i| i.refused.is_none()) {
            self.forgotten = Some(Some(refused.reason));
            incoming.refused = Some(refused);
        }
    }

    /// What to do next, with `input` as what the client sent; what is used is cut from its front.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Action<'a> {
        loop {
            if let Some(why) = self.forgotten.take() {
                return Action::Forget(why);
            }
            if let Some(question) = self.question.take() {
                return Action::Ask(question);
            }
            let action = match &mut self.state {
                State::Silent | State::Asking(_) => Some(Action::Wait),
                State::Command if self.out.len() > MOST_OUTPUT => Some(Action::Write),
                State::Command => self.read_line(input),
                State::Data => self.read_data(input),
                State::Chunk(_) => self.read_chunk(input),
                State::Handshake => {
                    *input = &[];
                    Some(Action::StartTls)
                }
                State::Closed(ending) => {
                    *input = &[];
                    Some(Action::Close(*ending))
                }
            };
            if let Some(action) = action {
                return action;
            }
        }
    }

    /// One command line. Lines that are whole are read where they are; only a beginning is kept.
    fn read_line<'a>(&mut self, input: &mut &'a [u8]) -> Option<Action<'a>> {
        let longest = self.config.limits.max_command_line;
        let end = memchr(b'\n', input).map(|at| at + 1);
        let (line, rest) = input.split_at(end.unwrap_or(input.len()));
        *input = rest;
        // A TLS hello (RFC 8446 §5.1) has no line end to wait for, and is longer than a command may be when it comes in one piece.
        if self.overlong == 0 && self.line.iter().chain(line).take(2).eq(&[0x16, 0x03]) {
            self.other_protocol();
            return None;
        }
        let length = self.overlong + self.line.len() + line.len();
        if length > longest.saturating_mul(HOPELESS_LINE) {
            self.say(500, "5.5.2", "line far too long");
            self.close(Ending::Garbled);
            return None;
        }
        if length > longest {
            self.line = Vec::new();
            self.overlong = length;
            if end.is_some() {
                self.overlong = 0;
                self.error(500, "5.5.2", "line too long");
                return None;
            }
            return Some(Action::Read);
        }
        if end.is_none() {
            self.line.extend_from_slice(line);
            return Some(Action::Read);
        }
        if self.line.is_empty() {
            self.execute_line(line);
        } else {
            let mut whole = std::mem::take(&mut self.line);
            whole.extend_from_slice(line);
            self.execute_line(&whole);
        }
        None
    }

    fn read_data<'a>(&mut self, input: &mut &'a [u8]) -> Option<Action<'a>> {
        let config = Arc::clone(&self.config);
        let Some(incoming) = self.transaction.as_mut().and_then(|t| t.incoming.as_mut()) else {
            self.state = State::Command;
            return None;
        };
        let Form::Text(text) = &mut incoming.form else {
            self.state = State::Command;
            return None;
        };
        match text.take(input) {
            Piece::More => Some(Action::Read),
            Piece::Run(run) => {
                let wanted_before = incoming.refused.is_none();
                if incoming.see(run, &config.limits, config.newlines) {
                    return Some(Action::Body(run));
                }
                if wanted_before {
                    self.forgotten = Some(incoming.refused.as_ref().map(|r| r.reason));
                }
                self.stop_if_hopeless();
                None
            }
            Piece::End => {
                self.content_is_whole();
                None
            }
        }
    }

    /// A client that goes on sending long after its mail was refused is cut off.
    pub(super) fn stop_if_hopeless(&mut self) {
        let most = self.config.limits.max_message_size.saturating_mul(2).saturating_add(HOPELESS_DATA);
        let incoming = self.transaction.as_ref().and_then(|t| t.incoming.as_ref());
        if let Some(refused) = incoming.filter(|i| i.size() > most).and_then(|i| i.refused.clone()) {
            self.refuse(&Refused { close: true, ..refused });
        }
    }

    /// The last octet came: ask, or say why not.
    pub(super) fn content_is_whole(&mut self) {
        match self.transaction.as_mut().and_then(|t| t.incoming.as_mut()).map(|i| (i.refused.take(), i.content())) {
            Some((None, content)) => self.ask(Asked::Finished, Question::Finished(content)),
            Some((Some(refused), _)) => {
                self.finish_with(&at_least_transient(&refused.reply), refused.close);
                self.count_error();
            }
            None => self.state = State::Command,
        }
    }

    pub(super) fn ask(&mut self, asked: Asked, question: Question) {
        self.state = State::Asking(asked);
        self.question = Some(question);
    }

    /// Answers every question but the last.
    pub fn answer(&mut self, answer: Result<(), Refused>) {
        let State::Asking(asked) = std::mem::replace(&mut self.state, State::Command) else { return };
        match (asked, answer) {
            (Asked::Hello { esmtp }, Ok(())) => self.hello_accepted(esmtp),
            (Asked::Mail(transaction), Ok(())) => {
                self.transactions += 1;
                self.transaction = Some(transaction);
                self.say(250, "2.1.0", "sender ok");
            }
            (Asked::Rcpt, Ok(())) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients += 1;
                }
                self.say(250, "2.1.5", "recipient ok");
            }
            (Asked::Data, Ok(())) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.incoming = Some(Incoming::data());
                }
                self.state = State::Data;
                self.say(354, "", "go ahead, end with CR LF . CR LF");
            }
            (Asked::Chunk(chunk), answer) => self.begin_chunks(chunk, answer.err()),
            // Only `conclude` knows what to say: saying nothing safe, it is a 451.
            (Asked::Finished, _) => self.finish_with(&Refused::of(Reason::StorageError).reply, false),
            (_, Err(refused)) => self.refuse(&refused),
        }
    }

    /// Answers [`Question::Finished`].
    pub fn conclude(&mut self, outcome: Result<Taken, Refused>) {
        if !matches!(self.state, State::Asking(Asked::Finished)) {
            return;
        }
        match outcome {
            Ok(taken) => {
                self.junk = 0;
                self.finish_with(&Reply::new(250, "2.0.0", taken.text), false);
            }
            Err(refused) => self.finish_with(&at_least_transient(&refused.reply), refused.close),
        }
    }

    /// Ends the transaction with `reply`: once, or once for each recipient (RFC 2033 §4.2).
    fn finish_with(&mut self, reply: &Reply, close: bool) {
        let recipients = self.transaction.take().map_or(1, |t| t.recipients);
        let times = if self.config.dialect == Dialect::Lmtp { recipients } else { 1 };
        for _ in 0..times {
            reply.write_to(&mut self.out);
        }
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Command;
        }
        if close {
            self.close(Ending::Refused);
        }
    }

    pub(super) fn refuse(&mut self, refused: &Refused) {
        at_least_transient(&refused.reply).write_to(&mut self.out);
        if refused.close {
            self.close(Ending::Refused);
        }
    }

    pub(super) fn say(&mut self, code: u16, enhanced: &str, text: &str) {
        reply::write(&mut self.out, code, enhanced, text);
    }

    /// A reply to something the client did wrong.
    pub(super) fn error(&mut self, code: u16, enhanced: &str, text: &str) {
        self.say(code, enhanced, text);
        self.count_error();
    }

    pub(super) fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
        if self.errors as usize >= self.config.limits.max_errors {
            self.close_after_errors();
        }
    }

    fn close_after_errors(&mut self) {
        if !matches!(self.state, State::Closed(_)) {
            let (code, enhanced, text) = Reason::TooManyErrors.reply();
            self.say(code, enhanced, text);
            self.close(Ending::TooManyErrors);
        }
    }

    pub(super) fn close(&mut self, ending: Ending) {
        self.transaction = None;
        self.line = Vec::new();
        self.state = State::Closed(ending);
    }

    /// Drops the transaction, and has the caller drop his side of it.
    pub(super) fn forget(&mut self, why: Option<Reason>) {
        if self.transaction.take().is_some() {
            self.forgotten = Some(why);
        }
    }
}

/// A refusal is 4xx or 5xx, whatever the caller wrote.
fn at_least_transient(reply: &Reply) -> Reply {
    if (400..600).contains(&reply.code) { reply.clone() } else { Reply::new(451, "4.3.0", reply.text.clone()) }
}
