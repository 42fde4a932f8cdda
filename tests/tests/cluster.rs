//! Equal peers as their users have them: nodes on hosts of their own around a switch that can be cut, mail from a client, a mail
//! server behind. Each scenario says step by step what it did and what it counted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use postern_tests::cluster::load::Load;
use postern_tests::cluster::nodes::{Cluster, Options};
use postern_tests::gateway::{binary, wait_until};
use postern_tests::network::lacking;
use postern_tests::smtp::Smtp;

const LIMIT: Duration = Duration::from_secs(20);

/// A cluster of this many nodes, started and united; `None`: not here, and why was said.
fn cluster(folder: &std::path::Path, count: usize, options: Options) -> Option<Cluster> {
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return None;
    }
    let mut cluster = Cluster::new(&binary(), folder, count, options).unwrap();
    cluster.start_all().unwrap();
    cluster.unite().unwrap();
    Some(cluster)
}

fn said(step: &str) {
    println!("  {step}");
}

/// Shows the logs of all nodes when a scenario fails.
struct Logs<'c>(&'c Cluster);

impl Drop for Logs<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.0.nodes {
                println!("---- {}\n{}", node.data.display(), node.log());
            }
        }
    }
}

fn setting(cluster: &Cluster, node: usize, pointer: &str) -> serde_json::Value {
    cluster.ask(node, &["settings", "show"]).unwrap()["settings"].pointer(pointer).cloned().unwrap_or_default()
}

fn set(cluster: &Cluster, node: usize, path: &str, value: &str) {
    cluster.ask(node, &["settings", "set", path, value]).unwrap();
}

fn everywhere(cluster: &Cluster, what: &str, pointer: &str, value: impl Into<serde_json::Value>) {
    let value = value.into();
    wait_until(what, LIMIT, || (0..cluster.nodes.len()).all(|n| setting(cluster, n, pointer) == value)).unwrap();
}

#[test]
fn settings_reach_all_and_edits_on_both_sides_of_a_cut_survive() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let _logs = Logs(&cluster);
    said("three nodes are one cluster");

    set(&cluster, 1, "smtp.limits.max_recipients", "321");
    everywhere(&cluster, "a setting on all nodes", "/smtp/limits/max_recipients", 321);
    let own = setting(&cluster, 2, "/node/hostname");
    assert_eq!(own, "node2.example", "a node's own settings stay its own");
    said("a setting changed on node1 is in force on all; names stayed their own");

    cluster.ask(1, &["admin", "add", "anna"]).unwrap();
    let knows = |n: usize| cluster.ask(n, &["admin", "list"]).is_ok_and(|a| a["admins"].to_string().contains("anna"));
    wait_until("a login on all nodes", LIMIT, || (0..3).all(knows)).unwrap();
    cluster.ask(2, &["admin", "remove", "anna"]).unwrap();
    wait_until("the login gone everywhere", LIMIT, || !(0..3).any(knows)).unwrap();
    said("a login made on node1 is known on all, and removed on node2 it is gone everywhere");

    cluster.network.isolate(0, &[]);
    wait_until("node1 notices the cut", LIMIT, || !cluster.sees(1, 0)).unwrap();
    set(&cluster, 0, "smtp.limits.max_recipients", "400");
    set(&cluster, 0, "filter.thresholds.tag", "4.5");
    set(&cluster, 1, "smtp.limits.max_recipients", "500");
    set(&cluster, 2, "greylist.min_score", "3.5");
    said("node0 is cut off; settings are changed on both sides");

    cluster.network.heal();
    wait_until("all see each other again", LIMIT, || (1..3).all(|n| cluster.sees(0, n) && cluster.sees(n, 0))).unwrap();
    everywhere(&cluster, "node0's edit of another field", "/filter/thresholds/tag", 4.5);
    everywhere(&cluster, "node2's edit of another field", "/greylist/min_score", 3.5);
    let agreed = || {
        let all: Vec<_> = (0..3).map(|n| setting(&cluster, n, "/smtp/limits/max_recipients")).collect();
        (all[0] == 400 || all[0] == 500) && all.iter().all(|v| *v == all[0])
    };
    wait_until("one value of the field that both sides set", LIMIT, agreed).unwrap();
    let conflicts = cluster.ask(2, &["cluster", "conflicts"]).unwrap();
    assert_eq!(conflicts["conflicts"][0]["path"], "smtp.limits.max_recipients", "{conflicts}");
    assert_eq!(conflicts["conflicts"][0]["values"].as_array().unwrap().len(), 2);
    said("healed: edits of different fields all hold, the field that both set is a conflict with two values");

    set(&cluster, 2, "smtp.limits.max_recipients", "450");
    everywhere(&cluster, "the settled value", "/smtp/limits/max_recipients", 450);
    let settled = || (0..3).all(|n| cluster.ask(n, &["cluster", "conflicts"]).is_ok_and(|c| c["conflicts"] == serde_json::json!([])));
    wait_until("no conflict any more", LIMIT, settled).unwrap();
    let history = cluster.ask(0, &["cluster", "history"]).unwrap();
    let version = history["versions"][0]["hash"].as_str().unwrap().to_owned();
    cluster.ask(0, &["cluster", "undo", &version]).unwrap();
    let undone = setting(&cluster, 0, "/smtp/limits/max_recipients");
    assert_ne!(undone, 450);
    everywhere(&cluster, "the undone value", "/smtp/limits/max_recipients", undone);
    said("setting it settles it everywhere; undo takes it back everywhere");
}

#[test]
fn a_ban_on_one_node_drops_packets_on_every_node() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { edge: true, ..Options::default() };
    let Some(cluster) = cluster(folder.path(), 3, options) else { return };
    let _logs = Logs(&cluster);
    let client = cluster.client().address.to_string();
    let guarded = |n| cluster.ask(n, &["edge", "status"]).is_ok_and(|s| s["interfaces"][0]["attached"] == true);
    if let Err(e) = wait_until("XDP on every node", LIMIT, || (0..3).all(guarded)) {
        println!("skipped: {e}");
        return;
    }
    let reaches = |n: usize| {
        let address = std::net::SocketAddr::from((cluster.address(n), 25));
        std::thread::scope(|s| {
            let client = cluster.client();
            s.spawn(move || {
                client.enter().unwrap();
                std::net::TcpStream::connect_timeout(&address, Duration::from_millis(700)).is_ok()
            })
            .join()
            .unwrap()
        })
    };
    assert!((0..3).all(reaches), "the client reaches every node");
    cluster.ask(0, &["edge", "ban", &client, "--for", "1h", "--why", "scenario"]).unwrap();
    let banned = |n| cluster.ask(n, &["edge", "bans"]).is_ok_and(|b| b.to_string().contains(&client));
    let took = wait_until("the ban on every node", LIMIT, || (0..3).all(banned)).unwrap();
    said(&format!("a ban set on node0 is on all nodes within {} ms", took.as_millis()));
    assert!(!(0..3).any(reaches), "XDP drops the client's packets on every node");
    cluster.ask(2, &["edge", "unban", &client]).unwrap();
    wait_until("the ban lifted on every node", LIMIT, || !(0..3).any(banned)).unwrap();
    assert!((0..3).all(reaches));
    said("lifted on node2, it is lifted on all");
}

fn spam(cluster: &Cluster, node: usize, subject: &str) {
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

#[test]
fn quarantine_and_tracking_are_those_of_the_whole_cluster() {
    let folder = tempfile::tempdir().unwrap();
    // Everything goes into quarantine: whose verdict it is does not matter here.
    let settings = "[filter.thresholds]\ntag = -100.0\nquarantine = -100.0\nreject = 1000.0\n".to_owned();
    let Some(cluster) = cluster(folder.path(), 3, Options { settings, ..Options::default() }) else { return };
    let _logs = Logs(&cluster);
    let listed = |n| {
        let list = cluster.ask(n, &["quarantine", "list"]).unwrap();
        let mails = list["mails"].as_array().cloned().unwrap_or_default();
        mails
            .into_iter()
            .map(|m| (m["subject"].as_str().unwrap_or_default().to_owned(), m["mail"].as_str().unwrap().to_owned()))
            .collect::<Vec<_>>()
    };
    for (node, subject) in ["one", "two", "three"].into_iter().enumerate() {
        spam(&cluster, node, subject);
    }
    wait_until("three mails in every node's list", LIMIT, || (0..3).all(|n| listed(n).len() == 3)).unwrap();
    said("three mails, taken by three nodes, are in the quarantine list of every node");

    let id = |subject: &str| listed(0).into_iter().find(|(s, _)| s == subject).unwrap().1;
    let (one, two, three) = (id("one"), id("two"), id("three"));
    let view = cluster.ask(2, &["quarantine", "show", &one]).unwrap();
    assert!(view["text"].as_str().unwrap().contains("XJS*C4JDBQADN1"), "{view}");
    cluster.ask(2, &["quarantine", "release", &one]).unwrap();
    cluster.backend.wait_for(1, LIMIT).unwrap();
    cluster.ask(0, &["quarantine", "delete", &two]).unwrap();
    wait_until("one mail left in every node's list", LIMIT, || (0..3).all(|n| listed(n).len() == 1)).unwrap();
    said("node2 reads and releases a mail of node0; node0 deletes one of node1: every node says so");

    let found = cluster.ask(1, &["journey", "search", "--subject", "three"]).unwrap();
    assert_eq!(found["journeys"][0]["node"], "node2.example", "{found}");
    let journey = cluster.ask(1, &["journey", "show", &one]).unwrap();
    assert!(journey["steps"].to_string().contains("delivered"), "{journey}");
    cluster.network.isolate(2, &[3, 4]);
    wait_until("node1 notices the cut", LIMIT, || !cluster.sees(1, 2)).unwrap();
    let began = Instant::now();
    let found = cluster.ask(1, &["journey", "search", "--sender", "load.example"]).unwrap();
    assert_eq!(found["silent"], serde_json::json!(["node2.example"]), "{found}");
    assert_eq!(found["journeys"].as_array().unwrap().len(), 2);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    said("a search over all nodes finds all; with one cut off it names the one that did not answer");

    cluster.network.heal();
    // Released from a copy while its node is away, and there, too, it would be delivered twice: as in any cut.
    wait_until("all see each other again", LIMIT, || (0..2).all(|n| cluster.sees(n, 2) && cluster.sees(2, n))).unwrap();
    cluster.ask(0, &["quarantine", "release", &three]).unwrap();
    cluster.backend.wait_for(2, LIMIT).unwrap();
    assert!(cluster.ask(1, &["quarantine", "release", &three]).is_err(), "released twice");
}

#[test]
fn who_may_join_and_who_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let _logs = Logs(&cluster);
    let refusal = |arguments: &[&str], node| cluster.ask(node, arguments).unwrap_err().to_string();
    assert!(refusal(&["cluster", "init"], 1).contains("member of the cluster"));
    cluster.ask(0, &["cluster", "remove", "node2.example"]).unwrap();
    wait_until("node1 has no link to a removed node", LIMIT, || !cluster.sees(1, 2)).unwrap();
    let members = cluster.ask(1, &["cluster", "members"]).unwrap();
    assert_eq!(members["removed"][0]["name"], "node2.example");
    said("node2 is removed: the others close their links");

    cluster.ask(2, &["cluster", "leave"]).unwrap();
    for nonsense in ["", "hello", "postern1-aaaa"] {
        assert!(refusal(&["cluster", "join", nonsense], 2).contains("token"), "{nonsense}");
    }
    let invitation = cluster.ask(1, &["cluster", "invite"]).unwrap();
    let token = invitation["token"].as_str().unwrap().to_owned();
    let (begin, end) = token.split_at(token.len() / 2);
    let typo = format!("{begin}{}{}", if end.starts_with('a') { 'b' } else { 'a' }, &end[1..]);
    assert!(refusal(&["cluster", "join", &typo], 2).contains("mistyped"));
    cluster.ask(2, &["cluster", "join", &token]).unwrap();
    wait_until("node2 is back as a new node", LIMIT, || cluster.sees(0, 2) && cluster.sees(2, 1)).unwrap();
    said("it left, and joined again with a new key");

    cluster.ask(2, &["cluster", "leave"]).unwrap();
    assert!(refusal(&["cluster", "join", &token], 2).contains("used already"));
    let revoked = cluster.ask(1, &["cluster", "invite"]).unwrap()["token"].as_str().unwrap().to_owned();
    let id = cluster.ask(1, &["cluster", "invitations"]).unwrap()["invitations"][0]["id"].as_str().unwrap().to_owned();
    cluster.ask(1, &["cluster", "revoke", &id]).unwrap();
    assert!(refusal(&["cluster", "join", &revoked], 2).contains("revoked"));
    said("a used token and a revoked one are refused in words");
}

#[test]
fn a_drained_node_takes_no_mail_and_its_return_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let _logs = Logs(&cluster);
    let load = Load::start(cluster.client(), cluster.doors(), 6, Duration::from_millis(10), 2048).unwrap();
    wait_until("mail flows", LIMIT, || load.account().taken.len() > 50).unwrap();
    let drained = cluster.ask(1, &["node", "drain", "--wait"]).unwrap();
    assert_eq!(drained["duty"], "drained", "{drained}");
    assert_eq!(drained["safe_to_power_off"], true);
    wait_until("the others see it", LIMIT, || {
        let members = cluster.ask(0, &["cluster", "members"]).unwrap();
        members["members"].as_array().unwrap().iter().any(|m| m["name"] == "node1.example" && m["duty"] == "drained")
    })
    .unwrap();
    let before = load.account();
    wait_until("mail goes on by the others", LIMIT, || load.account().taken.len() > before.taken.len() + 50).unwrap();
    assert_eq!(load.account().unanswered.len(), 0, "a drain broke a mail in the middle");
    said("node1 is drained under load: no mail was broken, the others take all");
    cluster.ask(1, &["node", "resume"]).unwrap();
    let took = |n: usize| cluster.ask(n, &["status"]).unwrap()["spool"]["accepted"].as_u64().unwrap();
    let at_return = took(1);
    wait_until("it takes mail again", LIMIT, || took(1) > at_return).unwrap();
    let account = load.stop();
    wait_until("everything arrives", LIMIT, || account.arrived(&cluster.backend.mails()) == account.taken.len()).unwrap();
    let outcome = account.settle(&cluster.backend.mails());
    assert!(outcome.lost.is_empty() && outcome.twice.is_empty(), "{outcome:?}");
    said(&format!("{} mails taken, none lost, none twice", outcome.taken));
}

/// From the mail server's having a mail to its node's having told a peer that it is delivered; on a machine that builds meanwhile.
const GAP: Duration = Duration::from_millis(300);

fn impatient() -> Options {
    Options { settings: "[cluster]\ntakeover_after = \"2s\"\n".into(), ..Options::default() }
}

/// Waits for the mails that were answered with 250 and checks the account: none lost, none twice.
/// `losses`: when nodes were killed.
fn settle(cluster: &Cluster, load: Load, losses: &[Instant]) {
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
        outcome.twice.len(),
        account.unanswered.len(),
        account.refused,
        account.longest_gap.as_millis()
    ));
}

fn flows(load: &Load, more: usize) {
    let before = load.account().taken.len();
    wait_until("mail flows", LIMIT, || load.account().taken.len() >= before + more).unwrap();
}

#[test]
fn a_killed_node_comes_back_and_a_burnt_one_is_replaced_without_loss() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, impatient()) else { return };
    let load = Load::start(cluster.client(), cluster.doors(), 6, Duration::from_millis(10), 2048).unwrap();
    flows(&load, 100);
    cluster.kill(1).unwrap();
    let killed = Instant::now();
    flows(&load, 50);
    cluster.start(1).unwrap();
    wait_until("node1 is back", LIMIT, || cluster.sees(0, 1) && cluster.sees(2, 1)).unwrap();
    said("node1 was killed under load and started again");
    flows(&load, 50);
    cluster.destroy(2).unwrap();
    let burnt = Instant::now();
    said("node2 burnt down with its disk, under load");
    flows(&load, 50);
    std::thread::sleep(Duration::from_secs(3));
    settle(&cluster, load, &[killed, burnt]);
    cluster.ask(0, &["cluster", "remove", "node2.example"]).unwrap();
    cluster.start(2).unwrap();
    cluster.join(2, 1).unwrap();
    wait_until("the new node2 is seen", LIMIT, || cluster.sees(0, 2)).unwrap();
    let _logs = Logs(&cluster);
    said("removed, and a new node in its place joined");
}

#[test]
fn mail_that_waits_survives_its_node() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, impatient()) else { return };
    // The mail server is away: everything stays in the queue.
    let backend = cluster.nodes.len() + 1;
    cluster.network.isolate(backend, &[]);
    let doors = vec![cluster.doors()[2]];
    let load = Load::start(cluster.client(), doors, 3, Duration::from_millis(20), 4096).unwrap();
    flows(&load, 40);
    let account = load.stop();
    let status = cluster.ask(2, &["cluster", "status"]).unwrap();
    assert_eq!(status["copies"]["unshadowed"], 0, "{status}");
    cluster.destroy(2).unwrap();
    said(&format!("node2 took {} mails, could deliver none, and burnt down", account.taken.len()));
    cluster.network.heal();
    let taken_over = |n: usize| cluster.ask(n, &["cluster", "status"]).unwrap()["copies"]["taken_over"].as_u64().unwrap();
    wait_until("the others take its mails over", LIMIT, || taken_over(0) + taken_over(1) >= account.taken.len() as u64).unwrap();
    (0..2).for_each(|n| drop(cluster.ask(n, &["queue", "retry", "--all"])));
    let arrived =
        wait_until("everything arrives", Duration::from_secs(40), || account.arrived(&cluster.backend.mails()) == account.taken.len());
    let _logs = Logs(&cluster);
    let outcome = account.settle(&cluster.backend.mails());
    assert!(arrived.is_ok() && outcome.lost.is_empty() && outcome.twice.is_empty(), "{outcome:?}");
    said("the others delivered all of them, each once");
}

#[test]
fn settings_that_contradict_each_other_take_nobody_down() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[filter.thresholds]\ntag = 5.0\nquarantine = 8.0\nreject = 15.0\n".to_owned();
    let Some(cluster) = cluster(folder.path(), 2, Options { settings, ..Options::default() }) else { return };
    let _logs = Logs(&cluster);
    cluster.network.cut(0, 1);
    wait_until("the cut is noticed", LIMIT, || !cluster.sees(0, 1) && !cluster.sees(1, 0)).unwrap();
    set(&cluster, 0, "filter.thresholds.tag", "7.5");
    set(&cluster, 1, "filter.thresholds.quarantine", "7.0");
    cluster.network.heal();
    let refused = |n| cluster.ask(n, &["cluster", "status"]).is_ok_and(|s| !s["refused"].is_null());
    wait_until("both say that the settings contradict each other", LIMIT, || refused(0) && refused(1)).unwrap();
    assert_eq!(setting(&cluster, 0, "/filter/thresholds/tag"), 7.5, "the last good settings of node0 stay in force");
    assert_eq!(setting(&cluster, 1, "/filter/thresholds/quarantine"), 7.0, "and those of node1 there");
    said("two edits that are good each contradict each other: both nodes say so and go on with their last good settings");
    spam(&cluster, 0, "still taken");
    cluster.ask(1, &["settings", "set", "filter.thresholds.tag", "6.0"]).unwrap();
    wait_until("nothing is refused any more", LIMIT, || !refused(0) && !refused(1)).unwrap();
    everywhere(&cluster, "the mended setting", "/filter/thresholds/tag", 6.0);
    everywhere(&cluster, "the other edit", "/filter/thresholds/quarantine", 7.0);
    said("one more edit mends it everywhere");
}

#[test]
fn a_lost_ledger_a_moved_address_and_a_restored_backup() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let data = cluster.nodes[1].data.clone();
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(data.join("cluster").join(name));
    }
    set(&cluster, 1, "smtp.limits.max_recipients", "222");
    everywhere(&cluster, "a setting after the loss", "/smtp/limits/max_recipients", 222);
    wait_until("node1 has its rows again", LIMIT, || {
        cluster.ask(1, &["cluster", "status"]).is_ok_and(|s| s["ledger"]["rows"].as_u64() > Some(1))
    })
    .unwrap();
    said("the ledger was deleted under node1: it goes on and has its peers' rows again");

    cluster.stop(2).unwrap();
    let backup = folder.path().join("backup");
    let copied = std::process::Command::new("cp").arg("-a").arg(&cluster.nodes[2].data).arg(&backup).status().unwrap();
    assert!(copied.success());
    cluster.start(2).unwrap();
    wait_until("node2 is back", LIMIT, || cluster.sees(0, 2)).unwrap();
    set(&cluster, 2, "smtp.limits.max_recipients", "333");
    everywhere(&cluster, "a setting made after the backup", "/smtp/limits/max_recipients", 333);
    cluster.stop(2).unwrap();
    std::fs::remove_dir_all(&cluster.nodes[2].data).unwrap();
    std::fs::rename(&backup, &cluster.nodes[2].data).unwrap();
    cluster.start(2).unwrap();
    wait_until("node2 is back from its backup", LIMIT, || cluster.sees(0, 2) && cluster.sees(2, 1)).unwrap();
    everywhere(&cluster, "the restored node knows what came after its backup", "/smtp/limits/max_recipients", 333);
    set(&cluster, 2, "smtp.limits.max_recipients", "444");
    everywhere(&cluster, "and is heard", "/smtp/limits/max_recipients", 444);
    said("node2 was restored from a backup: it learns what it missed, and is heard");

    cluster.stop(1).unwrap();
    let host = cluster.nodes[1].host;
    cluster.network.hosts[host].readdress(std::net::Ipv4Addr::new(198, 51, 100, 77)).unwrap();
    let file = cluster.nodes[1].data.join("postern.toml");
    let text =
        std::fs::read_to_string(&file).unwrap().replace("198.51.100.2:", "198.51.100.77:").replace("node1.example", "renamed.example");
    std::fs::write(&file, text).unwrap();
    cluster.start(1).unwrap();
    let renamed =
        |n: usize| {
            cluster.ask(n, &["cluster", "members"]).is_ok_and(|list| {
                list["members"].as_array().unwrap().iter().any(|m| {
                    m["name"] == "renamed.example" && m["connected"] == true && m["addresses"].to_string().contains("198.51.100.77")
                })
            })
        };
    wait_until("the others see its new name and address", LIMIT, || renamed(0) && renamed(2)).unwrap();
    let _logs = Logs(&cluster);
    said("node1 came back with another name and address: the others know both");
}

#[test]
fn cuts_of_one_direction_a_slow_line_and_a_full_disk_stop_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    if nix::unistd::geteuid().is_root() {
        small_disk(&folder.path().join("node1"));
    }
    let settings = "[delivery.spool]\nsegment_size = 4194304\nreserve = 16777216\n".to_owned();
    let Some(cluster) = cluster(folder.path(), 3, Options { settings, ..Options::default() }) else { return };
    let _logs = Logs(&cluster);
    cluster.network.cut_one_way(0, 1);
    wait_until("both sides of a cut of one direction know", LIMIT, || !cluster.sees(0, 1) && !cluster.sees(1, 0)).unwrap();
    set(&cluster, 0, "smtp.limits.max_recipients", "201");
    everywhere(&cluster, "a setting by way of node2", "/smtp/limits/max_recipients", 201);
    said("node0 cannot send to node1: both know, and a setting goes round by node2");

    cluster.network.heal();
    cluster.network.delay(0, 1, Duration::from_millis(300));
    wait_until("a slow line is a line", LIMIT, || cluster.sees(0, 1) && cluster.sees(1, 0)).unwrap();
    let load = Load::start(cluster.client(), cluster.doors(), 6, Duration::from_millis(20), 2048).unwrap();
    flows(&load, 60);
    said("with 300 ms in each direction between node0 and node1 mail goes on");
    cluster.network.heal();

    let filler = folder.path().join("node1/filler");
    let full = std::process::Command::new("dd").args(["if=/dev/zero", "bs=1M"]).arg(format!("of={}", filler.display())).output().unwrap();
    assert!(!full.status.success(), "the disk is not full");
    let takes_mail = |n: usize| cluster.ask(n, &["status"]).is_ok_and(|s| s["spool_trouble"].is_null());
    wait_until("node1 says that its disk is full", LIMIT, || !takes_mail(1)).unwrap();
    set(&cluster, 2, "smtp.limits.max_recipients", "202");
    wait_until("the others have the setting", LIMIT, || [0, 2].iter().all(|n| setting(&cluster, *n, "/smtp/limits/max_recipients") == 202))
        .unwrap();
    flows(&load, 60);
    said("node1's disk is full: it says so, takes no mail and no copies; the others go on");

    std::fs::remove_file(&filler).unwrap();
    wait_until("node1 takes mail again", LIMIT, || takes_mail(1)).unwrap();
    set(&cluster, 0, "smtp.limits.max_recipients", "203");
    everywhere(&cluster, "a setting after that", "/smtp/limits/max_recipients", 203);
    settle(&cluster, load, &[]);
}

/// A file system of 128 MB for a node, seen by this test and the hosts it makes.
fn small_disk(at: &std::path::Path) {
    use nix::mount::{MsFlags, mount};
    std::fs::create_dir_all(at).unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("size=128m")).unwrap();
}
