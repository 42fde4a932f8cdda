//! A database on a real file, and mails whose every field follows from their number.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::borrow::Cow;
use std::path::PathBuf;

use postern_model::address::{Address, ReversePath};
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, Step};
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::symbol::{Group, Hit};
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use postern_store::database::Database;
use postern_store::database::journeys::JourneySearch;

pub const START: i64 = 1_795_000_000_000;

pub struct Place {
    pub dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("postern.db")
    }
    pub async fn open(&self) -> Database {
        Database::open(&self.file()).await.unwrap()
    }
}

pub fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// The n-th mail of a made-up day: every field follows from n.
pub fn mail(n: u64) -> JourneySummary {
    let at = Timestamp(START + n as i64 * 10);
    let action = match n % 20 {
        0 => ("reject", Reason::ScoreReject),
        1 => ("quarantine", Reason::ScoreQuarantine),
        _ => ("accept", Reason::Clean),
    };
    JourneySummary {
        mail: MailId::new(at, u128::from(n)),
        at,
        direction: Direction::Inbound,
        client: std::net::Ipv4Addr::from(0xc000_0200 + (n % 200) as u32).into(),
        mail_from: ReversePath::Address(address(&format!("sender{}@mx{}.shop{}.example", n % 5000, n % 3, n % 700))),
        recipients: vec![address(&format!("user{}@example.org", n % 300))],
        from_header: Some(format!("Erika Muster-{} <news{}@brand{}.example>", n % 11, n % 13, n % 900)),
        subject: Some(format!("Invoice {n} for your order of Gänseblümchen")),
        message_id: Some(format!("<{n}.abc@shop.example>")),
        size: 4096 + n,
        action: Cow::Borrowed(action.0),
        reason: action.1,
        score: (n % 20) as f64,
    }
}

pub fn steps_of(summary: &JourneySummary) -> Vec<JourneyEvent> {
    let hit = |name: &'static str, group, score| Hit {
        symbol: name.into(),
        group,
        score: Score::new(score),
        evidence: "seen in the header".into(),
    };
    let step = |step| JourneyEvent { mail: summary.mail, at: summary.at, step };
    vec![
        step(Step::Received { client: summary.client, helo: "mx.shop.example".into(), tls: Some("TLSv1.3".into()), reverse: None }),
        step(Step::Authenticated { results: "spf=pass smtp.mailfrom=shop.example; dkim=pass header.d=shop.example; dmarc=pass".into() }),
        step(Step::Judged {
            verdict: Verdict {
                action: Action::Accept,
                reason: summary.reason,
                score: Score::new(summary.score),
                hits: vec![
                    hit("SPF_PASS", Group::Spf, -0.5),
                    hit("DKIM_PASS", Group::Dkim, -0.5),
                    hit("HTML_ONLY", Group::Html, 0.8),
                    hit("URL_MANY", Group::Url, 0.3),
                    hit("BAYES_SPAM", Group::Bayes, 3.1),
                ],
            },
        }),
        step(Step::Accepted { size: summary.size }),
        step(Step::Delivered {
            recipient: summary.recipients[0].clone(),
            host: "backend[192.0.2.9]:25".into(),
            reply: "250 2.0.0 ok".into(),
            tls: None,
            milliseconds: 12,
        }),
    ]
}

pub async fn seed(database: &Database, mails: std::ops::Range<u64>) {
    for n in mails {
        let summary = mail(n);
        for event in steps_of(&summary) {
            database.journeys().record(event);
        }
        database.journeys().summarise(summary);
        if n % 5000 == 4999 {
            database.flush().await;
        }
    }
    database.flush().await;
}

pub fn ask() -> JourneySearch {
    JourneySearch { limit: 50, ..JourneySearch::default() }
}
