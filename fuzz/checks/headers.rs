//! Header fields, URLs in text, and the edits made on the way out: the body stays as it came, what was left in is not ours,
//! and what is put before the mail is whole fields and nothing else.

use postern_mail::edit::{Input, edits};
use postern_mail::message::{DefectKind, Limits};
use postern_model::envelope::{BodyType, Client, Direction, Envelope};
use postern_model::id::MailId;
use postern_model::time::Timestamp;

const TAG: &str = "[SPAM]";

pub fn check(mail: &[u8]) {
    if let Ok(text) = std::str::from_utf8(mail) {
        urls(text);
    }
    let any = std::net::SocketAddr::from(([192, 0, 2, 1], 25));
    let helo = String::from_utf8_lossy(&mail[..mail.len().min(100)]).into_owned();
    let client = Client { address: any, local: any, helo, esmtp: true, tls: None, reverse: None, login: None };
    let envelope = Envelope {
        direction: Direction::Inbound,
        client: client.clone(),
        mail_from: postern_model::address::ReversePath::Null,
        recipients: Vec::new(),
        declared_size: None,
        body: BodyType::default(),
        smtputf8: mail.len().is_multiple_of(2),
        require_tls: false,
        dsn_return: None,
        dsn_envelope_id: None,
    };
    let input = Input {
        mail,
        hostname: "mx.example.org",
        id: MailId::new(Timestamp(0), 1),
        at: Timestamp(0),
        envelope: &envelope,
        client: &client,
        authentication_results: None,
        verdict: None,
        subject_tag: Some(TAG),
        added: &[("X-Added".to_owned(), "by a rule".to_owned())],
    };
    let changes = edits(&input);
    let body = body_of(mail);
    let mut rest = Vec::new();
    let mut at = 0;
    for (start, end) in &changes.remove {
        let (start, end) = (*start as usize, *end as usize);
        assert!(at <= start && start < end && end <= body, "{start}..{end} is not within the header of {body} octets");
        assert!(end == mail.len() || mail[end - 1] == b'\n', "a part of a line is left behind");
        rest.extend_from_slice(&mail[at..start]);
        at = end;
    }
    rest.extend_from_slice(&mail[at..]);
    whole_fields(&changes.prepend);
    // A second pass finds nothing of ours any more.
    let again = edits(&Input { mail: &rest, subject_tag: None, ..input });
    assert!(again.remove.is_empty(), "{:?}", again.remove);

    // The next hop reads our fields first, and the body as it came.
    let edited = [changes.prepend.as_slice(), &rest].concat();
    assert!(edited.ends_with(&mail[body..]));
    assert_eq!(edited.len() - body_of(&edited), mail.len() - body, "the body begins elsewhere");
    let read = postern_mail::read_header(&edited, &Limits::default());
    assert!(read.received.first().is_some_and(|r| r.by.as_deref() == Some("mx.example.org")), "{:?}", read.received.first());
    let ours = postern_mail::read_header(&[changes.prepend.as_slice(), b"\r\n"].concat(), &Limits::default());
    for (ours, read) in ours.headers.iter().zip(&read.headers) {
        assert_eq!((&ours.name, &ours.raw), (&read.name, &read.raw), "the mail goes on in our field");
    }
    let is_cut = |kind| matches!(kind, DefectKind::BadHeaderLine | DefectKind::TooManyHeaders);
    if !read.defects.iter().any(|d| is_cut(d.kind)) {
        assert!(read.subject.as_deref().is_some_and(|s| s.starts_with(TAG)), "{:?}", read.subject);
    }
}

/// Where the octets after the first empty line begin: there no edit reaches.
fn body_of(mail: &[u8]) -> usize {
    let mut at = 0;
    for line in mail.split_inclusive(|b| *b == b'\n') {
        if matches!(line, b"\n" | b"\r\n" | b"\r") {
            return at;
        }
        at += line.len();
    }
    at
}

/// Lines that end in CR LF, none of them empty, each a field or the next line of one.
fn whole_fields(prepend: &[u8]) {
    let text = String::from_utf8_lossy(prepend);
    assert!(prepend.ends_with(b"\r\n"));
    for (i, line) in text.split_terminator("\r\n").enumerate() {
        assert!(!line.is_empty() && !line.contains(['\r', '\n']), "{text:?}");
        let is_more = i > 0 && line.starts_with([' ', '\t']);
        let is_field = line.split_once(':').is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|b| (33..=126).contains(&b)));
        assert!(is_more || is_field, "{line:?} is no field");
    }
}

fn urls(text: &str) {
    let found = postern_mail::url::find(text, 20);
    assert!(found.len() <= 20, "{} URLs", found.len());
    for url in found.iter().map(String::as_str).chain([text]) {
        let Some(parsed) = postern_mail::url::parse(url) else { continue };
        assert!(!parsed.scheme.is_empty() && !parsed.host.contains(|c: char| c.is_ascii_uppercase()), "{parsed:?}");
        assert!(!parsed.host.contains(['/', '@', '\\', '?', '#']) && !parsed.host.contains(char::is_whitespace), "{parsed:?}");
        assert!(parsed.ip.is_none_or(|ip| parsed.host == ip.to_string()), "{parsed:?}");
        assert!(parsed.host.ends_with(&parsed.domain), "{parsed:?}");
    }
}
