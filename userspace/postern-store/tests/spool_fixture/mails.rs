//! Mails as they come into a spool: for its tests, those of copies, and the two examples that measure.

#![allow(dead_code, clippy::unwrap_used)]

use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, Client, Direction, Envelope, Recipient};
use postern_model::id::MailId;
use postern_model::queue::{Disposition, HeaderEdits, QueuedMail, QueuedRecipient};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::time::Timestamp;

pub fn id(number: u64) -> MailId {
    MailId::new(Timestamp(i64::try_from(number).unwrap() + 1), u128::from(number))
}

pub fn number(id: MailId) -> u64 {
    u64::try_from(id.time().0).unwrap() - 1
}

/// With two recipients; everything in it follows from the number.
pub fn mail(number: u64) -> QueuedMail {
    let recipients = vec![Recipient::plain(format!("user{number}@example.org").parse().unwrap()); 2];
    QueuedMail {
        id: id(number),
        accepted: Timestamp(1_700_000_000_000),
        size: 0,
        hash: [0; 32],
        disposition: Disposition::Deliver,
        reason: Reason::Clean,
        recipients: recipients.iter().cloned().map(|r| QueuedRecipient::new(r, Timestamp(0))).collect(),
        envelope: Envelope {
            direction: Direction::Inbound,
            client: Client {
                address: "192.0.2.1:40000".parse().unwrap(),
                local: "192.0.2.2:25".parse().unwrap(),
                helo: "mx.example.net".into(),
                esmtp: true,
                tls: None,
                reverse: None,
                login: None,
            },
            mail_from: ReversePath::Null,
            recipients,
            declared_size: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            require_tls: false,
            dsn_return: None,
            dsn_envelope_id: None,
        },
        edits: HeaderEdits { prepend: b"Received: here\r\n".to_vec(), remove: vec![(3, 9)] },
        reroute: None,
        subject: Some(format!("mail {number}")),
        message_id: None,
        from_header: None,
        score: Score::new(1.5),
    }
}

/// With an id of its own, and header fields and edits of a usual length.
pub fn fresh() -> QueuedMail {
    let at = Timestamp::from_system(std::time::SystemTime::now());
    let mail = mail(0);
    QueuedMail {
        id: MailId::generate(at),
        accepted: at,
        recipients: mail.recipients.into_iter().take(1).collect(),
        edits: HeaderEdits { prepend: vec![b'x'; 300], remove: Vec::new() },
        subject: Some("A subject of a usual length for a mail".into()),
        message_id: Some("<0123456789abcdef@mail.example.org>".into()),
        from_header: Some("Somebody <somebody@example.org>".into()),
        ..mail
    }
}
