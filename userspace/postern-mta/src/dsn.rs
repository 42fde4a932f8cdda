//! Delivery status notifications (RFC 3464, RFC 3461, RFC 3834): pure text, nothing is sent here.

use std::fmt::Write as _;

use postern_model::envelope::DsnReturn;
use postern_model::id::MailId;
use postern_model::queue::{QueuedMail, QueuedRecipient};
use postern_model::time::Timestamp;
use postern_smtp::client::EnhancedCode;
use postern_smtp::xtext;

/// A mail up to this size is returned whole when the sender asked for it (RET=FULL); of larger ones, and without the
/// wish, the header goes back: enough to recognise it, and a notification is no way to multiply octets.
const MAX_FULL: usize = 256 * 1024;
/// Octets of the original's header that go back.
const MAX_HEADER: usize = 32 * 1024;

/// What a notification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    Failed,
    Delayed,
    /// Into a mailbox.
    Delivered,
    /// To a host that sends no notifications (RFC 3461 §5.2.2).
    Relayed,
}

impl Notice {
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }

    pub fn subject(self) -> &'static str {
        match self {
            Self::Failed => "Undelivered mail returned to sender",
            Self::Delayed => "Mail is delayed (still being tried)",
            Self::Delivered => "Mail was delivered",
            Self::Relayed => "Mail was relayed",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Failed => {
                "Your mail could not be delivered to the recipients below, and no further\r\n\
                 attempt is made. What each one's mail system said stands beside it."
            }
            Self::Delayed => {
                "Your mail could not be delivered to the recipients below so far. You need not\r\n\
                 send it again: it is still being tried, and you will hear if that ends in vain."
            }
            Self::Delivered => "Your mail was delivered to the recipients below, as you asked to be told.",
            Self::Relayed => {
                "Your mail was passed on to the mail systems of the recipients below, which do\r\n\
                 not send notifications of delivery: you may hear nothing more about it."
            }
        }
    }

    fn default_status(self) -> &'static str {
        match self {
            Self::Failed => "5.0.0",
            Self::Delayed => "4.0.0",
            Self::Delivered | Self::Relayed => "2.0.0",
        }
    }
}

/// Everything a notification is made of.
pub struct Report<'a> {
    /// Of the notification itself.
    pub id: MailId,
    pub at: Timestamp,
    pub hostname: &'a str,
    pub notice: Notice,
    pub mail: &'a QueuedMail,
    /// The mail as it came.
    pub original: &'a [u8],
    pub about: &'a [&'a QueuedRecipient],
}

pub fn from(hostname: &str) -> String {
    format!("Mail Delivery System <MAILER-DAEMON@{hostname}>")
}

pub fn message_id(id: MailId, hostname: &str) -> String {
    format!("<{id}@{hostname}>")
}

/// The whole text of the notification, with CRLF line ends.
pub fn write(r: &Report<'_>) -> Vec<u8> {
    let header_end = memchr_header_end(r.original);
    let is_full = r.mail.envelope.dsn_return == Some(DsnReturn::Full)
        && r.original.len() <= MAX_FULL
        && matches!(r.notice, Notice::Failed)
        && !r.mail.envelope.require_tls;
    let returned = if is_full { r.original } else { &r.original[..line_end(r.original, header_end.min(MAX_HEADER))] };
    let is_ascii = returned.is_ascii();
    // RFC 6533 §3: an address that is not ASCII needs the message/global forms.
    let is_global = r.about.iter().any(|q| q.recipient.address.needs_smtputf8())
        || r.mail.envelope.mail_from.address().is_some_and(|a| a.needs_smtputf8());
    // An id is 26 characters from 0-9a-z; the original would have to guess 80 random bits to contain the boundary.
    let boundary = format!("={}=", r.id);
    let sender = r.mail.envelope.mail_from.to_string();
    let mut t = String::with_capacity(4096 + returned.len());
    line(&mut t, format_args!("From: {}", from(r.hostname)));
    line(&mut t, format_args!("To: <{sender}>"));
    line(&mut t, format_args!("Subject: {}", r.notice.subject()));
    line(&mut t, format_args!("Date: {}", r.at.rfc5322()));
    line(&mut t, format_args!("Message-ID: {}", message_id(r.id, r.hostname)));
    if let Some(id) = r.mail.message_id.as_deref().filter(|id| id.starts_with('<') && id.ends_with('>') && is_header_safe(id)) {
        line(&mut t, format_args!("In-Reply-To: {id}"));
        line(&mut t, format_args!("References: {id}"));
    }
    // RFC 3834 §5: so that no vacation program answers.
    line(&mut t, format_args!("Auto-Submitted: auto-replied"));
    line(&mut t, format_args!("MIME-Version: 1.0"));
    line(&mut t, format_args!("Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\""));
    if !is_ascii || is_global {
        line(&mut t, format_args!("Content-Transfer-Encoding: 8bit"));
    }
    t.push_str("\r\n");

    line(&mut t, format_args!("--{boundary}"));
    line(&mut t, format_args!("Content-Type: text/plain; charset=utf-8"));
    line(&mut t, format_args!("Content-Transfer-Encoding: {}", if is_global { "8bit" } else { "7bit" }));
    line(&mut t, format_args!("\r\nThis is the mail system at {}.\r\n", r.hostname));
    line(&mut t, format_args!("{}\r\n", r.notice.words()));
    for q in r.about {
        line(&mut t, format_args!("<{}>", q.recipient.address));
        if let Some(last) = &q.last {
            for part in folded(&format!("{}: {}", last.host, last.reply), 72) {
                line(&mut t, format_args!("    {part}"));
            }
        }
        t.push_str("\r\n");
    }

    line(&mut t, format_args!("--{boundary}"));
    let kind = if is_global { "global-delivery-status" } else { "delivery-status" };
    line(&mut t, format_args!("Content-Type: message/{kind}\r\n"));
    line(&mut t, format_args!("Reporting-MTA: dns; {}", r.hostname));
    if let Some(id) = &r.mail.envelope.dsn_envelope_id {
        line(&mut t, format_args!("Original-Envelope-Id: {}", xtext::encode(id)));
    }
    line(&mut t, format_args!("X-Postern-Mail-Id: {}", r.mail.id));
    line(&mut t, format_args!("Arrival-Date: {}", r.mail.accepted.rfc5322()));
    for q in r.about {
        recipient(&mut t, r.notice, q);
    }
    t.push_str("\r\n");

    line(&mut t, format_args!("--{boundary}"));
    let kind = match (is_full, is_global || !is_ascii) {
        (true, false) => "message/rfc822",
        (true, true) => "message/global",
        (false, false) => "text/rfc822-headers",
        (false, true) => "message/global-headers",
    };
    line(&mut t, format_args!("Content-Type: {kind}"));
    line(&mut t, format_args!("Content-Transfer-Encoding: {}\r\n", if is_ascii { "7bit" } else { "8bit" }));
    let mut text = t.into_bytes();
    text.extend_from_slice(returned);
    if !text.ends_with(b"\r\n") {
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    text
}

/// The fields about one recipient (RFC 3464 §2.3).
fn recipient(t: &mut String, notice: Notice, q: &QueuedRecipient) {
    t.push_str("\r\n");
    if let Some((kind, address)) =
        q.recipient.original.as_deref().and_then(|o| o.split_once(';')).filter(|(k, a)| is_header_safe(k) && is_header_safe(a))
    {
        line(t, format_args!("Original-Recipient: {kind}; {address}"));
    }
    let kind = if q.recipient.address.needs_smtputf8() { "utf-8" } else { "rfc822" };
    line(t, format_args!("Final-Recipient: {kind}; {}", q.recipient.address));
    line(t, format_args!("Action: {}", notice.name()));
    let reply = q.last.as_ref().map_or("", |l| l.reply.as_str());
    let status = reply.split_once(' ').and_then(|(_, text)| EnhancedCode::split(text)).map(|(code, _)| code);
    // The class has to agree with the action: what was temporary for days has failed in the end.
    let class = notice.default_status().as_bytes()[0] - b'0';
    match status {
        Some(EnhancedCode(_, subject, detail)) => line(t, format_args!("Status: {class}.{subject}.{detail}")),
        None => line(t, format_args!("Status: {}", notice.default_status())),
    }
    if let Some(last) = &q.last {
        if last.host != "postern" {
            let name = last.host.split(['[', ':']).next().filter(|n| !n.is_empty()).unwrap_or(&last.host);
            line(t, format_args!("Remote-MTA: dns; {name}"));
            for (i, part) in folded(reply, 66).enumerate() {
                line(t, format_args!("{}{part}", if i == 0 { "Diagnostic-Code: smtp; " } else { "\t" }));
            }
        }
        line(t, format_args!("Last-Attempt-Date: {}", last.at.rfc5322()));
    }
}

fn line(t: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = t.write_fmt(text);
    t.push_str("\r\n");
}

fn is_header_safe(text: &str) -> bool {
    text.len() <= 900 && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Words in lines of at most `width` characters (a single longer word stays whole), without control characters, ASCII only.
fn folded(text: &str, width: usize) -> impl Iterator<Item = String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().take(400).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
        match lines.last_mut() {
            Some(last) if last.len() + 1 + word.len() <= width => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => lines.push(word),
        }
        if lines.len() >= 12 {
            break;
        }
    }
    lines.into_iter()
}

/// The octet behind the header section's last line.
fn memchr_header_end(text: &[u8]) -> usize {
    text.windows(4).position(|w| w == b"\r\n\r\n").map_or(text.len(), |at| at + 2)
}

/// `at`, moved back to the end of a line.
fn line_end(text: &[u8], at: usize) -> usize {
    text[..at.min(text.len())].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1)
}

#[cfg(test)]
#[path = "dsn_tests.rs"]
mod tests;
