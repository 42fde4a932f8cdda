//! A mail in the quarantine.

use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, Client, Direction, Envelope, Recipient};
use postern_model::id::MailId;
use postern_model::queue::{Disposition, HeaderEdits, QueuedMail, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::time::Timestamp;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineState};

use crate::rig::Rig;

pub const MAIL: &str = "From: Shop <s@shop.example>\r\nTo: r@example.org\r\nSubject: =?utf-8?q?R=C3=A4tsel?=\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<h1>Hello</h1><script>alert(1)</script><a href=\"https://evil.example/x\">click</a>\r\n";

/// A mail for these in the quarantine: its file and its entry.
pub async fn quarantined(rig: &Rig, n: u128, to: &[&str]) -> MailId {
    let at = Timestamp(1_795_000_000_000);
    let id = MailId::new(at, n);
    let recipients: Vec<Recipient> = to.iter().map(|r| Recipient::plain(r.parse().unwrap())).collect();
    let mail = QueuedMail {
        id,
        accepted: at,
        size: MAIL.len() as u64,
        hash: *blake3::hash(MAIL.as_bytes()).as_bytes(),
        disposition: Disposition::Quarantine,
        reason: Reason::ScoreQuarantine,
        envelope: Envelope {
            direction: Direction::Inbound,
            client: Client {
                address: "192.0.2.1:1234".parse().unwrap(),
                local: "192.0.2.2:25".parse().unwrap(),
                helo: "x".into(),
                esmtp: true,
                tls: None,
                reverse: None,
                login: None,
            },
            mail_from: ReversePath::Address("s@shop.example".parse().unwrap()),
            recipients: recipients.clone(),
            declared_size: None,
            body: BodyType::default(),
            smtputf8: false,
            require_tls: false,
            dsn_return: None,
            dsn_envelope_id: None,
        },
        recipients: recipients.into_iter().map(|r| QueuedRecipient::new(r, at)).collect(),
        edits: HeaderEdits::default(),
        reroute: None,
        subject: Some("Rätsel".into()),
        message_id: None,
        from_header: None,
        score: Score::new(9.0),
    };
    rig.state.spool.quarantine().put(&mail, MAIL.as_bytes()).unwrap();
    let entry = QuarantineEntry {
        mail: id,
        at,
        sender: "s@shop.example".into(),
        recipients: to.iter().map(ToString::to_string).collect(),
        from_header: Some("Shop <s@shop.example>".into()),
        subject: mail.subject,
        score: Score::new(9.0),
        reason: Reason::ScoreQuarantine,
        size: mail.size,
        expires: Timestamp(at.0 + 1000),
        state: QuarantineState::Held,
        state_by: None,
        state_at: None,
        holder: None,
    };
    rig.state.database.quarantine().add(&entry).await.unwrap();
    id
}
