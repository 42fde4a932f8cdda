//! `just tour`: a data folder with nine days of believable mail in it, for the pictures of docs/tour.md. The same each time but for the date.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::ensure;
use clap::Parser;
use postern_model::address::{Address, ReversePath};
use postern_model::envelope::Direction;
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, JourneySummary, Step};
use postern_model::quarantine::QuarantineState;
use postern_model::reason::Reason;
use postern_model::score::Score;
use postern_model::symbol::Hit;
use postern_model::time::Timestamp;
use postern_model::verdict::{Action, Verdict};
use postern_store::database::Database;
use postern_store::database::quarantine::QuarantineEntry;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const DAYS: i64 = 9;
/// Mails of an hour of a working day, by hour: people write when they work, spam comes at night.
const HOURS: [u32; 24] = [6, 5, 5, 6, 7, 9, 16, 34, 58, 66, 60, 54, 40, 48, 57, 55, 49, 38, 24, 16, 12, 10, 8, 7];

/// The built program writes into this folder, which a node then starts with.
#[derive(Parser)]
struct Options {
    #[arg(long)]
    data: PathBuf,
}

/// What comes: how often of a hundred, who writes, what about, and what the filter makes of it.
struct Kind {
    share: u32,
    action: Action,
    reason: Reason,
    score: (f64, f64),
    senders: &'static [&'static str],
    subjects: &'static [&'static str],
    symbols: &'static [&'static str],
}

const KINDS: &[Kind] = &[
    Kind {
        share: 62,
        action: Action::Accept,
        reason: Reason::Clean,
        score: (-3.0, 1.5),
        senders: &[
            "anna.meier@partner.example",
            "orders@supplier.example",
            "j.novak@builders.example",
            "office@law.example",
            "newsletter@museum.example",
        ],
        subjects: &[
            "Minutes of Tuesday",
            "Your order 4711",
            "Offer for the roof",
            "Re: lunch on Friday",
            "Programme for December",
            "Contract, second draft",
        ],
        symbols: &["SPF_PASS", "DKIM_PASS", "DMARC_PASS"],
    },
    Kind {
        share: 9,
        action: Action::Tag,
        reason: Reason::ScoreTag,
        score: (5.0, 7.4),
        senders: &["offers@bargains.example", "news@shop.example"],
        subjects: &["Only today: 30% off", "You have not looked for a while", "Last call"],
        symbols: &["SPF_PASS", "BAYES_SPAM", "MIME_HTML_ONLY"],
    },
    Kind {
        share: 8,
        action: Action::Quarantine,
        reason: Reason::ScoreQuarantine,
        score: (8.0, 13.0),
        senders: &["billing@paypa1.example", "no-reply@parcel-track.example", "service@bank-secure.example", "hr@payroll-update.example"],
        subjects: &[
            "Your account is limited",
            "Parcel could not be delivered",
            "Invoice 20261",
            "Confirm your details",
            "Updated payroll form",
        ],
        symbols: &["SPF_FAIL", "BRAND_LOOKALIKE_FROM", "NAME_HAS_OTHER_ADDRESS", "URL_TEXT_LIES", "BAYES_SPAM"],
    },
    Kind {
        share: 18,
        action: Action::Reject,
        reason: Reason::ScoreReject,
        score: (15.0, 32.0),
        senders: &["win@lottery.example", "pills@pharmacy.example", "x8123@bulk.example"],
        subjects: &["You won", "Cheap pills", "Dear friend"],
        symbols: &["BAYES_SPAM", "SPF_SOFTFAIL", "MIME_HTML_ONLY", "DATE_IN_FUTURE"],
    },
    Kind {
        share: 3,
        action: Action::Reject,
        reason: Reason::Virus,
        score: (20.0, 20.0),
        senders: &["scan@copier.example"],
        subjects: &["Scanned document"],
        symbols: &["ATTACHMENT_EXECUTABLE", "ATTACHMENT_LURE_NAME"],
    },
];
const PEOPLE: &[&str] = &["erika.muster", "paul.weber", "office", "accounting", "sales", "lena.brandt", "info", "it"];
const DOMAINS: &[&str] = &["example.org", "example.org", "example.org", "school.example", "town.example"];

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    std::fs::create_dir_all(&options.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let database = Database::open(&options.data.join("postern.db")).await?;
        let mut dice = StdRng::seed_from_u64(11);
        let now = Timestamp::from_system(SystemTime::now());
        let first = now.0.div_euclid(DAY) * DAY - (DAYS - 1) * DAY;
        for hour in 0.. {
            let begin = first + hour * HOUR;
            if begin >= now.0 {
                break;
            }
            of_hour(&database, &mut dice, begin, now.0).await?;
            database.flush().await;
        }
        database.close().await;
        ensure!(database.lost_notes() == 0, "notes were lost");
        Ok(())
    })
}

async fn of_hour(database: &Database, dice: &mut StdRng, begin: i64, now: i64) -> anyhow::Result<()> {
    let hour = usize::try_from(begin.rem_euclid(DAY) / HOUR)?;
    // The first of January 1970 was a Thursday.
    let is_weekend = matches!(begin.div_euclid(DAY).rem_euclid(7), 2 | 3);
    let usual = if is_weekend { HOURS[hour] / 3 } else { HOURS[hour] };
    let mails = dice.random_range(usual * 3 / 4..=usual * 5 / 4);
    let counters = database.counters();
    let at = Timestamp(begin);
    counters.add("minutes-up", 60, at);
    counters.add("minutes-ready", if hour == 3 && begin.div_euclid(DAY).rem_euclid(7) == 5 { 48 } else { 60 }, at);
    counters.add("queue-minutes", u64::from(mails) * 3, at);
    counters.add("edge-drop-ban", dice.random_range(400..900), at);
    counters.add("edge-drop-feed", dice.random_range(900..2600), at);
    counters.add("edge-drop-syn-rate", dice.random_range(0..120), at);
    for _ in 0..mails {
        let at = Timestamp((begin + dice.random_range(0..HOUR)).min(now - 1000));
        mail(database, dice, at).await?;
    }
    Ok(())
}

async fn mail(database: &Database, dice: &mut StdRng, at: Timestamp) -> anyhow::Result<()> {
    let mut draw = dice.random_range(0..100);
    let kind = KINDS
        .iter()
        .find(|k| {
            draw < k.share || {
                draw -= k.share;
                false
            }
        })
        .unwrap_or(&KINDS[0]);
    let id = MailId::new(at, dice.random());
    let sender = *kind.senders.choose(dice).unwrap_or(&"");
    let subject = *kind.subjects.choose(dice).unwrap_or(&"");
    let recipient: Address = format!("{}@{}", PEOPLE.choose(dice).unwrap_or(&""), DOMAINS.choose(dice).unwrap_or(&"")).parse()?;
    let score = dice.random_range(kind.score.0..=kind.score.1);
    let client = IpAddr::V4(Ipv4Addr::new(198, 51, 100, dice.random_range(1..250)));
    let hit = |symbol: &&'static str| {
        let known = postern_filter::registry::find(symbol)?;
        let evidence = known.description.to_owned();
        Some(Hit { symbol: known.name.into(), group: known.group, score: Score::new(known.weight), evidence })
    };
    let hits: Vec<Hit> = kind.symbols.iter().filter_map(hit).collect();
    let event = |later: i64, step| database.journeys().record(JourneyEvent { mail: id, at: Timestamp(at.0 + later), step });
    let domain = sender.rsplit('@').next().unwrap_or_default();
    event(
        0,
        Step::Received { client, helo: format!("mail.{domain}"), tls: Some("TLS 1.3".into()), reverse: Some(format!("mail.{domain}")) },
    );
    event(31, Step::Judged { verdict: Verdict { action: kind.action, reason: kind.reason, score: Score::new(score), hits } });
    match kind.action {
        Action::Reject => event(32, Step::Refused { reason: kind.reason, reply: kind.reason.reply().2.into() }),
        Action::Quarantine => {
            event(32, Step::Accepted { size: 9_000 });
            event(33, Step::Quarantined { reason: kind.reason });
        }
        _ => {
            event(32, Step::Accepted { size: 9_000 });
            let took = if dice.random_ratio(1, 12) { dice.random_range(15_000..400_000) } else { dice.random_range(80..1500) };
            let reply = "250 2.0.0 Ok".to_owned();
            event(
                took,
                Step::Delivered {
                    recipient: recipient.clone(),
                    host: "mail.example.org:25".into(),
                    reply,
                    tls: Some("TLS 1.3".into()),
                    milliseconds: 60,
                },
            );
        }
    }
    database.journeys().summarise(JourneySummary {
        mail: id,
        at,
        direction: Direction::Inbound,
        client,
        mail_from: ReversePath::Address(sender.parse()?),
        recipients: vec![recipient.clone()],
        from_header: Some(sender.to_owned()),
        subject: Some(subject.to_owned()),
        message_id: Some(format!("<{id}@{domain}>")),
        size: dice.random_range(3_000..90_000),
        action: kind.action.name().into(),
        reason: kind.reason,
        score,
    });
    if kind.action == Action::Quarantine {
        held(database, dice, id, at, sender, subject, &recipient, kind.reason, score).await?;
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "called once, for a row of the index")]
async fn held(
    database: &Database,
    dice: &mut StdRng,
    mail: MailId,
    at: Timestamp,
    sender: &str,
    subject: &str,
    recipient: &Address,
    reason: Reason,
    score: f64,
) -> anyhow::Result<()> {
    let entry = QuarantineEntry {
        mail,
        at,
        sender: sender.to_owned(),
        recipients: vec![recipient.to_string()],
        from_header: Some(format!("Customer Service <{sender}>")),
        subject: Some(subject.to_owned()),
        score: Score::new(score),
        reason,
        size: dice.random_range(4_000..40_000),
        expires: Timestamp(at.0 + 30 * DAY),
        state: QuarantineState::Held,
        state_by: None,
        state_at: None,
        holder: None,
    };
    database.quarantine().add(&entry).await?;
    let end = match dice.random_range(0..10) {
        0 => QuarantineState::Released,
        1..=4 => QuarantineState::Deleted,
        _ => return Ok(()),
    };
    database.quarantine().raise(mail, end, &recipient.to_string(), Timestamp(at.0 + dice.random_range(HOUR..5 * HOUR))).await?;
    Ok(())
}
