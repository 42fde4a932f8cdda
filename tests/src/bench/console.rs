//! A node as it is after a year: a million mails in its tracking, a hundred thousand in its quarantine, and its peers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
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
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::smtp::Smtp;

/// What the mails of the seed have in common; searches ask for some of it.
pub const RECIPIENT_DOMAIN: &str = "example.net";
const PEOPLE: u32 = 2_000;
const SENDERS: u32 = 20_000;
/// The past that the journeys are spread over: within what is kept by default.
const SPAN: Duration = Duration::from_hours(20 * 24);
/// Notes that are waited for at a time: fewer than the writer's channel holds.
const BATCH: usize = 4_000;
const WORDS: [&str; 24] = [
    "invoice",
    "meeting",
    "offer",
    "delivery",
    "account",
    "newsletter",
    "report",
    "holiday",
    "contract",
    "question",
    "reminder",
    "order",
    "parcel",
    "password",
    "minutes",
    "quote",
    "application",
    "backup",
    "draft",
    "ticket",
    "payment",
    "project",
    "survey",
    "webinar",
];

fn person(n: u32) -> String {
    format!("person{n}@{RECIPIENT_DOMAIN}")
}

fn sender(n: u32) -> String {
    format!("sender{n}@company{}.example", n % 4_000)
}

fn subject(dice: &mut StdRng, n: usize) -> String {
    let mut word = || WORDS[dice.random_range(0..WORDS.len())];
    format!("{} {} {} number {n}", word(), word(), word())
}

/// Writes that many journeys into the database of a node that does not run.
///
/// # Errors
/// When the database cannot be written, or lost a note.
pub fn journeys(database: &Path, count: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let database = Database::open(database).await?;
        let mut dice = StdRng::seed_from_u64(1);
        let until = Timestamp::from_system(SystemTime::now() - Duration::from_hours(1));
        let first = until.0 - i64::try_from(SPAN.as_millis())?;
        let step = i64::try_from(SPAN.as_millis())? / i64::try_from(count.max(1))?;
        for n in 0..count {
            journey(&database, &mut dice, n, Timestamp(first + step * i64::try_from(n)?))?;
            if n % BATCH == BATCH - 1 {
                database.flush().await;
            }
        }
        database.close().await;
        ensure!(database.lost_notes() == 0, "{} notes were lost", database.lost_notes());
        Ok(())
    })
}

/// One mail as a node notes it: taken, judged, and delivered or refused.
fn journey(database: &Database, dice: &mut StdRng, n: usize, at: Timestamp) -> anyhow::Result<()> {
    let mail = MailId::new(at, dice.random());
    let client = IpAddr::V4(Ipv4Addr::from(0xc612_0000 | dice.random_range(0..0x1_ffff_u32)));
    let mail_from: Address = sender(dice.random_range(0..SENDERS)).parse()?;
    let recipient: Address = person(dice.random_range(0..PEOPLE)).parse()?;
    let (action, reason, score) = match dice.random_range(0..100) {
        0..60 => (Action::Accept, Reason::Clean, dice.random_range(-3.0..4.0)),
        60..70 => (Action::Tag, Reason::ScoreTag, dice.random_range(5.0..8.0)),
        70..98 => (Action::Reject, Reason::ScoreReject, dice.random_range(15.0..40.0)),
        _ => (Action::Reject, Reason::Virus, 30.0),
    };
    let hits = [
        ("SPF_PASS", Group::Spf, -0.5),
        ("BAYES_SPAM", Group::Bayes, 3.0),
        ("URL_NEW_HOST", Group::Url, 1.5),
        ("HTML_ONLY", Group::Html, 0.4),
    ]
    .map(|(symbol, group, score)| Hit {
        symbol: symbol.into(),
        group,
        score: Score::new(score),
        evidence: format!("what was seen in mail {n}"),
    });
    let event = |later: i64, step| database.journeys().record(JourneyEvent { mail, at: Timestamp(at.0 + later), step });
    event(0, Step::Received { client, helo: format!("mail.{}", mail_from.domain()), tls: Some("TLS 1.3".into()), reverse: None });
    event(20, Step::Authenticated { results: format!("gateway.example; spf=pass smtp.mailfrom={mail_from}; dkim=pass; dmarc=pass") });
    event(25, Step::Judged { verdict: Verdict { action, reason, score: Score::new(score), hits: hits.to_vec() } });
    if action == Action::Reject {
        event(26, Step::Refused { reason, reply: "550 5.7.1 message refused: it was judged to be spam".into() });
    } else {
        event(26, Step::Accepted { size: 9_000 });
        let reply = "250 2.0.0 Ok: queued".to_owned();
        event(90, Step::Delivered { recipient: recipient.clone(), host: "mail.example.net:25".into(), reply, tls: None, milliseconds: 60 });
    }
    database.journeys().summarise(JourneySummary {
        mail,
        at,
        direction: Direction::Inbound,
        client,
        from_header: Some(format!("Somebody <{mail_from}>")),
        mail_from: ReversePath::Address(mail_from),
        recipients: vec![recipient],
        subject: Some(subject(dice, n)),
        message_id: Some(format!("<{n}@company.example>")),
        size: 9_000,
        action: action.name().into(),
        reason,
        score,
    });
    Ok(())
}

/// Sends that many mails over SMTP; a rule of the node puts all of them into its quarantine.
///
/// # Errors
/// When one is not answered with 250.
pub fn quarantined(server: SocketAddr, count: usize, sessions: usize) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for session in 0..sessions {
            let (next, failed) = (&next, &failed);
            scope.spawn(move || {
                if let Err(e) = send(server, count, next, u64::try_from(session).unwrap_or_default())
                    && let Ok(mut failed) = failed.lock()
                {
                    *failed = Some(e);
                }
            });
        }
    });
    match failed.into_inner() {
        Ok(Some(e)) => Err(e),
        _ => Ok(()),
    }
}

fn send(server: SocketAddr, count: usize, next: &AtomicUsize, seed: u64) -> anyhow::Result<()> {
    /// Mails of a connection: the node ends one that brings more.
    const VISIT: usize = 50;
    let mut dice = StdRng::seed_from_u64(seed);
    loop {
        let mut client = Smtp::connect(server)?;
        client.say("EHLO client.example")?;
        for _ in 0..VISIT {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= count {
                let _ = client.say("QUIT");
                return Ok(());
            }
            let (from, to) = (sender(dice.random_range(0..SENDERS)), person(dice.random_range(0..PEOPLE)));
            let data = format!(
                "From: Somebody <{from}>\nTo: {to}\nSubject: {}\nMessage-ID: <held-{n}@client.example>\nDate: Fri, 27 Nov 2026 08:00:00 +0000\n\nText of mail {n}.",
                subject(&mut dice, n)
            );
            let reply = client.mail(&from, &[&to], &data)?;
            ensure!(reply.starts_with("250"), "mail {n}: {reply}");
        }
        client.say("QUIT").context("the end of a visit")?;
    }
}
