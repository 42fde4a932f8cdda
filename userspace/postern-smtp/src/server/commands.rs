//! What each command does (RFC 5321 §4.1.1), but BDAT.

use postern_model::envelope::{BodyType, Recipient};
use postern_model::reason::Reason;

use super::action::{Ending, Hello, MailFrom, Question, Refused};
use super::config::{Dialect, Newlines, StartTls};
use super::machine::{Asked, Server, State, Transaction};
use crate::command::Command;
use crate::parameters::{MailParameters, ParameterError, RcptParameters};
use crate::path;

/// Longest name in EHLO (RFC 5321 §4.5.3.1.2).
const LONGEST_NAME: usize = 255;
/// Commands that do no work (NOOP, RSET, VRFY, EHLO, HELP) allowed between two mails; each further one
/// is an error, so that nobody holds a session open with them.
const JUNK_COMMANDS: u32 = 100;

impl Server {
    /// Executes one command; `line` ends in LF.
    pub(super) fn execute_line(&mut self, line: &[u8]) {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let (text, crlf) = bare.strip_suffix(b"\r").map_or((bare, false), |text| (text, true));
        let command = Command::parse(text);
        if command == Command::OtherProtocol {
            return self.other_protocol();
        }
        if !crlf && self.config.newlines == Newlines::Refuse {
            return self.error(500, "5.5.2", "end lines with CR LF");
        }
        if self.draining && command != Command::Quit {
            return self.end(Reason::ShuttingDown);
        }
        self.execute(command);
    }

    fn execute(&mut self, command: Command<'_>) {
        match command {
            Command::Ehlo(name) if self.config.dialect == Dialect::Smtp => self.hello(name, true),
            Command::Helo(name) if self.config.dialect == Dialect::Smtp => self.hello(name, false),
            Command::Lhlo(name) if self.config.dialect == Dialect::Lmtp => self.hello(name, true),
            // RFC 2033 §4.1: EHLO and HELO are not LMTP, LHLO is not SMTP.
            Command::Ehlo(_) | Command::Helo(_) => self.error(500, "5.5.1", "this is LMTP: say LHLO"),
            Command::Lhlo(_) => self.error(500, "5.5.1", "this is SMTP: say EHLO"),
            Command::Mail(argument) => self.mail(argument),
            Command::Rcpt(argument) => self.rcpt(argument),
            Command::Data => self.data(),
            Command::Bdat(argument) => self.bdat(argument),
            Command::Rset => {
                self.forget(None);
                self.say(250, "2.0.0", "ok");
                self.count_junk();
            }
            Command::Noop => {
                self.say(250, "2.0.0", "ok");
                self.count_junk();
            }
            Command::Help => {
                self.say_help();
                self.count_junk();
            }
            // RFC 5321 §3.5.3: 252 tells nothing about who exists.
            Command::Vrfy("") => self.error(501, "5.5.4", "VRFY takes an address"),
            Command::Vrfy(_) => {
                self.say(252, "2.5.0", "send some mail, I will try my best");
                self.count_junk();
            }
            Command::Expn(_) => {
                self.say(502, "5.5.1", "EXPN is not offered");
                self.count_junk();
            }
            Command::Quit => {
                let text = format!("{} bye", self.config.hostname);
                self.say(221, "2.0.0", &text);
                self.close(Ending::Quit);
            }
            Command::StartTls => self.start_tls(),
            Command::NotOffered => self.error(502, "5.5.1", "not offered"),
            Command::BadArgument(what) => self.error(501, "5.5.4", what),
            Command::Unknown => self.error(500, "5.5.1", "unknown command"),
            Command::OtherProtocol => self.other_protocol(),
        }
    }

    pub(super) fn other_protocol(&mut self) {
        self.say(554, "5.5.1", "this is a mail server");
        self.close(Ending::OtherProtocol);
    }

    fn count_junk(&mut self) {
        self.junk += 1;
        if self.junk > JUNK_COMMANDS {
            self.count_error();
        }
    }

    fn hello(&mut self, name: &str, esmtp: bool) {
        // Some clients write more than a name; the first word is it. U-labels are not allowed here (RFC 6531 §3.7.1).
        let name = name.split([' ', '\t']).next().unwrap_or_default();
        if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return self.error(501, "5.5.4", "say your host name");
        }
        self.forget(None);
        self.ask(Asked::Hello { esmtp }, Question::Hello(Hello { name: name.to_owned(), esmtp }));
    }

    pub(super) fn hello_accepted(&mut self, esmtp: bool) {
        self.greeted = Some(esmtp);
        if esmtp {
            self.say_extensions();
        } else {
            let name = self.config.hostname.to_string();
            self.say(250, "", &name);
        }
        self.count_junk();
    }

    fn mail(&mut self, argument: &str) {
        let Some(esmtp) = self.greeted else {
            return self.error(503, "5.5.1", "say EHLO first");
        };
        if self.start_tls == StartTls::Required && !self.over_tls {
            return self.reason_error(Reason::TlsRequired);
        }
        if self.transaction.is_some() {
            return self.error(503, "5.5.1", "a mail is already begun");
        }
        if self.transactions as usize >= self.config.limits.max_transactions {
            self.say(421, "4.7.0", "enough mails for one session");
            return self.close(Ending::Refused);
        }
        let (path, rest) = match path::reverse_path(argument) {
            Ok(read) => read,
            Err(e) => return self.error(501, "5.1.7", &e.to_string()),
        };
        let parameters = match MailParameters::parse(rest) {
            Ok(parameters) => parameters,
            Err(e) => return self.parameter_error(&e),
        };
        if !esmtp && !rest.trim().is_empty() {
            return self.error(555, "5.5.4", "parameters need EHLO");
        }
        let written = &argument[..argument.len() - rest.len()];
        if !written.is_ascii() && !parameters.smtputf8 {
            return self.error(553, "5.6.7", "an address like this needs SMTPUTF8");
        }
        if parameters.require_tls && !self.over_tls {
            return self.error(530, "5.7.0", "REQUIRETLS needs STARTTLS first");
        }
        if parameters.size.is_some_and(|size| size > self.config.limits.max_message_size) {
            let (code, enhanced, text) = Reason::TooLarge.reply();
            return self.say(code, enhanced, text);
        }
        let transaction = Transaction {
            body: parameters.body.unwrap_or(BodyType::SevenBit),
            smtputf8: parameters.smtputf8,
            recipients: 0,
            incoming: None,
        };
        self.ask(Asked::Mail(Box::new(transaction)), Question::MailFrom(Box::new(MailFrom { path, parameters })));
    }

    fn rcpt(&mut self, argument: &str) {
        let esmtp = self.greeted == Some(true);
        let Some(transaction) = &self.transaction else {
            return self.error(503, "5.5.1", "say MAIL first");
        };
        if transaction.incoming.is_some() {
            return self.error(503, "5.5.1", "the data have begun");
        }
        let (recipients, smtputf8) = (transaction.recipients, transaction.smtputf8);
        let (address, rest) = match path::forward_path(argument, &self.config.hostname) {
            Ok(read) => read,
            Err(e) => return self.error(501, "5.1.3", &e.to_string()),
        };
        let parameters = match RcptParameters::parse(rest) {
            Ok(parameters) => parameters,
            Err(e) => return self.parameter_error(&e),
        };
        if !esmtp && !rest.trim().is_empty() {
            return self.error(555, "5.5.4", "parameters need EHLO");
        }
        if !argument.is_ascii() && !smtputf8 {
            return self.error(553, "5.6.7", "an address like this needs SMTPUTF8");
        }
        if recipients >= self.config.limits.max_recipients {
            // RFC 5321 §4.5.3.1.10: 452, and the client sends the rest in another transaction.
            return self.refuse(&Refused::of(Reason::TooManyRecipients));
        }
        let recipient = Recipient { address, notify: parameters.notify, original: parameters.original };
        self.ask(Asked::Rcpt, Question::RcptTo(Box::new(recipient)));
    }

    fn data(&mut self) {
        let Some(transaction) = &self.transaction else {
            return self.error(503, "5.5.1", "say MAIL first");
        };
        if transaction.incoming.is_some() {
            // RFC 3030 §2: DATA and BDAT can't be mixed in one transaction.
            return self.error(503, "5.5.1", "go on with BDAT");
        }
        if transaction.recipients == 0 {
            return self.error(554, "5.5.1", "no valid recipients");
        }
        if transaction.body == BodyType::BinaryMime {
            // RFC 3030 §3: binary content has no lines a dot could end.
            return self.error(503, "5.5.1", "BINARYMIME needs BDAT");
        }
        self.ask(Asked::Data, Question::Body);
    }

    fn start_tls(&mut self) {
        if self.over_tls {
            return self.error(503, "5.5.1", "TLS is already on");
        }
        if self.start_tls == StartTls::NotOffered {
            return self.error(502, "5.5.1", "not offered");
        }
        self.forget(None);
        self.say(220, "2.0.0", "ready for TLS");
        self.state = State::Handshake;
    }

    fn parameter_error(&mut self, error: &ParameterError) {
        let code = if matches!(error, ParameterError::Unknown(_)) { 555 } else { 501 };
        self.error(code, "5.5.4", &error.to_string());
    }

    fn reason_error(&mut self, reason: Reason) {
        let (code, enhanced, text) = reason.reply();
        self.error(code, enhanced, text);
    }
}
