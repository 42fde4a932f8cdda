//! Databases and bans of two nodes, joined by shells and a stream within this process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use postern_cluster::kinds::{Kinds, Parts, Probe, QuarantineOrder};
use postern_cluster::ledger::kind::{Kind, KindSet};
use postern_cluster::ledger::origin::NodeId;
use postern_cluster::shell::handle::LedgerHandle;
use postern_cluster::shell::{Beginning, start};
use postern_link::stream::Stream;
use postern_model::control::{Ban, BanChange};
use postern_model::id::MailId;
use postern_model::quarantine::QuarantineState;
use postern_model::reason::Reason;
use postern_model::sandbox::{Action, Event, Finding, FindingName, Kind as FileKind, Part, Report, SeenFile, Watched};
use postern_model::score::Score;
use postern_model::settings::smtp::GreylistSettings;
use postern_model::time::{Span, Timestamp};
use postern_store::database::Database;
use postern_store::database::greylist::GreylistAnswer;
use postern_store::database::quarantine::{QuarantineEntry, QuarantineSearch};
use postern_store::database::tokens::{Lesson, Outcome};
use tokio::sync::{Notify, mpsc};

const LIMIT: Duration = Duration::from_secs(20);

struct Node {
    database: Database,
    ledger: LedgerHandle,
    kinds: Kinds,
    bans: mpsc::Sender<BanChange>,
    peer_bans: mpsc::Receiver<BanChange>,
    files: mpsc::Sender<SeenFile>,
    peer_files: mpsc::Receiver<SeenFile>,
    orders: mpsc::Receiver<QuarantineOrder>,
    learned: Arc<Notify>,
}

fn id(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn now() -> Timestamp {
    Timestamp::from_system(SystemTime::now())
}

impl Node {
    async fn start(dir: &Path, n: u8) -> Self {
        Self::start_with(dir, n, KindSet::ALL).await
    }

    async fn start_with(dir: &Path, n: u8, known: KindSet) -> Self {
        let database = Database::open(&dir.join(format!("{n}-postern.db"))).await.unwrap();
        let beginning =
            Beginning { node: id(n), members: (1..=3).map(id).collect(), kinds: known, path: dir.join(format!("{n}-ledger.db")) };
        let ledger = start(beginning).await.unwrap();
        let (bans, own_bans) = mpsc::channel(16);
        let (to_edge, peer_bans) = mpsc::channel(16);
        let (files, own_files) = mpsc::channel(16);
        let (to_memory, peer_files) = mpsc::channel(16);
        let (to_keeper, orders) = mpsc::channel(16);
        let learned = Arc::new(Notify::new());
        let kinds = Kinds::start(Parts {
            kinds: known,
            ledger: ledger.clone(),
            database: database.clone(),
            own_bans,
            peer_bans: to_edge,
            own_files,
            peer_files: to_memory,
            orders: to_keeper,
            learned: Arc::clone(&learned),
            probe: Box::new(|| Probe { queued: 7, free: 1 << 30, trouble: vec!["no-xdp".into()] }),
        });
        Self { database, ledger, kinds, bans, peer_bans, files, peer_files, orders, learned }
    }

    /// The way a node ends: nothing of it runs when it is through.
    async fn stop(self) {
        self.database.flush().await;
        drop(self.kinds);
        self.ledger.stop().await;
        self.database.close().await;
    }

    async fn state(&self, mail: MailId) -> Option<QuarantineState> {
        self.database.quarantine().one(mail).await.unwrap().map(|e| e.state)
    }
}

async fn join(a: &Node, b: &Node) {
    let (here, there) = Stream::pair(64 * 1024);
    a.ledger.connected(b.ledger.node(), here).await;
    b.ledger.connected(a.ledger.node(), there).await;
}

async fn part(a: &Node, b: &Node) {
    a.ledger.disconnected(b.ledger.node()).await;
    b.ledger.disconnected(a.ledger.node()).await;
}

async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    let looked = tokio::time::timeout(LIMIT, async {
        while !is().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    looked.await.unwrap_or_else(|_| panic!("{what}: not in {LIMIT:?}"));
}

async fn next<T>(receiver: &mut mpsc::Receiver<T>) -> T {
    tokio::time::timeout(LIMIT, receiver.recv()).await.expect("in time").unwrap()
}

fn entry(n: u8) -> QuarantineEntry {
    QuarantineEntry {
        mail: MailId::new(now(), u128::from(n)),
        at: now(),
        sender: "s@shop.example".into(),
        recipients: vec!["r@example.org".into()],
        from_header: None,
        subject: Some("ü".repeat(3000)),
        score: Score::new(9.0),
        reason: Reason::ScoreQuarantine,
        size: 1234,
        expires: now() + Duration::from_secs(86_400),
        state: QuarantineState::Held,
        state_by: None,
        state_at: None,
        holder: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_passed_at_one_node_passes_at_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await);
    join(&a, &b).await;
    let settings = GreylistSettings { delay: Span::minutes(5), ..GreylistSettings::default() };
    let ask = async |node: &Node, at| {
        node.database.greylist().check("192.0.2.7".parse().unwrap(), "s@a.example", "r@b.example", at, &settings).await
    };
    let (early, late) = (Timestamp(now().0 - 600_000), now());
    assert!(matches!(ask(&a, early).await.unwrap(), GreylistAnswer::Wait(_)));
    assert!(matches!(ask(&b, early).await.unwrap(), GreylistAnswer::Wait(_)), "it is remembered in memory that B does not know it");
    assert_eq!(ask(&a, late).await.unwrap(), GreylistAnswer::Pass);
    // Another sender of the same client passes at B only by what A told.
    let other = async || {
        let answer = b.database.greylist().check("192.0.2.9".parse().unwrap(), "x@y.example", "r@b.example", late, &settings).await;
        answer.unwrap() == GreylistAnswer::Pass
    };
    until("a pass at B", other).await;
    a.stop().await;
    b.stop().await;
    let b = Node::start(dir.path(), 2).await;
    assert_eq!(ask(&b, late).await.unwrap(), GreylistAnswer::Pass, "also after a restart");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantined_mail_is_listed_everywhere_and_a_release_wins_over_a_deletion() {
    let dir = tempfile::tempdir().unwrap();
    let (mut a, b, c) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await, Node::start(dir.path(), 3).await);
    let held = entry(1);
    // Held before there was a peer.
    a.database.quarantine().add(&held).await.unwrap();
    join(&a, &b).await;
    join(&b, &c).await;
    let listed =
        async |node: &Node| node.database.quarantine().search(&QuarantineSearch { limit: 10, ..Default::default() }).await.unwrap().mails;
    until("A's mail in B's list", async || listed(&b).await.len() == 1).await;
    until("A's mail in C's list", async || listed(&c).await.len() == 1).await;
    let seen = listed(&b).await.remove(0);
    assert_eq!((seen.mail, seen.holder, seen.reason, seen.size), (held.mail, Some(id(1)), held.reason, held.size));
    assert_eq!(listed(&a).await[0].holder, None);
    // Its time is A's to watch, not B's.
    let long_after = held.expires + Duration::from_secs(10);
    assert_eq!(b.database.quarantine().expired(long_after, 10).await.unwrap(), []);
    assert_eq!(a.database.quarantine().expired(long_after, 10).await.unwrap(), [held.mail]);
    // The cluster parts; B releases, A and C delete.
    part(&a, &b).await;
    part(&b, &c).await;
    assert!(b.database.quarantine().raise(held.mail, QuarantineState::Released, "bob", now()).await.unwrap());
    for node in [&a, &c] {
        assert!(node.database.quarantine().raise(held.mail, QuarantineState::Deleted, "eve", now()).await.unwrap());
    }
    join(&a, &b).await;
    join(&b, &c).await;
    // A holds the mail: it is told, and says what became of it.
    let order = next(&mut a.orders).await;
    assert_eq!((order.mail, order.to, order.by.as_str()), (held.mail, QuarantineState::Released, "bob"));
    // Not carried out before a restart: told again.
    a.stop().await;
    let mut a = Node::start(dir.path(), 1).await;
    assert_eq!(next(&mut a.orders).await.to, QuarantineState::Released);
    a.database.quarantine().raise(held.mail, QuarantineState::Released, "bob", now()).await.unwrap();
    for node in [&a, &b, &c] {
        until("released", async || node.state(held.mail).await == Some(QuarantineState::Released)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lesson_is_learned_everywhere_once_and_the_last_word_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await);
    join(&a, &b).await;
    let lesson = |is_spam| Lesson { mail: [9; 16], is_spam, features: (1..3000).map(|n| n * 1_000_003).collect() };
    assert_eq!(a.database.tokens().learn(&[lesson(true)], now()).await.unwrap(), [Outcome::New]);
    tokio::time::timeout(LIMIT, b.learned.notified()).await.expect("B puts it in force");
    let learned = async |node: &Node| {
        let all = node.database.tokens().learned().await.unwrap();
        (all.spam, all.ham)
    };
    assert_eq!(learned(&b).await, (1, 0));
    let mut counts = Vec::new();
    b.database.tokens().load(|feature, spam, ham| counts.push((feature, spam, ham))).await.unwrap();
    assert_eq!((counts.len(), counts[0]), (2999, (1_000_003, 1, 0)));
    // The same at B changes nothing; the opposite counts everywhere, though B's clock is behind.
    assert_eq!(b.database.tokens().learn(&[lesson(true)], now()).await.unwrap(), [Outcome::Known]);
    assert_eq!(b.database.tokens().learn(&[lesson(false)], Timestamp(5)).await.unwrap(), [Outcome::Changed]);
    until("taken back at A", async || learned(&a).await == (0, 1)).await;
    assert_eq!(learned(&b).await, (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taught_beside_a_node_is_told_when_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let lessons: Vec<Lesson> =
        (0..250u8).map(|n| Lesson { mail: [n; 16], is_spam: n % 2 == 0, features: vec![1, u64::from(n) + 2] }).collect();
    {
        let database = Database::open(&dir.path().join("1-postern.db")).await.unwrap();
        database.tokens().learn_untold(&lessons, now()).await.unwrap();
        // The mails' own features are folded into sums before anybody was told.
        database.tokens().fold(1000).await.unwrap();
        database.close().await;
    }
    let (a, b) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await);
    join(&a, &b).await;
    let learned = || async { b.database.tokens().learned().await.unwrap() };
    until("the peer learned all", || async { learned().await.spam + learned().await.ham == 250 }).await;
    until("all are told", || async { a.database.tokens().untold(10).await.unwrap().is_empty() }).await;
    assert_eq!(learned().await.spam, 125);
    let mut spam_with_first = 0;
    let count = |token, spam, _| spam_with_first += if token == 1 { spam } else { 0 };
    b.database.tokens().load(count).await.unwrap();
    assert_eq!(spam_with_first, 125);
    a.stop().await;
    b.stop().await;
}

/// Rows that mean nothing to a version are kept, and mean something to the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_applies_what_the_older_version_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let older = KindSet::ALL.without(Kind::Lesson);
    let (a, b) = (Node::start(dir.path(), 1).await, Node::start_with(dir.path(), 2, older).await);
    join(&a, &b).await;
    a.database.tokens().learn(&[Lesson { mail: [1; 16], is_spam: true, features: vec![1] }], now()).await.unwrap();
    a.bans.send(BanChange::Lifted(vec!["192.0.2.0/24".parse().unwrap()])).await.unwrap();
    until("all rows are there", || async {
        let (theirs, ours) = (a.ledger.status().await.unwrap(), b.ledger.status().await.unwrap());
        theirs.vector == ours.vector && ours.oddities.iter().any(|(o, _)| o.name() == "unknown-kind")
    })
    .await;
    b.stop().await;
    let b = Node::start(dir.path(), 2).await;
    until("the lesson counts", || async { b.database.tokens().learned().await.unwrap().spam == 1 }).await;
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bans_and_liftings_reach_the_edge_of_peers_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (a, mut b) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await);
    join(&a, &b).await;
    let ban = |n: u8| Ban {
        network: std::net::IpAddr::from([192, 0, 2, n]).into(),
        reason: Reason::Pregreet,
        from: now(),
        until: now() + Duration::from_secs(600),
        count: 1,
        by: "node".into(),
        evidence: "spoke first".into(),
    };
    let (one, two) = (ban(1), ban(2));
    a.bans.send(BanChange::Set(vec![one.clone()])).await.unwrap();
    assert_eq!(next(&mut b.peer_bans).await, BanChange::Set(vec![one.clone()]));
    a.bans.send(BanChange::Set(vec![two.clone()])).await.unwrap();
    assert_eq!(next(&mut b.peer_bans).await, BanChange::Set(vec![two.clone()]));
    // An admin at B lifts what A set: A's edge is told, and nobody's own edge is told what it said itself.
    let mut a = a;
    b.bans.send(BanChange::Lifted(vec![one.network])).await.unwrap();
    assert_eq!(next(&mut a.peer_bans).await, BanChange::Lifted(vec![one.network]));
    assert!(a.peer_bans.try_recv().is_err() && b.peer_bans.try_recv().is_err());
    b.stop().await;
    let mut b = Node::start(dir.path(), 2).await;
    assert_eq!(next(&mut b.peer_bans).await, BanChange::Set(vec![two]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_of_a_sender_are_summed_over_nodes_and_restarts_and_never_doubled() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await);
    join(&a, &b).await;
    let accept = async |node: &Node, times: usize| {
        (0..times).for_each(|_| node.database.senders().accepted("Friend@Shop.example", now()));
        node.database.flush().await;
    };
    let count = async |node: &Node| node.database.senders().mails_from("friend@shop.example").await.unwrap();
    accept(&a, 3).await;
    accept(&b, 2).await;
    until("5 at A", async || count(&a).await == 5).await;
    until("5 at B", async || count(&b).await == 5).await;
    a.stop().await;
    let a = Node::start(dir.path(), 1).await;
    assert_eq!(count(&a).await, 5);
    join(&a, &b).await;
    accept(&a, 1).await;
    until("6 at B", async || count(&b).await == 6).await;
    assert_eq!(count(&a).await, 6);
    // B's database is lost: what peers counted comes again from the ledger.
    b.stop().await;
    std::fs::remove_file(dir.path().join("2-postern.db")).unwrap();
    let b = Node::start(dir.path(), 2).await;
    until("A's four at B", async || count(&b).await == 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_says_how_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await);
    join(&a, &b).await;
    until("both are known at B", async || b.kinds.health().len() == 2).await;
    let health = &b.kinds.health()[&id(1)];
    assert_eq!((health.queued, health.trouble.as_slice()), (7, &["no-xdp".to_owned()][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_saw_of_a_file_its_peers_know_also_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let (a, mut b) = (Node::start(dir.path(), 1).await, Node::start(dir.path(), 2).await);
    join(&a, &b).await;
    let part = Part { inside: None, name: "invoice.js".into(), kind: FileKind::Text, size: 9, hash: [3; 32] };
    let report = Report {
        parts: vec![part],
        findings: vec![Finding::new(FindingName::ScriptDropper, 0, "C:\\a.exe")],
        timeline: vec![Event::new(5, 0, Action::Load, "GET http://evil.example/a.exe", "MSXML2.XMLHTTP")],
        watch: Watched { cells: 1, seen: 2, lost: 0, without: Some("edge is away".into()), partly: None },
    };
    let seen = SeenFile { key: [9; 32], at: now(), report, by: None };
    a.files.send(seen.clone()).await.unwrap();
    let of_a = SeenFile { by: Some(id(1)), ..seen.clone() };
    assert_eq!(next(&mut b.peer_files).await, of_a);
    b.stop().await;
    let mut b = Node::start(dir.path(), 2).await;
    assert_eq!(next(&mut b.peer_files).await, of_a, "its memory ended with the last run");
    a.stop().await;
    let mut a = Node::start(dir.path(), 1).await;
    assert_eq!(next(&mut a.peer_files).await, seen, "its own, too");
    // What is too large for a row is not told; what comes after it is.
    let many =
        Report { findings: (0..100).map(|n| Finding::new(FindingName::Script, 0, format!("{n:0200}"))).collect(), ..seen.report.clone() };
    a.files.send(SeenFile { key: [7; 32], report: many, ..seen.clone() }).await.unwrap();
    let after = SeenFile { key: [8; 32], ..seen };
    a.files.send(after.clone()).await.unwrap();
    join(&a, &b).await;
    // A row that came just before the stop may be told by the start, and again as a new one: whoever remembers files takes it twice.
    let mut told = next(&mut b.peer_files).await;
    while told == of_a {
        told = next(&mut b.peer_files).await;
    }
    assert_eq!(told, SeenFile { by: Some(id(1)), ..after });
}
