//! What stands before a mail when it leaves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use postern_mail::edit::{Input, edits, judged_again};
use postern_model::envelope::{BodyType, Client, Direction, Envelope, Recipient, TlsInfo};
use postern_model::id::MailId;
use postern_model::queue::HeaderEdits;
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::symbol::{Group, Hit};
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};

fn client() -> Client {
    Client {
        address: "192.0.2.7:40000".parse().unwrap(),
        local: "192.0.2.1:25".parse().unwrap(),
        helo: "mail.sender.example".into(),
        esmtp: true,
        tls: Some(TlsInfo {
            version: "TLSv1.3".into(),
            cipher: "TLS13_AES_256_GCM_SHA384".into(),
            key_exchange: Some("X25519MLKEM768".into()),
        }),
        reverse: Some("host7.sender.example".into()),
        login: None,
    }
}

fn envelope(client: &Client) -> Envelope {
    Envelope {
        direction: Direction::Inbound,
        client: client.clone(),
        mail_from: postern_model::address::ReversePath::Null,
        recipients: vec![Recipient::plain("bob@receiver.example".parse().unwrap())],
        declared_size: None,
        body: BodyType::default(),
        smtputf8: false,
        require_tls: false,
        dsn_return: None,
        dsn_envelope_id: None,
    }
}

fn verdict(hits: usize) -> Verdict {
    let hit =
        |i: usize| Hit { symbol: format!("SYMBOL_NUMBER_{i}").into(), group: Group::Url, score: Score::new(1.25), evidence: String::new() };
    Verdict { action: Action::Tag, reason: Reason::ScoreTag, score: Score::new(6.1), hits: (0..hits).map(hit).collect() }
}

fn run(mail: &[u8], client: &Client, envelope: &Envelope, verdict: Option<&Verdict>, tag: Option<&str>) -> HeaderEdits {
    edits(&Input {
        mail,
        hostname: "mx.receiver.example",
        id: MailId::new(Timestamp(1_795_291_902_000), 7),
        at: Timestamp(1_795_291_902_000),
        envelope,
        client,
        authentication_results: Some("mx.receiver.example; spf=none smtp.helo=mail.sender.example"),
        verdict,
        subject_tag: tag,
        added: &[],
    })
}

/// With nothing said about the mail itself.
pub fn edits_of(mail: &[u8], hostname: &str) -> HeaderEdits {
    let client = client();
    let envelope = envelope(&client);
    edits(&Input {
        mail,
        hostname,
        id: MailId::new(Timestamp(0), 7),
        at: Timestamp(0),
        envelope: &envelope,
        client: &client,
        authentication_results: None,
        verdict: None,
        subject_tag: None,
        added: &[],
    })
}

fn applied(mail: &[u8], edits: &HeaderEdits) -> String {
    let mut out = edits.prepend.clone();
    let mut at = 0;
    for (start, end) in &edits.remove {
        out.extend_from_slice(&mail[at..*start as usize]);
        at = *end as usize;
    }
    out.extend_from_slice(&mail[at..]);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_whole_header_as_it_leaves() {
    let mail = b"Authentication-Results: mx.receiver.example; spf=pass\r\nFrom: a@b.example\r\nSubject: Hello\r\n\r\nbody\r\n";
    let (client, verdict) = (client(), verdict(3));
    let edits = run(mail, &client, &envelope(&client), Some(&verdict), Some("[SPAM]"));
    let id = MailId::new(Timestamp(1_795_291_902_000), 7);
    let expected = format!(
        "Authentication-Results: mx.receiver.example; spf=none smtp.helo=mail.sender.example\r\n\
         X-Postern-Result: tag; score=6.10; reason=score-tag; SYMBOL_NUMBER_0=1.25,\r\n\
         \tSYMBOL_NUMBER_1=1.25, SYMBOL_NUMBER_2=1.25\r\n\
         Received: from mail.sender.example (host7.sender.example [192.0.2.7])\r\n\
         \t(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384 over\r\n\
         \tX25519MLKEM768) by mx.receiver.example with ESMTPS id\r\n\
         \t{id} for <bob@receiver.example>; Sat, 21 Nov\r\n\
         \t2026 20:11:42 +0000\r\n\
         Subject: [SPAM] Hello\r\n\
         From: a@b.example\r\n\r\nbody\r\n"
    );
    assert_eq!(applied(mail, &edits), expected);
}

#[test]
fn the_protocol_in_received_says_how_the_mail_came() {
    for (smtputf8, esmtp, tls, login, keyword) in [
        (false, false, false, false, "SMTP"),
        (false, true, false, false, "ESMTP"),
        (false, true, true, false, "ESMTPS"),
        (false, true, false, true, "ESMTPA"),
        (false, true, true, true, "ESMTPSA"),
        (true, true, false, false, "UTF8SMTP"),
        (true, true, true, false, "UTF8SMTPS"),
        (true, true, true, true, "UTF8SMTPSA"),
    ] {
        let mut client = client();
        client.esmtp = esmtp;
        client.tls = client.tls.filter(|_| tls);
        client.login = login.then(|| "user".to_owned());
        let mut envelope = envelope(&client);
        envelope.smtputf8 = smtputf8;
        let edits = run(b"Subject: x\r\n\r\n", &client, &envelope, None, None);
        let text = String::from_utf8(edits.prepend).unwrap().replace("\r\n\t", " ");
        assert!(text.contains(&format!(" with {keyword} id ")), "{keyword}: {text}");
        assert!(!text.contains("user"), "the login is nobody's business: {text}");
    }
}

#[test]
fn nothing_a_client_says_breaks_out_of_its_field() {
    let mut client = client();
    client.helo = "evil\r\nX-Forged: yes (x) <y>; \"z\"".into();
    client.reverse = Some("a(b)\r\n c".into());
    client.tls = None;
    let mut many = envelope(&client);
    many.recipients.push(Recipient::plain("carol@receiver.example".parse().unwrap()));
    let edits = run(b"\r\n", &client, &many, Some(&verdict(500)), Some("[SPAM]\r\nX: y"));
    let text = String::from_utf8(edits.prepend).unwrap();
    let names: Vec<&str> =
        text.split("\r\n").filter(|l| !l.starts_with('\t') && !l.is_empty()).map(|l| l.split(':').next().unwrap()).collect();
    assert_eq!(names, ["Authentication-Results", "X-Postern-Result", "Received", "Subject"]);
    assert!(text.split("\r\n").skip(1).all(|l| l.len() <= 78), "{text}");
    assert!(!text.contains("for <") && !text.contains("carol"), "recipients must not learn of each other: {text}");
}

#[test]
fn a_subject_keeps_its_folds_and_words_and_is_marked_once() {
    let client = client();
    let envelope = envelope(&client);
    for (mail, tag, expected) in [
        (
            "Subject: =?utf-8?B?w6Q=?=\r\n =?utf-8?B?w7Y=?=\r\n\r\n",
            "[SPAM]",
            Some("Subject: [SPAM] =?utf-8?B?w6Q=?=\r\n =?utf-8?B?w7Y=?=\r\n"),
        ),
        ("Subject: a\nSubject: b\n\n", "[SPAM]", Some("Subject: [SPAM] a\r\n")),
        ("From: a@b.example\r\n\r\n", "[SPAM]", Some("Subject: [SPAM]\r\n")),
        ("Subject: [SPAM] a\r\n\r\n", "[SPAM]", None),
        ("Subject: a\r\n\r\n", "Müll:", Some("Subject: =?utf-8?B?TcO8bGw6?= a\r\n")),
    ] {
        let edits = run(mail.as_bytes(), &client, &envelope, None, Some(tag));
        let text = String::from_utf8(edits.prepend).unwrap();
        assert_eq!(text.find("Subject:").map(|i| &text[i..]), expected, "{mail:?}");
        let left = edits.remove.len();
        assert_eq!(left, if expected.is_some() { mail.matches("Subject:").count() } else { 0 }, "{mail:?}");
    }
}

#[test]
fn a_mail_that_is_judged_again_leaves_as_if_it_had_been_judged_so_at_once() {
    let mail = b"X-Postern-Result: accept\r\nSubject: an invoice\r\nFrom: a@sender.example\r\n\r\ntext\r\n";
    let (client, first) = (client(), Verdict { action: Action::Accept, reason: Reason::Clean, score: Score::ZERO, hits: Vec::new() });
    let envelope = envelope(&client);
    let second = verdict(7);
    for (before, after) in [(None, None), (None, Some("[SPAM]")), (Some("[SPAM]"), Some("[SPAM]"))] {
        let again = judged_again(&run(mail, &client, &envelope, Some(&first), before), mail, &second, after);
        assert_eq!(again, run(mail, &client, &envelope, Some(&second), after), "{before:?} {after:?}");
    }
    // What a rule put before the subject stays.
    let marked = run(mail, &client, &envelope, Some(&first), Some("[outside]"));
    let again = applied(mail, &judged_again(&marked, mail, &second, Some("[SPAM]")));
    assert!(again.contains("Subject: [SPAM] [outside] an invoice\r\n") && again.matches("Subject:").count() == 1, "{again}");
    // Nothing is said of a mail of ours.
    let plain = run(mail, &client, &envelope, None, None);
    assert_eq!(judged_again(&plain, mail, &second, None), plain);
}
