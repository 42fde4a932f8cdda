//! The database on a real file: tracking and its search, memory of mail, logins.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod database_fixture;

use std::time::{Duration, Instant};

use database_fixture::{Place, START, address, ask, mail, seed, steps_of};
use postern_model::id::MailId;
use postern_model::journey::{JourneyEvent, Step};
use postern_model::own_list::{Choice, Sender};
use postern_model::reason::Reason;
use postern_model::role::{Reach, Rights};
use postern_model::score::Score;
use postern_model::settings::smtp::GreylistSettings;
use postern_model::time::Timestamp;
use postern_store::database::api_tokens::NewApiToken;
use postern_store::database::audit::{Act, AuditSearch};
use postern_store::database::changes::Change;
use postern_store::database::greylist::GreylistAnswer;
use postern_store::database::journeys::JourneySearch;
use postern_store::database::migrations;
use postern_store::database::migrations::ALL;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineSearch, QuarantineState};
use postern_store::database::retention::Retention;
use postern_store::database::user_lists::{Chosen, MOST, UserChoice};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

fn held(n: u64) -> QuarantineEntry {
    QuarantineEntry {
        mail: MailId::new(Timestamp(START + n as i64), 1),
        at: Timestamp(START + n as i64),
        sender: format!("s{n}@shop.example"),
        recipients: vec!["a@example.org".into(), format!("b{n}@example.org")],
        from_header: Some("Shop <s@shop.example>".into()),
        subject: Some(format!("100% off_{n}")),
        score: Score::new(9.0),
        reason: Reason::ScoreQuarantine,
        size: 100,
        expires: Timestamp(START + 1000 + n as i64),
        state: QuarantineState::Held,
        state_by: None,
        state_at: None,
        holder: None,
    }
}

#[tokio::test]
async fn a_mail_is_found_by_everything_it_has_in_open_and_closed_segments() {
    let place = Place::new();
    let database = place.open().await;
    seed(&database, 0..10_000).await; // two closed segments and an open one
    for n in [9_990u64, 17, 4095, 4096] {
        let m = mail(n);
        let asks = [
            JourneySearch { message_id: Some(format!("{n}.abc@shop.example")), ..ask() },
            JourneySearch { message_id: m.message_id.clone(), ..ask() },
            JourneySearch { subject: Some(format!("invoice {n}")), ..ask() },
            JourneySearch { subject: Some(format!("{n} gänseblümchen")), ..ask() },
            JourneySearch { sender: m.mail_from.address().map(ToString::to_string), subject: Some(n.to_string()), ..ask() },
            JourneySearch { sender: Some(format!("shop{}.example", n % 700)), subject: Some(n.to_string()), ..ask() },
            JourneySearch { sender: Some(format!("sender{}", n % 5000)), subject: Some(n.to_string()), ..ask() },
            JourneySearch { sender: Some(format!("erika muster-{}", n % 11)), subject: Some(n.to_string()), ..ask() },
            JourneySearch { sender: Some(format!("NEWS{}@Brand{}.example", n % 13, n % 900)), subject: Some(n.to_string()), ..ask() },
            JourneySearch { recipient: Some(format!("user{}@example.org", n % 300)), subject: Some(n.to_string()), ..ask() },
            JourneySearch { client: Some(m.client), from: Some(m.at), to: Some(m.at), ..ask() },
            JourneySearch { from: Some(m.at), to: Some(m.at), ..ask() },
            JourneySearch { action: Some(m.action.to_string()), reason: Some(m.reason), subject: Some(n.to_string()), ..ask() },
        ];
        for (i, search) in asks.iter().enumerate() {
            let page = database.journeys().search(search).await.unwrap();
            assert_eq!(page.journeys, vec![m.clone()], "mail {n}, question {i}");
        }
        let journey = database.journeys().one(m.mail).await.unwrap().unwrap();
        assert_eq!(journey.steps.len(), 5);
        assert_eq!(
            journey.steps.iter().map(|s| s.step.clone()).collect::<Vec<_>>(),
            steps_of(&m).into_iter().map(|e| e.step).collect::<Vec<_>>()
        );
    }
    let none = database.journeys().search(&JourneySearch { sender: Some("nobody@nowhere.example".into()), ..ask() }).await.unwrap();
    assert_eq!((none.journeys.len(), none.next), (0, None));
    // Words of one field are not found in another.
    let other = database.journeys().search(&JourneySearch { recipient: Some("invoice".into()), ..ask() }).await.unwrap();
    assert!(other.journeys.is_empty());
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition() {
    let place = Place::new();
    let database = place.open().await;
    seed(&database, 0..9_000).await;
    for search in
        [ask(), JourneySearch { action: Some("reject".into()), ..ask() }, JourneySearch { sender: Some("shop3.example".into()), ..ask() }]
    {
        let mut got = Vec::new();
        let mut before = None;
        loop {
            let page = database.journeys().search(&JourneySearch { before, limit: 77, ..search.clone() }).await.unwrap();
            got.extend(page.journeys.into_iter().map(|j| j.mail));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let expected: Vec<MailId> = (0..9_000)
            .rev()
            .map(mail)
            .filter(|m| search.action.as_deref().is_none_or(|a| a == m.action))
            .filter(|m| search.sender.is_none() || m.mail_from.to_string().ends_with(".shop3.example"))
            .map(|m| m.mail)
            .collect();
        assert_eq!(got.len(), expected.len());
        assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn tracking_survives_a_restart_and_late_steps_are_joined() {
    let place = Place::new();
    let m = mail(7);
    {
        let database = place.open().await;
        seed(&database, 0..100).await;
        database.close().await;
    }
    let database = place.open().await;
    let late =
        JourneyEvent { mail: m.mail, at: Timestamp(m.at.0 + 5000), step: Step::QueueAction { action: "retry".into(), by: "admin".into() } };
    database.journeys().record(late.clone());
    // A mail of which only a refusal is known.
    let refused = JourneyEvent {
        mail: MailId::new(Timestamp(START), 99),
        at: Timestamp(START),
        step: Step::RecipientRefused { recipient: "x@example.org".into(), reason: Reason::UnknownRecipient },
    };
    database.journeys().record(refused.clone());
    seed(&database, 100..4_200).await;
    let journey = database.journeys().one(m.mail).await.unwrap().unwrap();
    assert_eq!(journey.steps.len(), 6);
    assert_eq!(journey.steps[5].step, late.step);
    let only = database.journeys().one(refused.mail).await.unwrap().unwrap();
    assert!(only.summary.is_none() && only.steps.len() == 1);
    // Rows written before the restart are in the segment that was closed after it.
    let page = database.journeys().search(&JourneySearch { subject: Some("invoice 7".into()), ..ask() }).await.unwrap();
    assert_eq!(page.journeys, vec![m]);
    assert_eq!(database.lost_notes(), 0);
}

#[tokio::test]
async fn pruning_forgets_old_segments_only() {
    let place = Place::new();
    let database = place.open().await;
    seed(&database, 0..9_000).await;
    let pruned = database.journeys().prune(mail(5_000).at).await.unwrap();
    assert_eq!(pruned, 4096);
    assert!(database.journeys().one(mail(10).mail).await.unwrap().is_none());
    assert!(database.journeys().one(mail(4_100).mail).await.unwrap().is_some());
    seed(&database, 9_000..9_010).await;
    let page = database.journeys().search(&JourneySearch { subject: Some("9005".into()), ..ask() }).await.unwrap();
    assert_eq!(page.journeys.len(), 1);
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_everywhere() {
    let place = Place::new();
    let database = place.open().await;
    seed(&database, 0..4_200).await;
    database.senders().accepted("a@b.example", Timestamp(START));
    database.recipients().remember("r@example.org", true, Timestamp(START));
    database.sessions().begin(&[1; 32], "admin", "c", "unix", Timestamp(START)).await.unwrap();
    database.flush().await;
    let retention = Retention::default();
    assert_eq!(database.prune(Timestamp(START), &retention).await.unwrap(), 1, "only the recipient's answer is stale");
    let later = Timestamp(START + 500 * 86_400_000);
    assert!(database.prune(later, &retention).await.unwrap() >= 4096 + 3);
    assert_eq!(database.prune(later, &retention).await.unwrap(), 0);
}

#[tokio::test]
async fn hours_are_counted() {
    let place = Place::new();
    let database = place.open().await;
    seed(&database, 0..100).await;
    database.counters().add("bans", 3, Timestamp(START));
    database.flush().await;
    let rows = database.counters().between(Timestamp(START), Timestamp(START)).await.unwrap();
    let of = |name: &str| rows.iter().filter(|r| r.name == name).map(|r| r.count).sum::<u64>();
    assert_eq!((of("action:accept"), of("action:reject"), of("reason:score-quarantine"), of("bans")), (90, 5, 5, 3));
}

#[tokio::test]
async fn quarantine_states_only_rise() {
    let place = Place::new();
    let database = place.open().await;
    for n in 0..25 {
        database.quarantine().add(&held(n)).await.unwrap();
    }
    let q = database.quarantine();
    let id = held(3).mail;
    assert!(q.raise(id, QuarantineState::Deleted, "admin", Timestamp(START)).await.unwrap());
    assert!(q.raise(id, QuarantineState::Released, "admin", Timestamp(START)).await.unwrap());
    assert!(!q.raise(id, QuarantineState::Deleted, "admin", Timestamp(START)).await.unwrap());
    q.add(&held(3)).await.unwrap();
    assert_eq!(q.one(id).await.unwrap().unwrap().state, QuarantineState::Released);
    assert_eq!(q.held().await.unwrap(), 24);
    let first = q.search(&QuarantineSearch { state: Some(QuarantineState::Held), limit: 20, ..Default::default() }).await.unwrap();
    let rest = q
        .search(&QuarantineSearch { state: Some(QuarantineState::Held), limit: 20, before: first.next, ..Default::default() })
        .await
        .unwrap();
    assert_eq!((first.mails.len(), rest.mails.len(), rest.next), (20, 4, None));
    // % and _ are themselves, not patterns.
    let text = |t: &str| QuarantineSearch { text: Some(t.into()), limit: 100, ..Default::default() };
    assert_eq!(q.search(&text("off_7")).await.unwrap().mails.len(), 1);
    assert_eq!(q.search(&text("f%7")).await.unwrap().mails.len(), 0);
    assert_eq!(
        q.search(&QuarantineSearch { recipient: Some("B9@".into()), limit: 100, ..Default::default() }).await.unwrap().mails.len(),
        1
    );
    assert_eq!(q.expired(Timestamp(START + 1002), 10).await.unwrap(), vec![held(0).mail, held(1).mail, held(2).mail]);
}

#[tokio::test]
async fn greylisting_over_a_restart() {
    let place = Place::new();
    let s = GreylistSettings::default();
    let ip = |text: &str| text.parse().unwrap();
    let at = |minutes: i64| Timestamp(START + minutes * 60_000);
    {
        let d = place.open().await;
        let check = async |client, minutes| d.greylist().check(client, "S@x.example", "r@example.org", at(minutes), &s).await.unwrap();
        assert_eq!(check(ip("192.0.2.1"), 0).await, GreylistAnswer::Wait(Duration::from_secs(180)));
        assert_eq!(check(ip("192.0.2.200"), 1).await, GreylistAnswer::Wait(Duration::from_secs(120)));
        d.close().await;
    }
    let d = place.open().await;
    let check =
        async |client, sender: &'static str, minutes| d.greylist().check(client, sender, "R@example.org", at(minutes), &s).await.unwrap();
    assert_eq!(check(ip("192.0.2.1"), "s@x.example", 4).await, GreylistAnswer::Pass);
    // The client is known now, whoever it writes for, and its neighbour in the /24.
    assert_eq!(check(ip("192.0.2.7"), "other@x.example", 5).await, GreylistAnswer::Pass);
    assert!(matches!(check(ip("198.51.100.1"), "s@x.example", 5).await, GreylistAnswer::Wait(_)));
    // Too late for the window: it begins anew.
    assert!(matches!(check(ip("198.51.100.1"), "s@x.example", 5 + 49 * 60).await, GreylistAnswer::Wait(_)));
    // After pass_ttl a client is new again.
    assert!(matches!(check(ip("192.0.2.1"), "new@x.example", 40 * 24 * 60).await, GreylistAnswer::Wait(_)));
}

#[tokio::test]
async fn senders_and_recipients_are_remembered() {
    let place = Place::new();
    {
        let d = place.open().await;
        assert_eq!(d.senders().mails_from("A@b.example").await.unwrap(), 0);
        for _ in 0..3 {
            d.senders().accepted("a@B.example", Timestamp(START));
        }
        assert_eq!(d.senders().mails_from("a@b.example").await.unwrap(), 3);
        d.recipients().remember("r@example.org", true, Timestamp(START + 1000));
        d.close().await;
    }
    let d = place.open().await;
    assert_eq!(d.senders().mails_from("a@b.example").await.unwrap(), 3);
    assert_eq!(d.recipients().known("r@example.org", Timestamp(START)).await.unwrap(), Some(true));
    assert_eq!(d.recipients().known("r@example.org", Timestamp(START + 1000)).await.unwrap(), None);
}

#[tokio::test]
async fn logins_tokens_audit_and_settings_history() {
    let place = Place::new();
    let d = place.open().await;
    let now = Timestamp(START);
    assert!(d.admins().add("admin", "$argon2id$x", true, &Rights::ALL, now).await.unwrap());
    assert!(!d.admins().add("admin", "$argon2id$y", true, &Rights::ALL, now).await.unwrap());
    d.sessions().begin(&[1; 32], "admin", "c", "192.0.2.1", now).await.unwrap();
    d.sessions().begin(&[2; 32], "admin", "c", "192.0.2.1", now).await.unwrap();
    assert!(d.sessions().find(&[1; 32], now, Timestamp(START + 60_000)).await.unwrap().is_some());
    assert!(d.sessions().find(&[1; 32], Timestamp(START + 60_001), now).await.unwrap().is_none(), "idle for too long");
    assert!(d.admins().set_password("admin", "$argon2id$z", false, Some(&[1; 32])).await.unwrap());
    assert!(d.sessions().find(&[1; 32], now, now).await.unwrap().is_some(), "the session that changed it stays");
    assert!(d.sessions().find(&[2; 32], now, now).await.unwrap().is_none(), "the others end");
    let rights = Rights::read("operator", "a.example b.example");
    let expires = Some(Timestamp(START + 10));
    let token = NewApiToken { name: "backup", digest: &[3; 32], admin: "admin", scope: "read", rights: &rights, expires };
    let id = d.api_tokens().add(&token, now).await.unwrap();
    let found = d.api_tokens().find(&[3; 32], now).await.unwrap().unwrap();
    assert_eq!((found.scope.as_str(), found.rights()), ("read", rights.clone()));
    assert!(d.api_tokens().find(&[3; 32], Timestamp(START + 10)).await.unwrap().is_none(), "expired");
    assert!(d.api_tokens().remove(id).await.unwrap() && !d.api_tokens().remove(id).await.unwrap());
    for (action, subject) in [("quarantine.release", "m1"), ("quarantine.delete", "m2"), ("settings.change", "smtp")] {
        let act = Act { who: "admin", address: "unix", action, subject, before: None, after: Some("x") };
        d.audit().append(act, now).await.unwrap();
    }
    let page = d.audit().search(&AuditSearch { action: Some("quarantine.".into()), limit: 1, ..Default::default() }).await.unwrap();
    assert_eq!((page.entries[0].subject.as_str(), page.next.is_some()), ("m2", true));
    d.settings_history().add("a = 1", "d1", "admin", "first", now).await.unwrap();
    d.settings_history().add("a = 1", "d1", "admin", "same", now).await.unwrap();
    d.settings_history().add("a = 2", "d2", "admin", "second", now).await.unwrap();
    let list = d.settings_history().list(None, 10).await.unwrap();
    assert_eq!(list.iter().map(|v| v.message.as_str()).collect::<Vec<_>>(), ["second", "first"]);
    assert_eq!(d.settings_history().text(list[1].id).await.unwrap().as_deref(), Some("a = 1"));
    d.api_tokens().add(&token, now).await.unwrap();
    assert!(d.admins().set_rights("admin", &rights).await.unwrap() && !d.admins().set_rights("nobody", &rights).await.unwrap());
    assert_eq!(d.sessions().find(&[1; 32], now, now).await.unwrap().unwrap().rights(), rights, "an open login has its new rights at once");
    assert!(d.api_tokens().all().await.unwrap().is_empty(), "a token of somebody who was an admin then");
    assert!(d.admins().remove("admin").await.unwrap());
    assert!(d.admins().add("admin", "$argon2id$x", true, &Rights::ALL, now).await.unwrap());
    assert_eq!(d.admins().one("admin").await.unwrap().unwrap().rights(), Rights::ALL, "nothing is left of one of that name before");
}

/// A login of one domain finds, counts and is told of nothing else, not even by asking for the other recipients of a mail.
#[tokio::test]
async fn within_domains_there_is_nothing_else() {
    let place = Place::new();
    let d = place.open().await;
    let only = |domains: &str| domains.parse::<Reach>().unwrap().domains().cloned();
    let rights = Rights::read("helpdesk", "a.example");
    d.admins().add("hanna", "$x", false, &rights, Timestamp(START)).await.unwrap();
    let to = [
        (1, "x@a.example"),
        (2, "x@b.example"),
        (3, "x@sub.a.example"),
        (4, "x@nota.example"),
        (5, "y@a.example z@b.example"),
        (6, "a.example@b.example"),
    ];
    for (n, recipients) in to {
        let mut mail = mail(n);
        mail.recipients = recipients.split(' ').map(|r| r.parse().unwrap()).collect();
        let recipients = mail.recipients.iter().map(ToString::to_string).collect();
        d.journeys().summarise(mail.clone());
        d.quarantine().add(&QuarantineEntry { mail: mail.mail, recipients, ..held(n) }).await.unwrap();
    }
    d.flush().await;
    let tracked = async |search: JourneySearch| {
        let page = d.journeys().search(&JourneySearch { within: only("a.example"), ..search }).await.unwrap();
        page.journeys.iter().map(|j| j.mail).collect::<Vec<_>>()
    };
    let kept = async |search: QuarantineSearch| {
        let search = QuarantineSearch { within: only("a.example"), limit: 50, ..search };
        d.quarantine().search(&search).await.unwrap().mails.iter().map(|m| m.mail).collect::<Vec<_>>()
    };
    let both = [mail(5).mail, mail(1).mail];
    assert_eq!(tracked(ask()).await, both);
    assert_eq!(kept(QuarantineSearch::default()).await, both);
    for other in ["z@b.example", "b.example", "z"] {
        assert!(tracked(JourneySearch { recipient: Some(other.into()), ..ask() }).await.is_empty(), "{other}");
        assert!(kept(QuarantineSearch { recipient: Some(other.into()), ..Default::default() }).await.is_empty(), "{other}");
    }
    let own = async |address: &str| kept(QuarantineSearch { only_for: Some(address.parse().unwrap()), ..Default::default() }).await;
    assert_eq!(
        (own("Y@a.example").await, own("z@b.example").await, own("a.example@b.example").await),
        (vec![mail(5).mail], vec![mail(5).mail], vec![mail(6).mail])
    );
    assert!(kept(QuarantineSearch { text: Some("z@b".into()), ..Default::default() }).await.is_empty());
    assert_eq!(kept(QuarantineSearch { recipient: Some("y@".into()), ..Default::default() }).await, both[..1]);
    let counts = d.counters().between_of(&only("a.example b.example").unwrap(), Timestamp(0), Timestamp(i64::MAX / 2)).await.unwrap();
    assert_eq!(counts.iter().map(|c| c.count).sum::<u64>(), 2, "b.example is nobody's: {counts:?}");
    let all = d.counters().between(Timestamp(0), Timestamp(i64::MAX / 2)).await.unwrap();
    assert!(all.iter().all(|c| !c.name.starts_with("domain:")) && !all.is_empty());
}

async fn schema(file: &std::path::Path) -> Vec<String> {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(file)).await.unwrap();
    let rows = sqlx::query_scalar("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master ORDER BY type, name");
    let rows = rows.fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows
}

#[tokio::test]
async fn a_fresh_and_a_migrated_database_are_equal() {
    let fresh = Place::new();
    fresh.open().await.close().await;
    let expected = schema(&fresh.file()).await;
    for done in 0..=ALL.len() {
        let old = Place::new();
        let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(old.file()).create_if_missing(true)).await.unwrap();
        migrations::apply(&pool, &ALL[..done]).await.unwrap();
        // A crash between a script and its entry: the script runs again.
        sqlx::query("DELETE FROM migrations").execute(&pool).await.unwrap();
        pool.close().await;
        old.open().await.close().await;
        assert_eq!(schema(&old.file()).await, expected, "after the first {done} migrations");
    }
}

#[tokio::test]
async fn what_users_choose_is_bounded_merged_and_forgotten_late() {
    let place = Place::new();
    let database = place.open().await;
    let lists = || database.user_lists();
    let mut changes = database.changes();
    let at = |seconds: i64| Timestamp(START + seconds * 1000);
    let sender = |name: &str| name.parse::<Sender>().unwrap();
    let of = async |address: &str| -> Vec<(String, Choice)> {
        let all = lists().of(&[address.to_owned()]).await.unwrap();
        all.into_iter().map(|c| (c.sender.to_string(), c.choice)).collect()
    };
    assert_eq!(lists().choose("anna@example.org", &sender("Shop@Example.com"), Choice::Block, at(10)).await.unwrap(), Chosen::Done);
    assert_eq!(of("anna@example.org").await, [("shop@example.com".to_owned(), Choice::Block)]);
    assert_eq!(of("otto@example.org").await, []);
    assert!(matches!(changes.recv().await, Some(Change::UserChoice(c)) if c.choice == Choice::Block && c.at == at(10)));
    // A clock that went back: what was chosen last counts all the same, here and on peers.
    lists().choose("anna@example.org", &sender("shop@example.com"), Choice::None, at(5)).await.unwrap();
    assert_eq!(of("anna@example.org").await, []);
    assert!(matches!(changes.recv().await, Some(Change::UserChoice(c)) if c.at > at(10)));

    // From a peer: the later counts, of two at once the block; it is not told again, and not ours to tell.
    let choice =
        |choice, seconds| UserChoice { address: "anna@example.org".into(), sender: sender("shop@example.com"), choice, at: at(seconds) };
    for (told, expected) in [
        (choice(Choice::Allow, 9), None),
        (choice(Choice::Allow, 20), Some(Choice::Allow)),
        (choice(Choice::Block, 20), Some(Choice::Block)),
        (choice(Choice::Allow, 20), Some(Choice::Block)),
        (choice(Choice::None, 30), None),
    ] {
        lists().merge(&told).await.unwrap();
        assert_eq!(of("anna@example.org").await.first().map(|(_, c)| *c), expected, "{told:?}");
    }
    assert!(changes.try_recv().is_err());
    assert_eq!(lists().chosen_here(None, 10).await.unwrap(), []);

    for n in 0..MOST {
        assert_eq!(
            lists().choose("otto@example.org", &sender(&format!("s{n}.example")), Choice::Block, at(1)).await.unwrap(),
            Chosen::Done
        );
    }
    let one_more = sender("more.example");
    assert_eq!(lists().choose("otto@example.org", &one_more, Choice::Block, at(2)).await.unwrap(), Chosen::TooMany);
    assert_eq!(
        lists().choose("otto@example.org", &sender("s0.example"), Choice::Allow, at(2)).await.unwrap(),
        Chosen::Done,
        "it was there"
    );
    lists().choose("otto@example.org", &sender("s1.example"), Choice::None, at(2)).await.unwrap();
    assert_eq!(lists().choose("otto@example.org", &one_more, Choice::Block, at(2)).await.unwrap(), Chosen::Done);
    let first = lists().chosen_here(None, MOST).await.unwrap();
    let last = first.last().unwrap();
    let rest = lists().chosen_here(Some((&last.address, &last.sender)), MOST).await.unwrap();
    assert_eq!(first.len() + rest.len(), MOST + 1);

    // What was taken back stays known for longer than a peer is away.
    let retention = Retention::default();
    database.prune(Timestamp(START + 399 * 86_400_000), &retention).await.unwrap();
    lists().merge(&choice(Choice::Allow, 25)).await.unwrap();
    assert_eq!(of("anna@example.org").await, []);
    database.prune(Timestamp(START + 402 * 86_400_000), &retention).await.unwrap();
    assert_eq!(of("otto@example.org").await.len(), MOST, "what goes on is forgotten");
}

#[tokio::test]
async fn a_link_is_good_once_and_for_its_time() {
    let place = Place::new();
    let d = place.open().await;
    let (now, until) = (Timestamp(START), Timestamp(START + 1000));
    d.users().add_link(&[1; 32], "a@b.example", until, now).await.unwrap();
    d.users().add_link(&[2; 32], "a@b.example", until, now).await.unwrap();
    let users = d.users();
    let both = tokio::join!(users.spend_link(&[1; 32], now), users.spend_link(&[1; 32], now));
    let got = [both.0.unwrap(), both.1.unwrap()];
    assert_eq!(got.iter().flatten().collect::<Vec<_>>(), ["a@b.example"], "of two clicks at once one gets in");
    assert_eq!(d.users().spend_link(&[2; 32], Timestamp(START + 1001)).await.unwrap(), None);
    assert_eq!(d.users().spend_link(&[3; 32], now).await.unwrap(), None);
    d.users().begin(&[4; 32], "a@b.example", "csrf", now).await.unwrap();
    assert_eq!(d.users().find(&[4; 32], now, Timestamp(START + 60_000)).await.unwrap().unwrap().address, "a@b.example");
    assert!(d.users().find(&[4; 32], Timestamp(START + 60_001), now).await.unwrap().is_none(), "idle for too long");
    d.users().end(&[4; 32]).await.unwrap();
    assert!(d.users().find(&[4; 32], now, now).await.unwrap().is_none());
}

#[tokio::test]
async fn strange_text_is_kept_as_it_is() {
    let place = Place::new();
    let d = place.open().await;
    let mut m = mail(1);
    m.subject = Some("</script><img src=x onerror=alert(1)>'; DROP TABLE journeys;--\u{0}\u{202e}\n{\"a\":1}".into());
    m.from_header = Some("\"'\\%_ <x@y.example>".into());
    d.journeys().summarise(m.clone());
    d.flush().await;
    let page = d.journeys().search(&JourneySearch { subject: Some("drop table journeys".into()), ..ask() }).await.unwrap();
    assert_eq!(page.journeys, vec![m]);
}

fn cpu() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: getrusage fills the struct it is given.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let of = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    of(usage.ru_utime) + of(usage.ru_stime)
}

/// `cargo test --release -p postern-store --test database -- --ignored --nocapture a_million`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of some minutes; it prints a table"]
async fn a_million_mails() {
    let place = Place::new();
    let d = place.open().await;
    let (began, used) = (Instant::now(), cpu());
    let total = 1_000_000;
    for n in 0..total {
        let _ = (mail(n), steps_of(&mail(n)));
    }
    let making = cpu() - used;
    let (began_writing, used) = (Instant::now(), cpu());
    seed(&d, 0..total).await;
    let (wall, spent) = (began_writing.elapsed(), (cpu() - used).saturating_sub(making));
    println!(
        "write: {total} mails in {wall:.1?} ({:.0}/s), CPU {:.1} µs a mail",
        total as f64 / wall.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / total as f64
    );
    println!("file: {} MB, lost {}", std::fs::metadata(place.file()).unwrap().len() / 1_000_000, d.lost_notes());
    type Question = fn(u64) -> JourneySearch;
    let questions: [(&str, Question); 11] = [
        ("newest", |_| ask()),
        ("message id", |n| JourneySearch { message_id: Some(format!("{n}.abc@shop.example")), ..ask() }),
        ("sender", |n| JourneySearch { sender: Some(format!("sender{}", n % 5000)), ..ask() }),
        ("sender domain", |n| JourneySearch { sender: Some(format!("shop{}.example", n % 700)), ..ask() }),
        ("recipient", |n| JourneySearch { recipient: Some(format!("user{}@example.org", n % 300)), ..ask() }),
        ("subject", |n| JourneySearch { subject: Some(format!("order {n}")), ..ask() }),
        ("client", |n| JourneySearch { client: Some(mail(n).client), ..ask() }),
        ("action, time", |n| JourneySearch { action: Some("reject".into()), to: Some(mail(n).at), ..ask() }),
        ("reason, sender", |n| JourneySearch { reason: Some(Reason::ScoreReject), sender: Some(format!("sender{}", n % 5000)), ..ask() }),
        ("time", |n| JourneySearch { to: Some(mail(n).at), ..ask() }),
        ("nothing there", |n| JourneySearch { sender: Some(format!("nobody{n}@nowhere.example")), ..ask() }),
    ];
    for (name, question) in questions {
        let mut times: Vec<Duration> = Vec::new();
        for i in 0..100u64 {
            let search = question(i * 9973 % total);
            let at = Instant::now();
            d.journeys().search(&search).await.unwrap();
            times.push(at.elapsed());
        }
        times.sort();
        println!("search by {name}: p50 {:.1?}, p95 {:.1?}", times[50], times[95]);
    }
    d.close().await;
    let at = Instant::now();
    let d = place.open().await;
    println!("open with a million mails: {:.1?}", at.elapsed());
    d.close().await;
    println!("whole: {:.0?}", began.elapsed());
}

#[tokio::test]
async fn what_reports_need_is_counted_and_summed_up() {
    const HOUR: i64 = 3_600_000;
    const DAY: i64 = 24 * HOUR;
    let place = Place::new();
    let d = place.open().await;
    seed(&d, 0..100).await;
    let day = Timestamp(START.div_euclid(DAY) * DAY);
    let until = Timestamp(day.0 + DAY);
    // By steps of two hours, and of the whole day.
    for step in [2 * HOUR, DAY] {
        let sums = d.counters().sums(day, until, step).await.unwrap();
        let of = |name: &str| sums.iter().filter(|c| c.name == name).map(|c| (c.hour.0, c.count)).collect::<Vec<_>>();
        let at = day.0 + (START - day.0) / step * step;
        assert_eq!(
            (of("action:accept"), of("delivery-delivered"), of("delay-10s")),
            (vec![(at, 90)], vec![(at, 100)], vec![(at, 100)]),
            "{sums:?}"
        );
    }
    assert!(d.counters().sums(until, Timestamp(until.0 + DAY), DAY).await.unwrap().is_empty());
    let symbols = d.days().sums("symbol:", day, until).await.unwrap();
    assert!(symbols.contains(&("BAYES_SPAM".to_owned(), 100)) && symbols.len() == 5, "{symbols:?}");
    let domains = d.days().of_domains(None, day, until).await.unwrap();
    let rejected = domains.iter().find(|c| c.action == "action:reject").unwrap();
    assert_eq!((rejected.domain.as_str(), rejected.mails, rejected.day), ("example.org", 5, day));
    let other = [postern_model::address::Domain::clone(address("x@other.example").domain())].into();
    assert!(d.days().of_domains(Some(&other), day, until).await.unwrap().is_empty());

    // What is old is forgotten, what is there is not.
    let later = Timestamp(until.0 + 401 * DAY);
    d.prune(Timestamp(until.0 + 300 * DAY), &Retention::default()).await.unwrap();
    assert_eq!(d.days().sums("symbol:", day, until).await.unwrap().len(), 5);
    d.prune(later, &Retention::default()).await.unwrap();
    assert!(d.days().sums("symbol:", day, until).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_went_through_the_quarantine_is_told_by_steps_senders_and_recipients() {
    use postern_store::database::flow::Steps;
    const HOUR: i64 = 3_600_000;
    let place = Place::new();
    let d = place.open().await;
    let at = |hours: i64| Timestamp(START + hours * HOUR);
    // Two from before, one in each of the hours 0 to 3; hour 2 has a second recipient at another domain.
    for (n, hour, to) in [
        (1, -5, "a@one.example"),
        (2, -4, "a@one.example"),
        (3, 0, "a@one.example"),
        (4, 1, "A@one.example"),
        (5, 2, "a@one.example b@two.example"),
        (6, 3, "c@two.example"),
    ] {
        let entry = QuarantineEntry {
            mail: MailId::new(at(hour), n),
            at: at(hour),
            sender: if n == 6 { String::new() } else { "Bulk@shop.example".into() },
            recipients: to.split(' ').map(str::to_owned).collect(),
            ..held(0)
        };
        d.quarantine().add(&entry).await.unwrap();
    }
    let raise = async |n: u128, hour: i64, to, when| d.quarantine().raise(MailId::new(at(hour), n), to, "anna", when).await.unwrap();
    assert!(raise(1, -5, QuarantineState::Deleted, at(-3)).await, "gone before");
    assert!(raise(2, -4, QuarantineState::Released, at(1)).await);
    assert!(raise(3, 0, QuarantineState::Deleted, at(3)).await);
    assert!(raise(4, 1, QuarantineState::Released, at(9)).await, "after the end");
    let steps = Steps { from: at(0), to: at(4), step: HOUR };
    let flow = d.quarantine().flow(steps, None, 10).await.unwrap();
    assert_eq!((flow.held, &flow.added), ([1, 3], &vec![1, 1, 1, 1]), "{flow:?}");
    assert_eq!((&flow.released, &flow.deleted), (&vec![0, 1, 0, 0], &vec![0, 0, 0, 1]));
    assert_eq!(flow.senders, [("bulk@shop.example".to_owned(), 3), (String::new(), 1)]);
    let recipients = [("a@one.example".to_owned(), 3), ("b@two.example".to_owned(), 1), ("c@two.example".to_owned(), 1)];
    assert_eq!(flow.recipients, recipients);
    let two = [postern_model::address::Domain::clone(address("x@two.example").domain())].into();
    let flow = d.quarantine().flow(steps, Some(&two), 1).await.unwrap();
    assert_eq!((flow.held, &flow.added, flow.senders.len()), ([0, 2], &vec![0, 0, 1, 1], 1), "{flow:?}");
    assert_eq!(flow.recipients, recipients[1..2], "of others at another domain nothing is said");
}

#[tokio::test]
async fn reports_are_kept_once_and_the_latest() {
    use postern_store::database::reports::KEPT;
    let place = Place::new();
    let d = place.open().await;
    for n in 0..KEPT + 5 {
        d.reports().put(&format!("{n:05}"), &format!("body {n}")).await.unwrap();
    }
    d.reports().put("00104", "another").await.unwrap();
    let all = d.reports().all().await.unwrap();
    assert_eq!((all.len(), all[0].as_str()), (KEPT, "body 104"));
    assert_eq!((d.reports().one("00004").await.unwrap(), d.reports().one("00005").await.unwrap().as_deref()), (None, Some("body 5")));
}
