//! Mails with what the network would have said beside them.
//!
//! A test mail may begin with `X-Test-…` lines; they are taken off before the mail is read:
//!
//! | line | meaning | default |
//! |---|---|---|
//! | `X-Test-Now: SECONDS` | moment of judgement | Date and a minute |
//! | `X-Test-Direction: outbound` | through the port of our own servers | inbound |
//! | `X-Test-Ip`, `X-Test-Helo`, `X-Test-Login` | the client | none |
//! | `X-Test-Esmtp: no` | HELO, not EHLO | yes |
//! | `X-Test-Reverse: NAME`, `none`, `unconfirmed NAME` | reverse name | not asked |
//! | `X-Test-Helo-Resolves: no`, `X-Test-Sender-Domain: missing`, `null-mx` | DNS | not asked |
//! | `X-Test-Pregreet: yes`, `X-Test-Errors: N`, `X-Test-Unknown-Recipients: N` | the session | none |
//! | `X-Test-Mail-From: ADDRESS` or `<>` | envelope sender | address of From |
//! | `X-Test-Own-Domains: A, B` | domains that are ours | example.test |
//! | `X-Test-Rcpt: A, B` | envelope recipients | user@example.test |
//! | `X-Test-Spf: RESULT DOMAIN`, `X-Test-Spf-Helo: RESULT` | SPF | not asked |
//! | `X-Test-Dkim: RESULT DOMAIN [bits=N] [testing]` | DKIM, may stand several times | not asked |
//! | `X-Test-Dmarc: RESULT DOMAIN [POLICY]` | DMARC | not asked |
//! | `X-Test-Arc: RESULT SEALER [dmarc-pass]` | ARC | not asked |
//! | `X-Test-List: ZONE WEIGHT` | a DNS list's answer | none |
//! | `X-Test-Bayes: PROBABILITY [own]` | classifier; taught by own mail | none |
//! | `X-Test-Antivirus: clean`, `too-large`, `failed`, `NAME` | engine | not asked |
//! | `X-Test-Sandbox: FINDING PLACE [EVIDENCE]`, `left-out WHY`, `unanswered WHY` | sandbox, may stand several times | not asked |
//! | `X-Test-History: N` | mails of this sender before | not asked |
//! | `X-Test-Setting: TOML` | a line of the settings file, may stand several times | defaults |

#![allow(clippy::unwrap_used, clippy::expect_used, dead_code)]

use std::path::Path;

use postern_filter::facts::{Asked, BayesFact, Connection, Facts, History, ListHit, SandboxFinding, Sandboxed, Scan};
use postern_mail::authentication::{AuthResult, Authentication, DkimResult, DmarcPolicy};
use postern_mail::message::Limits;
use postern_model::address::{Address, ReversePath};
use postern_model::envelope::Direction;
use postern_model::sandbox::FindingName;
use postern_model::score::Score;
use postern_model::settings::{self, Settings};
use postern_model::time::Timestamp;

pub struct Case {
    pub facts: Facts,
    pub settings: Settings,
}

pub fn load(path: &Path) -> Case {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    case(&bytes, &path.display().to_string())
}

/// The mail's lines may end in LF: on the wire they end in CRLF.
fn case(bytes: &[u8], what: &str) -> Case {
    let mut tests: Vec<(String, String)> = Vec::new();
    let mut rest = bytes;
    while rest.starts_with(b"X-Test-") {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len() - 1);
        let line = String::from_utf8_lossy(&rest[..end]).trim_end().to_owned();
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{what}: {line}"));
        tests.push((name["X-Test-".len()..].to_ascii_lowercase(), value.trim().to_owned()));
        rest = &rest[end + 1..];
    }
    let mut wire = Vec::with_capacity(rest.len() + rest.len() / 30);
    for (i, b) in rest.iter().enumerate() {
        if *b == b'\n' && (i == 0 || rest[i - 1] != b'\r') {
            wire.push(b'\r');
        }
        wire.push(*b);
    }
    let message = postern_mail::read(&wire, &Limits::default());
    let now = Timestamp::from_unix_seconds(message.date.unwrap_or(1_793_613_600) + 60);
    let mail_from = message.from.first().and_then(|f| f.address.parse::<Address>().ok());
    let mut facts = Facts {
        now,
        direction: Direction::Inbound,
        connection: Connection { esmtp: true, ..Connection::default() },
        mail_from: ReversePath::from(mail_from),
        recipients: vec!["user@example.test".into()],
        own_domains: vec!["example.test".parse().unwrap()],
        message,
        authentication: Asked::No,
        lists: Vec::new(),
        bayes: None,
        antivirus: Asked::No,
        sandbox: Sandboxed::default(),
        history: History::default(),
    };
    let mut toml = String::new();
    for (name, value) in &tests {
        apply(&mut facts, &mut toml, name, value, what);
    }
    let settings = settings::parse(&toml).unwrap_or_else(|e| panic!("{what}: {e}"));
    Case { facts, settings }
}

fn apply(facts: &mut Facts, toml: &mut String, name: &str, value: &str, what: &str) {
    let words: Vec<&str> = value.split_whitespace().collect();
    let word = |i: usize| words.get(i).copied().unwrap_or_default();
    let c = &mut facts.connection;
    match name {
        "now" => facts.now = Timestamp::from_unix_seconds(value.parse().unwrap()),
        "direction" => facts.direction = if value == "outbound" { Direction::Outbound } else { Direction::Inbound },
        "ip" => c.ip = Some(value.parse().unwrap()),
        "helo" => c.helo = value.to_owned(),
        "login" => c.login = Some(value.to_owned()),
        "esmtp" => c.esmtp = value == "yes",
        "reverse" => match words.as_slice() {
            ["none"] => c.reverse = Asked::Yes(None),
            ["unconfirmed", name] => {
                c.reverse = Asked::Yes(None);
                c.reverse_unconfirmed = Some((*name).to_owned());
            }
            _ => c.reverse = Asked::Yes(Some(value.to_owned())),
        },
        "helo-resolves" => c.helo_resolves = Asked::Yes(value == "yes"),
        "sender-domain" => {
            c.sender_null_mx = value == "null-mx";
            c.sender_domain_exists = Asked::Yes(value != "missing");
        }
        "pregreet" => c.pregreet = value == "yes",
        "errors" => c.errors = value.parse().unwrap(),
        "unknown-recipients" => c.unknown_recipients = value.parse().unwrap(),
        "mail-from" => facts.mail_from = ReversePath::from(value.parse::<Address>().ok()),
        "own-domains" => facts.own_domains = value.split(',').map(|d| d.trim().parse().unwrap()).collect(),
        "rcpt" => facts.recipients = value.split(',').map(|r| r.trim().to_owned()).collect(),
        "list" => facts.lists.push(ListHit {
            zone: word(0).to_owned(),
            subject: "192.0.2.1".into(),
            answer: "127.0.0.2".into(),
            weight: Score::new(word(1).parse().unwrap()),
        }),
        "bayes" => {
            let (probability, own) = value.split_once(' ').unwrap_or((value, ""));
            facts.bayes = Some(BayesFact {
                probability: probability.parse().unwrap(),
                own_share: if own == "own" { 1.0 } else { 0.0 },
                known_tokens: 100,
                evidence: vec!["word".into()],
            });
        }
        "antivirus" => {
            facts.antivirus = match value {
                "clean" => Asked::Yes(Scan::Clean),
                "too-large" => Asked::Yes(Scan::TooLarge),
                "failed" => Asked::Failed,
                name => Asked::Yes(Scan::Infected(name.to_owned())),
            }
        }
        "sandbox" => {
            let (what, rest) = value.split_once(' ').unwrap_or((value, ""));
            match what {
                "left-out" => facts.sandbox.left_out.push(rest.to_owned()),
                "unanswered" => facts.sandbox.unanswered.push(rest.to_owned()),
                name => facts.sandbox.findings.push(SandboxFinding {
                    name: *FindingName::ALL.iter().find(|n| n.name() == name).unwrap_or_else(|| panic!("{what}: {name}")),
                    place: word(1).to_owned(),
                    evidence: words.get(2..).unwrap_or_default().join(" "),
                }),
            }
        }
        "history" => facts.history.mails_from_sender = Some(value.parse().unwrap()),
        "setting" => {
            toml.push_str(value);
            toml.push('\n');
        }
        _ => authentication(facts, name, &words, what),
    }
}

fn authentication(facts: &mut Facts, name: &str, words: &[&str], what: &str) {
    let word = |i: usize| words.get(i).copied().unwrap_or_default();
    if !matches!(facts.authentication, Asked::Yes(_)) {
        facts.authentication = Asked::Yes(Authentication::default());
    }
    let Asked::Yes(auth) = &mut facts.authentication else { return };
    match name {
        "spf" => {
            auth.spf = result(word(0), what);
            auth.spf_domain = word(1).to_owned();
        }
        "spf-helo" => auth.spf_helo = result(word(0), what),
        "dkim" => auth.dkim.push(DkimResult {
            result: result(word(0), what),
            domain: word(1).to_owned(),
            selector: "s".into(),
            algorithm: "rsa-sha256".into(),
            key_bits: words.iter().find_map(|w| w.strip_prefix("bits=")).map(|b| b.parse().unwrap()),
            is_testing: words.contains(&"testing"),
            why: "body hash did not verify".into(),
        }),
        "dmarc" => {
            auth.dmarc = result(word(0), what);
            auth.dmarc_domain = word(1).to_owned();
            auth.dmarc_policy = match word(2) {
                "reject" => DmarcPolicy::Reject,
                "quarantine" => DmarcPolicy::Quarantine,
                "none" => DmarcPolicy::None,
                _ => DmarcPolicy::Unspecified,
            };
        }
        "arc" => {
            auth.arc = result(word(0), what);
            auth.arc_sealer = word(1).to_owned();
            auth.arc_sets = 1;
            auth.arc_dmarc_pass = word(2) == "dmarc-pass";
        }
        _ => panic!("{what}: there is no X-Test-{name}"),
    }
}

fn result(word: &str, what: &str) -> AuthResult {
    serde_json::from_value(serde_json::Value::from(word)).unwrap_or_else(|e| panic!("{what}: {word}: {e}"))
}
