//! What passes between the machine and its caller: actions, questions and their answers.

use postern_model::address::ReversePath;
use postern_model::envelope::Recipient;
use postern_model::reason::Reason;

use super::content::Content;
use crate::parameters::MailParameters;
use crate::reply::Reply;

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Write the output, then read: the input is used up.
    Read,
    /// Write the output, then call again.
    Write,
    /// An answer is needed before anything else is read. Asked once; until it is answered: [`Action::Wait`].
    Ask(Question),
    /// The answer to a question, or [`Server::greet`], is still missing.
    Wait,
    /// Octets of the mail: CR LF as line ends, dots unstuffed.
    Body(&'a [u8]),
    /// The transaction is over without a mail: drop envelope and body. With a reason when we refused it.
    Forget(Option<Reason>),
    /// Write the output, then speak TLS, then [`Server::tls_started`]. What the client had sent after
    /// STARTTLS is gone (RFC 3207 §4.2; CVE-2011-0411).
    StartTls,
    /// Write the output, then close.
    Close(Ending),
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Quit,
    TooManyErrors,
    /// HTTP, TLS, SSH and the like: no mail client.
    OtherProtocol,
    /// So broken that where the next command begins is anybody's guess.
    Garbled,
    /// An answer said so.
    Refused,
    /// We ended it: time-out, shut-down.
    Ours(Reason),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// EHLO, HELO or LHLO: [`Server::answer`].
    Hello(Hello),
    /// MAIL FROM: [`Server::answer`].
    MailFrom(Box<MailFrom>),
    /// RCPT TO: [`Server::answer`].
    RcptTo(Box<Recipient>),
    /// DATA or the first BDAT, with at least one recipient: open the body, then [`Server::answer`].
    Body,
    /// The body is whole: [`Server::conclude`].
    Finished(Content),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub name: String,
    /// EHLO or LHLO.
    pub esmtp: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailFrom {
    pub path: ReversePath,
    pub parameters: MailParameters,
}

/// The caller's no. A code outside 400 to 599 is said as 451: a refusal can't become a 250.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: Reason,
    pub reply: Reply,
    /// Close after the reply.
    pub close: bool,
}

impl Refused {
    /// The reason's own reply; the session goes on.
    pub fn of(reason: Reason) -> Self {
        let (code, enhanced, text) = reason.reply();
        Self { reason, reply: Reply::new(code, enhanced, text), close: false }
    }

    pub(super) fn with_text(reason: Reason, text: &str) -> Self {
        let (code, enhanced, _) = reason.reply();
        Self { reason, reply: Reply::new(code, enhanced, text), close: false }
    }
}

/// The caller's word that the mail is safe (or dropped by an operator's rule): becomes 250.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// `queued as 01j…`
    pub text: String,
}
