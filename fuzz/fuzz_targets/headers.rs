//! Header fields, URLs in text, and the edits made on the way out: what is left in must not be ours.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_mail::edit::{Input, edits};
use postern_mail::message::Limits;
use postern_model::envelope::{BodyType, Client, Direction, Envelope};
use postern_model::id::MailId;
use postern_model::time::Timestamp;

fuzz_target!(|mail: &[u8]| {
    let header = postern_mail::read_header(mail, &Limits::default());
    assert!(header.headers.iter().all(|h| h.start < h.end && h.end <= mail.len() as u64));
    if let Ok(text) = std::str::from_utf8(mail) {
        let _ = postern_mail::url::find(text, 20);
        let _ = postern_mail::url::parse(text);
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
        smtputf8: false,
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
        subject_tag: Some("[SPAM]"),
    };
    let changes = edits(&input);
    let mut rest = Vec::new();
    let mut at = 0;
    for (start, end) in &changes.remove {
        assert!(at <= *start as usize && start < end && *end as usize <= mail.len());
        rest.extend_from_slice(&mail[at..*start as usize]);
        at = *end as usize;
    }
    rest.extend_from_slice(&mail[at..]);
    // A second pass finds nothing of ours any more.
    let again = edits(&Input { mail: &rest, subject_tag: None, ..input });
    assert!(again.remove.is_empty(), "{:?}", again.remove);
});
