//! What all scenarios need: a cluster that is up, mail, and the account of it.

use std::time::{Duration, Instant};

use postern_tests::cluster::load::Load;
use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::{binary, wait_until};
use postern_tests::network::lacking;
use postern_tests::smtp::Smtp;

pub const LIMIT: Duration = Duration::from_secs(20);

/// A cluster of this many nodes, started and united; `None`: not here, and why was said.
pub fn cluster(folder: &std::path::Path, count: usize, options: Options) -> Option<Cluster> {
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return None;
    }
    let mut cluster = Cluster::new(&binary(), folder, count, options).unwrap();
    cluster.start_all().unwrap();
    cluster.unite().unwrap();
    Some(cluster)
}

pub fn said(step: &str) {
    println!("  {step}");
}

/// Shows the logs of all nodes when a scenario fails.
pub struct Logs<'c>(pub &'c Cluster);

impl Drop for Logs<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.0.nodes {
                println!("---- {}\n{}", node.data.display(), node.log());
            }
        }
    }
}

pub fn setting(cluster: &Cluster, node: usize, pointer: &str) -> serde_json::Value {
    cluster.ask(node, &["settings", "show"]).unwrap()["settings"].pointer(pointer).cloned().unwrap_or_default()
}

pub fn set(cluster: &Cluster, node: usize, path: &str, value: &str) {
    cluster.ask(node, &["settings", "set", path, value]).unwrap();
}

pub fn everywhere(cluster: &Cluster, what: &str, pointer: &str, value: impl Into<serde_json::Value>) {
    let value = value.into();
    wait_until(what, LIMIT, || (0..cluster.nodes.len()).all(|n| setting(cluster, n, pointer) == value)).unwrap();
}

pub fn spam(cluster: &Cluster, node: usize, subject: &str) {
    let address = std::net::SocketAddr::from((cluster.address(node), 25));
    let text = format!(
        "From: \"PayPal\" <service@paypa1.example>\r\nTo: <user@backend.example>\r\nSubject: {subject}\r\n\r\n\
         XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n."
    );
    std::thread::scope(|s| {
        s.spawn(|| {
            cluster.client().enter().unwrap();
            let mut smtp = Smtp::connect(address).unwrap();
            for line in ["EHLO client.example", "MAIL FROM:<sender@load.example>", "RCPT TO:<user@backend.example>", "DATA"] {
                smtp.say(line).unwrap();
            }
            let reply = smtp.say(&text).unwrap();
            assert!(reply.starts_with("250"), "{reply}");
        })
        .join()
        .unwrap();
    });
}

/// From the mail server's having a mail to its node's having told a peer that it is delivered; on a machine that builds meanwhile.
pub const GAP: Duration = Duration::from_millis(300);

/// Waits for the mails that were answered with 250 and checks the account: none lost, none twice.
/// `losses`: when nodes were killed.
pub fn settle(cluster: &Cluster, load: Load, losses: &[Instant]) {
    let account = load.stop();
    let all =
        wait_until("everything arrives", Duration::from_secs(40), || account.arrived(&cluster.backend.mails()) == account.taken.len());
    let outcome = account.settle(&cluster.backend.mails());
    assert!(all.is_ok() && outcome.lost.is_empty(), "lost: {:?}", outcome.lost);
    let before = |first: &Instant| {
        losses.iter().map(|l| (l.saturating_duration_since(*first), first.saturating_duration_since(*l))).collect::<Vec<_>>()
    };
    println!("  twice: {:?}", outcome.twice.iter().map(|(n, first)| (n, before(first))).collect::<Vec<_>>());
    let twice = outcome.twice_beyond(losses, GAP);
    assert!(twice.is_empty(), "twice: {twice:?}");
    said(&format!(
        "{} mails taken, {} never answered, {} refused; none lost, {} twice, all under way when their node was killed; longest time \
         without a mail taken {} ms",
        outcome.taken,
        account.unanswered.len(),
        account.refused,
        outcome.twice.len(),
        account.longest_gap.as_millis()
    ));
}

pub fn flows(load: &Load, more: usize) {
    let before = load.account().taken.len();
    wait_until("mail flows", LIMIT, || load.account().taken.len() >= before + more).unwrap();
}
