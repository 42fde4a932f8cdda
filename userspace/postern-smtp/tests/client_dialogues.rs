//! Plays the dialogues of `tests/client/*.txt` against the client's state machine.
//!
//! `S:` the peer says; `C:` the client writes (consecutive lines are one burst, one write);
//! `tls` the handshake succeeds; `mail`/`ask` begin a transaction (`text` gives the mail's lines);
//! `= …` what a recipient got; `refused …` the mail cannot go to this peer; `! …` the connection's error;
//! `lost` the stream ends; `ready` the session stands; `close` it is to be closed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use postern_model::address::{Address, ReversePath};
use postern_model::envelope::{BodyType, Client as Peer, Direction, DsnNotify, DsnReturn, Envelope, Recipient};
use postern_model::queue::HeaderEdits;
use postern_model::settings::delivery::{Protocol, TlsPolicy};
use postern_smtp::client::{Action, BodyWriter, Client, Credentials, Options, Outcome, Payload, Transaction};

fn envelope(words: &[&str]) -> Envelope {
    let at = "192.0.2.1:1".parse().unwrap();
    let client = Peer { address: at, local: at, helo: String::new(), esmtp: true, tls: None, reverse: None, login: None };
    let mut e = Envelope {
        direction: Direction::Outbound,
        client,
        mail_from: ReversePath::Null,
        recipients: Vec::new(),
        declared_size: None,
        body: BodyType::SevenBit,
        smtputf8: false,
        require_tls: false,
        dsn_return: None,
        dsn_envelope_id: None,
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("from", "") => {}
            ("from", a) => e.mail_from = ReversePath::Address(a.parse().unwrap()),
            ("to", list) => e.recipients.extend(list.split(',').map(|a| Recipient::plain(a.parse().unwrap()))),
            ("8bit", _) => e.body = BodyType::EightBitMime,
            ("binary", _) => e.body = BodyType::BinaryMime,
            ("utf8", _) => e.smtputf8 = true,
            ("requiretls", _) => e.require_tls = true,
            ("trusted", _) => {}
            ("ret", "full") => e.dsn_return = Some(DsnReturn::Full),
            ("envid", id) => e.dsn_envelope_id = Some(id.to_owned()),
            ("orcpt", o) => e.recipients.last_mut().unwrap().original = Some(o.to_owned()),
            ("notify", n) => {
                let has = |w| n.split(',').any(|x| x == w);
                let notify = DsnNotify { success: has("success"), failure: has("failure"), delay: has("delay") };
                e.recipients.last_mut().unwrap().notify = Some(notify);
            }
            other => panic!("unknown word {other:?}"),
        }
    }
    e
}

fn shown(outcome: &Outcome) -> Vec<String> {
    outcome.recipients.iter().map(|r| r.as_ref().map_or("lost".to_owned(), |r| format!("{}: {}", r.stage, r.reply))).collect()
}

struct Play {
    client: Client,
    edits: HeaderEdits,
    text: Vec<u8>,
    error: Option<String>,
    results: Vec<String>,
}

impl Play {
    /// Everything the client writes before it reads again.
    fn burst(&mut self) -> Option<String> {
        match self.client.action() {
            Action::Send(body) => {
                let mut out = Vec::new();
                match body {
                    None => out.extend_from_slice(self.client.output()),
                    Some(form) => {
                        let payload = Payload::new(&self.edits, &self.text);
                        let mut writer = BodyWriter::new(self.client.output(), &payload, form);
                        while !writer.batch().is_empty() {
                            writer.batch().iter().for_each(|s| out.extend_from_slice(s));
                            writer.advance();
                        }
                    }
                }
                self.client.sent();
                Some(String::from_utf8_lossy(&out).into_owned())
            }
            _ => None,
        }
    }
}

fn play(path: &Path) {
    let script = std::fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let mut options = Options { hello: "us.example".into(), protocol: Protocol::Smtp, tls: TlsPolicy::Opportunistic, credentials: None };
    let mut play: Option<Play> = None;
    let mut lines = script.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let place = format!("{name}:{}: {line}", number + 1);
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "" | "#" => continue,
            "protocol" => options.protocol = if rest == "lmtp" { Protocol::Lmtp } else { Protocol::Smtp },
            "policy" => {
                options.tls = match rest {
                    "off" => TlsPolicy::Off,
                    "required" => TlsPolicy::Required,
                    "verified" => TlsPolicy::Verified,
                    _ => TlsPolicy::Opportunistic,
                }
            }
            "login" => {
                let (username, password) = rest.split_once(' ').unwrap();
                options.credentials = Some(Credentials { username: username.into(), password: password.into() });
            }
            _ => {
                let p = play.get_or_insert_with(|| Play {
                    client: Client::new(options.clone()),
                    edits: HeaderEdits::default(),
                    text: Vec::new(),
                    error: None,
                    results: Vec::new(),
                });
                match verb {
                    "S:" => {
                        let mut all = format!("{rest}\r\n");
                        while let Some((_, more)) = lines.next_if(|(_, l)| l.starts_with("S: ")) {
                            all.push_str(&format!("{}\r\n", &more[3..]));
                        }
                        assert_eq!(p.client.action(), Action::Read, "{place}: the client is not reading");
                        p.error = p.client.received(all.as_bytes()).err().map(|e| e.to_string());
                    }
                    "C:" => {
                        let mut expected = format!("{rest}\r\n");
                        while let Some((_, more)) = lines.next_if(|(_, l)| l.starts_with("C: ")) {
                            expected.push_str(&format!("{}\r\n", &more[3..]));
                        }
                        let sent = p.burst().unwrap_or_else(|| panic!("{place}: nothing was written, but {:?}", p.client.action()));
                        assert_eq!(sent, expected, "{place}");
                    }
                    "tls" => {
                        assert_eq!(p.client.action(), Action::StartTls, "{place}");
                        p.client.tls_started();
                    }
                    "text" => p.text.extend_from_slice(format!("{rest}\r\n").as_bytes()),
                    "mail" | "refused" => {
                        assert_eq!(p.client.action(), Action::Ready, "{place}");
                        let (words, reason) = rest.split_once(" : ").unwrap_or((rest, ""));
                        let words: Vec<&str> = words.split(' ').collect();
                        let e = envelope(&words);
                        let payload = Payload::new(&p.edits, &p.text);
                        let recipients: Vec<&Recipient> = e.recipients.iter().collect();
                        let line_is_trusted = words.contains(&"trusted");
                        let t = Transaction { envelope: &e, recipients: &recipients, payload: &payload, line_is_trusted };
                        let begun = p.client.begin(&t).map_err(|r| r.to_string());
                        assert_eq!(begun, if verb == "mail" { Ok(()) } else { Err(reason.to_owned()) }, "{place}");
                    }
                    "ask" => {
                        let addresses: Vec<Address> = rest.split(',').map(|a| a.parse().unwrap()).collect();
                        p.client.ask(&addresses.iter().collect::<Vec<_>>());
                    }
                    "=" => {
                        if p.results.is_empty() {
                            assert_eq!(p.client.action(), Action::Finished, "{place}: {:?}", p.error);
                            p.results = shown(&p.client.finish());
                        }
                        assert!(!p.results.is_empty(), "{place}: no more recipients");
                        assert_eq!(p.results.remove(0), rest, "{place}");
                    }
                    "lost" => p.results = shown(&p.client.abandon()),
                    "!" => assert_eq!(p.error.take().as_deref(), Some(rest), "{place}"),
                    "quit" => p.client.quit(),
                    "ready" => assert_eq!(p.client.action(), Action::Ready, "{place}: {:?}", p.error),
                    "close" => assert_eq!(p.client.action(), Action::Close, "{place}"),
                    _ => panic!("{place}: unknown verb"),
                }
                assert!(p.error.is_none() || lines.peek().is_some_and(|(_, l)| l.starts_with("! ")), "{place}: {:?}", p.error);
            }
        }
    }
    let p = play.unwrap();
    assert!(p.results.is_empty(), "{name}: results nobody looked at: {:?}", p.results);
}

#[test]
fn the_client_keeps_to_the_dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 15, "dialogues are missing");
    files.iter().for_each(|f| play(f));
}
