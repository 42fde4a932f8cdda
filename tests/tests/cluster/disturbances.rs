//! What networks, disks, clocks and strangers do to nodes that go on.

use std::time::{Duration, Instant};

use postern_tests::cluster::load::Load;
use postern_tests::cluster::nodes::{Cluster, Family, LINK, Options};
use postern_tests::cluster::stranger::Stranger;
use postern_tests::gateway::{binary, wait_until};
use postern_tests::network::lacking;

use crate::world::*;

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

/// libfaketime of Debian: it shifts the wall clock of one process, and leaves the one that waiting is measured by.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn with_clock(seconds: i64) -> Vec<(String, String)> {
    let variables = [
        ("LD_PRELOAD", FAKETIME.to_owned()),
        ("FAKETIME", format!("{seconds:+}s")),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}

/// How far the clock of one node is before that of another, by what both say of themselves.
fn ahead(cluster: &Cluster, node: usize, of: usize) -> Option<i64> {
    let members = cluster.ask(of, &["cluster", "members"]).ok()?;
    let heard = |n: usize| {
        let name = format!("node{n}.example");
        let member = members["members"].as_array()?.iter().find(|m| m["name"] == *name)?.clone();
        member["heard"].as_i64().map(|milliseconds| milliseconds / 1000)
    };
    Some(heard(node)? - heard(of)?)
}

#[test]
fn a_clock_ten_minutes_off_in_either_direction_changes_nothing() {
    if !std::path::Path::new(FAKETIME).exists() {
        println!("skipped: {FAKETIME} is not there (Debian package libfaketime)");
        return;
    }
    if let Some(why) = lacking(&["ip", "nsenter", "unshare"]) {
        println!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let settings = "[cluster]\ntakeover_after = \"2s\"\n".to_owned();
    let mut cluster = Cluster::new(&binary(), folder.path(), 3, Options { settings, ..Options::default() }).unwrap();
    let mut limit = 600;
    // It joins with a clock that is ahead, and comes back with one that is behind: twenty minutes into its own past.
    for clock in [600, -600] {
        cluster.nodes[2].environment = with_clock(clock);
        if clock > 0 {
            cluster.start_all().unwrap();
            cluster.unite().unwrap();
        } else {
            cluster.stop(2).unwrap();
            cluster.start(2).unwrap();
            wait_until("node2 is back", LIMIT, || cluster.sees(0, 2) && cluster.sees(2, 1)).unwrap();
        }
        let off = || [0, 1].iter().all(|n| ahead(&cluster, 2, *n).is_some_and(|seconds| (seconds - clock).abs() < 60));
        wait_until("the others see how far its clock is off", LIMIT, off).unwrap();
        let serves = |n: usize| {
            let members = cluster.ask(n, &["cluster", "members"]).unwrap();
            members["members"].as_array().unwrap().iter().all(|m| m["duty"] == "serving")
        };
        wait_until("all say of all that they serve", LIMIT, || (0..3).all(serves)).unwrap();
        said(&format!("node2's clock is {clock} s ahead, and all say of it that it serves"));

        for node in [2, 0, 2, 1] {
            limit += 1;
            set(&cluster, node, "smtp.limits.max_recipients", &limit.to_string());
            everywhere(&cluster, "the last of several changes, whatever the clocks say", "/smtp/limits/max_recipients", limit);
        }
        cluster.network.isolate(2, &[3, 4]);
        wait_until("the cut is noticed", LIMIT, || !cluster.sees(0, 2) && !cluster.sees(2, 0)).unwrap();
        set(&cluster, 2, "filter.thresholds.tag", "4.5");
        set(&cluster, 0, "greylist.min_score", "3.5");
        cluster.network.heal();
        everywhere(&cluster, "node2's edit", "/filter/thresholds/tag", 4.5);
        everywhere(&cluster, "node0's edit", "/greylist/min_score", 3.5);
        wait_until("all see each other again", LIMIT, || cluster.sees(0, 2) && cluster.sees(2, 1)).unwrap();
        set(&cluster, 1, "filter.thresholds.tag", "5");
        everywhere(&cluster, "an edit of node1 after that", "/filter/thresholds/tag", 5.0);
        set(&cluster, 2, "greylist.min_score", "2");
        everywhere(&cluster, "and one of node2", "/greylist/min_score", 2.0);
        said("edits in turn: the last one counts; edits on both sides of a cut: both hold");

        cluster.backend.clear();
        let load = Load::start(cluster.client(), cluster.doors(), 6, Duration::from_millis(10), 2048).unwrap();
        flows(&load, 60);
        cluster.kill(2).unwrap();
        let killed = Instant::now();
        flows(&load, 30);
        cluster.start(2).unwrap();
        wait_until("node2 is back", LIMIT, || cluster.sees(0, 2) && cluster.sees(2, 1)).unwrap();
        flows(&load, 30);
        settle(&cluster, load, &[killed]);
    }
    let status = cluster.ask(0, &["cluster", "status"]).unwrap();
    assert!(!status["ledger"]["oddities"].to_string().contains("future-dated"), "{status}");
    let _logs = Logs(&cluster);
}

#[test]
fn a_cluster_over_ipv6_alone() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "[cluster]\ntakeover_after = \"2s\"\n".to_owned();
    let Some(mut cluster) = cluster(folder.path(), 3, Options { settings, link: Family::V6, ..Options::default() }) else { return };
    let members = cluster.ask(0, &["cluster", "members"]).unwrap();
    for member in members["members"].as_array().unwrap() {
        let addresses = member["addresses"].as_array().unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(|a| a.as_str().is_some_and(|a| a.starts_with("[2001:db8::"))), "{member}");
    }
    set(&cluster, 1, "smtp.limits.max_recipients", "321");
    everywhere(&cluster, "a setting on all nodes", "/smtp/limits/max_recipients", 321);
    said("three nodes are one cluster, and know each other by IPv6 addresses only");

    cluster.network.cut(0, 1);
    wait_until("the cut is noticed", LIMIT, || !cluster.sees(0, 1) && !cluster.sees(1, 0)).unwrap();
    set(&cluster, 0, "smtp.limits.max_recipients", "322");
    everywhere(&cluster, "a setting by way of node2", "/smtp/limits/max_recipients", 322);
    cluster.network.heal();
    wait_until("all see each other again", LIMIT, || cluster.sees(0, 1) && cluster.sees(1, 0)).unwrap();
    said("cut and healed");

    let load = Load::start(cluster.client(), cluster.doors(), 6, Duration::from_millis(10), 2048).unwrap();
    flows(&load, 60);
    cluster.destroy(2).unwrap();
    let burnt = Instant::now();
    flows(&load, 30);
    std::thread::sleep(Duration::from_secs(3));
    settle(&cluster, load, &[burnt]);
    let shadowed: u64 = (0..2).map(|n| cluster.ask(n, &["cluster", "status"]).unwrap()["copies"]["shadowed"].as_u64().unwrap()).sum();
    assert!(shadowed > 0, "no mail was copied");
    said("mails were copied; one node burnt down");
}

#[test]
fn a_strangers_flood_at_the_clusters_port_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(cluster) = cluster(folder.path(), 3, Options::default()) else { return };
    let _logs = Logs(&cluster);
    let refused = |n: usize| -> u64 {
        let status = cluster.ask(n, &["cluster", "status"]).unwrap();
        status["refusals"].as_array().unwrap().iter().filter_map(|r| r["count"].as_u64()).sum()
    };
    let before: Vec<u64> = (0..3).map(refused).collect();
    let ended = |n: usize| cluster.nodes[n].log().matches("connection ended").count();
    let endings: Vec<usize> = (0..3).map(ended).collect();
    let load = Load::start(cluster.client(), cluster.doors(), 3, Duration::from_millis(20), 2048).unwrap();
    let nodes: Vec<_> = (0..3).map(|n| cluster.address(n)).collect();
    let stranger = Stranger::start(cluster.client(), nodes, LINK, 7).unwrap();
    wait_until("the flood is there", LIMIT, || stranger.sent() > 2000).unwrap();
    let mut slowest = Duration::ZERO;
    for round in 0..6 {
        let (writer, value) = (round % 3, 300 + round);
        let began = Instant::now();
        set(&cluster, writer, "smtp.limits.max_recipients", &value.to_string());
        everywhere(&cluster, "a setting in the flood", "/smtp/limits/max_recipients", value);
        slowest = slowest.max(began.elapsed());
        flows(&load, 20);
    }
    let sent = stranger.sent();
    assert!((0..3).all(|n| refused(n) > before[n]), "nothing was refused");
    drop(stranger);
    said(&format!("{sent} datagrams of a stranger, half of them in the members' names; the slowest of six settings took {slowest:?}"));
    assert_eq!((0..3).map(ended).collect::<Vec<_>>(), endings, "a connection between members broke");
    assert!((0..3).all(|n| (0..3).all(|other| n == other || cluster.sees(n, other))));
    settle(&cluster, load, &[]);
    let copies =
        |what: &str| -> u64 { (0..3).map(|n| cluster.ask(n, &["cluster", "status"]).unwrap()["copies"][what].as_u64().unwrap()).sum() };
    // A copy that is late is not waited for, so how many there are says how busy this machine is.
    assert!(copies("shadowed") > 0, "no mail was copied");
    said(&format!("{} mails were taken with a copy, {} without", copies("shadowed"), copies("unshadowed")));
}

/// A file system of 128 MB for a node, seen by this test and the hosts it makes.
fn small_disk(at: &std::path::Path) {
    use nix::mount::{MsFlags, mount};
    std::fs::create_dir_all(at).unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some("size=128m")).unwrap();
}
