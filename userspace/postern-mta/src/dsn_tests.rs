#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::path::Path;

use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, Client, Direction, Envelope, Recipient};
use postern_model::queue::{Disposition, HeaderEdits, LastReply};
use postern_model::reason::Reason;
use postern_model::score::Score;

use super::*;

const ORIGINAL: &str = "From: me@inside.example\r\nTo: you@there.example\r\nSubject: hello\r\n\r\nThe text.\r\n";

fn mail(sender: &str, ret: Option<DsnReturn>) -> QueuedMail {
    let at = "192.0.2.1:1".parse().unwrap();
    let client = Client { address: at, local: at, helo: "in".into(), esmtp: true, tls: None, reverse: None, login: None };
    QueuedMail {
        id: MailId::new(Timestamp(1_795_291_902_000), 1),
        accepted: Timestamp(1_795_291_902_000),
        size: ORIGINAL.len() as u64,
        hash: [0; 32],
        disposition: Disposition::Deliver,
        reason: Reason::Clean,
        recipients: Vec::new(),
        envelope: Envelope {
            direction: Direction::Outbound,
            client,
            mail_from: ReversePath::Address(sender.parse().unwrap()),
            recipients: Vec::new(),
            declared_size: None,
            body: BodyType::SevenBit,
            smtputf8: false,
            require_tls: false,
            dsn_return: ret,
            dsn_envelope_id: Some("QQ 314159".into()),
        },
        edits: HeaderEdits::default(),
        reroute: None,
        subject: Some("hello".into()),
        message_id: Some("<1@inside.example>".into()),
        from_header: None,
        score: Score::ZERO,
    }
}

fn about(address: &str, original: Option<&str>, last: Option<(&str, &str)>) -> QueuedRecipient {
    let mut recipient = Recipient::plain(address.parse().unwrap());
    recipient.original = original.map(str::to_owned);
    let mut q = QueuedRecipient::new(recipient, Timestamp(0));
    q.last = last.map(|(host, reply)| LastReply { at: Timestamp(1_795_295_502_000), host: host.into(), reply: reply.into() });
    q
}

fn written(notice: Notice, mail: &QueuedMail, about: &[QueuedRecipient], original: &[u8]) -> String {
    let about: Vec<&QueuedRecipient> = about.iter().collect();
    let id = MailId::new(Timestamp(1_795_295_502_000), 2);
    let report = Report { id, at: Timestamp(1_795_295_502_000), hostname: "mx.inside.example", notice, mail, original, about: &about };
    String::from_utf8(write(&report)).unwrap()
}

/// Compares with a file; POSTERN_BLESS=1 writes it.
fn fixture(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dsn").join(name);
    if std::env::var_os("POSTERN_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text.replace("\r\n", "\n")).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
    assert_eq!(text, expected, "{name} differs; look at it, then run with POSTERN_BLESS=1");
    assert!(text.lines().all(|l| l.len() <= 998), "{name}: a line is too long (RFC 5322 §2.1.1)");
}

#[test]
fn notifications_are_as_in_the_fixtures() {
    let refused = about(
        "you@there.example",
        Some("rfc822;alias@inside.example"),
        Some((
            "mx.there.example[192.0.2.9]:25",
            "550 5.1.1 no such user, and this host goes on at some length about why it is that nobody of that name is known here",
        )),
    );
    let plain = about("\"odd one\"@there.example", None, Some(("postern", "554 5.4.7 given up, its time is over")));
    fixture("failed.eml", &written(Notice::Failed, &mail("me@inside.example", None), &[refused.clone(), plain], ORIGINAL.as_bytes()));
    fixture(
        "failed-full.eml",
        &written(Notice::Failed, &mail("me@inside.example", Some(DsnReturn::Full)), &[refused], ORIGINAL.as_bytes()),
    );
    let waiting = about("you@there.example", None, Some(("mx.there.example[192.0.2.9]:25", "450 4.2.0 try later")));
    fixture("delayed.eml", &written(Notice::Delayed, &mail("me@inside.example", None), &[waiting], ORIGINAL.as_bytes()));
    let done = about("you@there.example", None, Some(("/run/lmtp", "250 2.1.5 saved")));
    fixture("delivered.eml", &written(Notice::Delivered, &mail("me@inside.example", None), &[done], ORIGINAL.as_bytes()));
    let utf8 = about("ü@there.example", None, Some(("mx.there.example[192.0.2.9]:25", "550 5.1.1 kein Postfach für ü\u{1b}[31m")));
    fixture("failed-utf8.eml", &written(Notice::Failed, &mail("ä@inside.example", None), &[utf8], ORIGINAL.as_bytes()));
}

#[test]
fn what_was_temporary_for_days_has_failed_in_the_end() {
    let late = about("you@there.example", None, Some(("mx.there.example[192.0.2.9]:25", "450 4.2.1 busy")));
    let text = written(Notice::Failed, &mail("me@inside.example", None), &[late], ORIGINAL.as_bytes());
    assert!(text.contains("\r\nStatus: 5.2.1\r\n"), "{text}");
}

#[test]
fn hostile_originals_stay_inside_their_part() {
    for original in [
        &b""[..],
        b"no header at all",
        b"A: b\r\n\r\n--=forged=\r\n",
        &b"Long: x\r\n".repeat(10_000),
        &[b'x'; 100_000],
        b"\xff\xfe: \x80\r\n\r\n",
    ] {
        let mail = mail("me@inside.example", None);
        let q = about("you@there.example", None, None);
        let id = MailId::new(Timestamp(1), 2);
        let report = Report { id, at: Timestamp(1), hostname: "mx.example", notice: Notice::Failed, mail: &mail, original, about: &[&q] };
        let text = write(&report);
        assert!(text.len() < 40_000);
        let boundary = format!("--={id}=");
        let text = String::from_utf8_lossy(&text);
        let marks: Vec<&str> = text.split("\r\n").filter(|l| l.starts_with(&boundary)).collect();
        assert_eq!(marks, [boundary.clone(), boundary.clone(), boundary.clone(), format!("{boundary}--")], "{text}");
        assert!(text.ends_with(&format!("\r\n{boundary}--\r\n")));
    }
}
