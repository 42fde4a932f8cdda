//! Names, order and forms of header fields.

use std::fmt::Write as _;

use postern_mail::message::{Mailbox, Message};

use super::shape::{registrable, shape, shape_digits, size_class, value_start};
use super::words::words;
use super::{Sink, Tier};

/// Added at or after delivery, or another filter's opinion.
fn is_left_out(name: &str) -> bool {
    const EXACT: &[&str] = &[
        "received",
        "return-path",
        "delivered-to",
        "delivery-date",
        "envelope-to",
        "x-envelope-to",
        "x-envelope-from",
        "x-original-to",
        "x-apparently-to",
        "x-delivered-to",
        "x-deliver-to",
        "x-real-to",
        "x-rcpt-to",
        "status",
        "x-status",
        "x-keywords",
        "x-uid",
        "x-uidl",
        "x-imap",
        "x-imapbase",
        "lines",
        "content-length",
        "replied",
        "forwarded",
        "x-folder",
        "xref",
        "authentication-results",
        "received-spf",
        "dkim-signature",
        "domainkey-signature",
        "x-mailscanner",
        "x-mime-autoconverted",
        "x-authentication-warning",
        "x-received",
        "x-filter",
        "x-originalarrivaltime",
        "x-google-smtp-source",
        "x-google-dkim-signature",
        "x-gm-message-state",
        "x-fetchmail",
        "x-bogosity",
        "x-crm114-status",
        "x-spam",
        "x-virus",
        "x-antivirus",
        "x-amavis-alert",
        "x-scanned-by",
        "x-mailscanner-from",
        "x-mdaemon-deliver-to",
        "x-mdrcpt-to",
        "x-mdremoteip",
        "x-return-path",
        "x-sieve",
        "x-pstn-levels",
        "x-barracuda-connect",
        "mbox-line",
        "x-message-flag",
        "x-evolution",
        "x-gnus-mail-source",
        "x-delivery-agent",
    ];
    const PREFIX: &[&str] = &[
        "x-spam-",
        "x-virus-",
        "x-antivirus-",
        "x-mozilla-",
        "x-evolution-",
        "arc-",
        "x-ms-exchange-",
        "x-forefront-",
        "x-microsoft-antispam",
        "x-mailscanner-",
        "x-rspamd-",
        "x-postern-",
        "x-amavis-",
        "x-barracuda-",
        "x-pstn-",
        "x-crm114-",
        "x-dspam-",
        "x-ironport-",
        "x-proofpoint-",
        "x-mimedefang-",
        "x-gm-",
        "x-google-",
    ];
    EXACT.contains(&name) || PREFIX.iter().any(|p| name.starts_with(p))
}

/// Fields whose values are looked at elsewhere or are never the same twice.
fn has_own_features(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "from",
        "to",
        "cc",
        "sender",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "in-reply-to",
        "references",
        "content-type",
        "thread-index",
        "thread-topic",
        "content-disposition",
        "errors-to",
        "resent-message-id",
        "resent-date",
        "resent-from",
        "resent-to",
        "x-original-date",
        "mail-followup-to",
        "x-face",
        "list-unsubscribe",
        "list-subscribe",
        "list-help",
        "list-post",
        "list-archive",
        "list-owner",
        "x-beenthere",
        "x-mailing-list",
        "x-originating-ip",
        "x-sender",
        "x-x-sender",
        "x-priority",
    ];
    NAMES.contains(&name)
}

/// The feature of mail that came over a discussion list.
pub(super) const OF_LIST: &[&str] = &["of-list"];

/// A list that people write to, not a mailing of one sender to many: those do not carry this much.
fn is_of_list(message: &Message) -> bool {
    const MARKS: &[&str] = &["list-id", "list-post", "x-mailman-version", "x-beenthere", "mailing-list", "x-mailing-list"];
    const BESIDE: &[&str] = &["list-help", "list-archive", "list-subscribe", "errors-to", "sender"];
    let has = |names: &[&str]| names.iter().filter(|n| message.headers.iter().any(|h| h.name.eq_ignore_ascii_case(n))).count();
    let marks = has(MARKS);
    marks > 0 && marks + has(BESIDE) >= 3
}

pub(super) fn fields(message: &Message, sink: &mut Sink<'_>) {
    let mut order = String::new();
    let mut before: Option<&str> = None;
    let mut value_features = 0;
    for header in message.headers.iter().take(200) {
        let name = header.name.to_ascii_lowercase();
        if is_left_out(&name) {
            continue;
        }
        sink.add(Tier::Header, &["has", &name]);
        sink.add(Tier::Header, &["written", &header.name]);
        sink.add(Tier::Header, &["order", before.unwrap_or("^"), &header.name]);
        before = Some(&header.name);
        // The mail program's own order: lists and relays add fields of their own.
        if !name.starts_with("x-") && !name.starts_with("list-") {
            let _ = write!(order, "{name},");
        }
        if !has_own_features(&name) && value_features < 120 {
            value_features += 1;
            let value = header.value.trim();
            sink.add(Tier::Header, &[&name, "=", &shape_digits(value, 60)]);
            for word in words(value).take(8) {
                sink.add(Tier::Header, &[&name, &word.text]);
            }
        }
        match name.as_str() {
            "x-priority" => sink.add(Tier::Header, &[&name, "=", &value_start(&header.value, 1)]),
            "list-unsubscribe" => sink.add(Tier::Header, &[&name, if header.value.contains("mailto:") { "mailto" } else { "web" }]),
            "date" => date_shape(&header.raw, sink),
            "content-type" => content_type_shape(&header.raw, sink),
            "references" | "in-reply-to" => sink.add(Tier::Header, &[&name, "ids", &size_class(header.raw.matches('<').count())]),
            "x-originating-ip" | "x-sender" => {}
            _ => {}
        }
    }
    if before.is_some() {
        sink.add(Tier::Header, &["sequence", &order]);
    }
    for name in [
        "to",
        "date",
        "message-id",
        "mime-version",
        "content-type",
        "x-mailer",
        "user-agent",
        "in-reply-to",
        "references",
        "list-id",
        "subject",
        "reply-to",
    ] {
        let missing = !message.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
        if missing {
            sink.add(Tier::Header, &["lacks", name]);
        }
    }
    if let Some(id) = message.message_id.as_deref() {
        let id = id.trim_matches(['<', '>', ' ']);
        let (local, domain) = id.rsplit_once('@').unwrap_or((id, ""));
        sink.add(Tier::Header, &["id-shape", &shape(local, 24)]);
        sink.add(Tier::Header, &["id-domain-shape", &shape(domain, 24)]);
        sink.add(Tier::Header, &["id-length", &size_class(local.len())]);
        let same =
            message.from.first().and_then(Mailbox::domain).is_some_and(|d| registrable(d) == registrable(&domain.to_ascii_lowercase()));
        sink.add(
            Tier::Header,
            &[
                "id-domain",
                if domain.is_empty() {
                    "none"
                } else if same {
                    "of-author"
                } else {
                    "other"
                },
            ],
        );
        sink.add(Tier::Address, &["id", &registrable(&domain.to_ascii_lowercase())]);
    }
    if is_of_list(message) {
        sink.add(Tier::Header, OF_LIST);
    }
    for defect in message.defects.iter().take(30) {
        sink.add(Tier::Structure, &["defect", &format!("{:?}", defect.kind)]);
    }
}

fn date_shape(raw: &str, sink: &mut Sink<'_>) {
    let raw = raw.trim();
    sink.add(Tier::Header, &["date-shape", &shape(raw, 48)]);
    if let Some(at) = raw.find(['+', '-']) {
        sink.add(Tier::Header, &["zone", raw[at..].split_whitespace().next().unwrap_or_default()]);
    }
}

fn content_type_shape(raw: &str, sink: &mut Sink<'_>) {
    let mut parameters = raw.split(';').map(str::trim);
    sink.add(Tier::Header, &["type", &parameters.next().unwrap_or_default().to_ascii_lowercase()]);
    for parameter in parameters.take(6) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let name = name.trim().to_ascii_lowercase();
        let value = if name == "boundary" { shape(value.trim(), 32) } else { value.trim().to_ascii_lowercase() };
        sink.add(Tier::Header, &["type", &name, &value]);
    }
}
