//! Feeds by HTTP, from a web server to packets that XDP drops; and everything that can be wrong with what a web server says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use postern_tests::bench::process::memory;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::http::{Answer, Web};
use postern_tests::network::{ClientHost, GATEWAY, INTERFACE, lacking, two_hosts};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(15);
const SMTP: u16 = 2525;
/// An address for each feed, on the client host.
const CLEAN: &str = "198.51.100.20";
const PLAIN: &str = "198.51.100.21";
const DROP: &str = "198.51.100.22";
const JSON: &str = "198.51.100.23";
const NEW: &str = "198.51.100.24";

fn plain() -> String {
    format!("# ours\n{PLAIN}\n\n  203.0.113.7   # a neighbour\nnonsense\n2001:db8:bad::/48\n")
}

fn spamhaus_drop() -> String {
    format!(
        "; Spamhaus DROP List 2026/11/02 - (c) 2026 The Spamhaus Project\n; Last-Modified: Mon, 2 Nov 2026\n192.0.2.0/24 ; SBL1\n{DROP}/32 ; SBL2\n"
    )
}

fn spamhaus_json() -> String {
    format!(
        "{{\"cidr\":\"{JSON}/32\",\"sblid\":\"SBL3\",\"rir\":\"ripencc\"}}\n{{\"type\":\"metadata\",\"timestamp\":1793613600,\"size\":1}}\n"
    )
}

fn settings(feeds: &[&str]) -> String {
    let mut text = format!(
        "[smtp]\nlisten = [\"[::]:{SMTP}\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
         [edge]\ninterfaces = [\"{INTERFACE}\"]\nsmtp_ports = [{SMTP}]\nservice_ports = [{SMTP}]\n"
    );
    for name in feeds {
        text.push_str(&format!("[[edge.feeds]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:8080/{name}\"\n"));
    }
    text.push_str("[[domains]]\nname = \"example.net\"\nbackends = [{ host = \"127.0.0.1\", port = 2524 }]\n");
    text
}

fn feed(gateway: &Gateway, name: &str) -> Value {
    let status = gateway.ask(&["edge", "status"]).unwrap();
    let feeds = status["feeds"].as_array().cloned().unwrap_or_default();
    feeds.into_iter().find(|f| f["name"] == name).unwrap_or_else(|| panic!("no feed {name}: {status}"))
}

fn drops(gateway: &Gateway) -> u64 {
    let status = gateway.ask(&["edge", "status"]).unwrap();
    let counters = status["counters"].as_array().cloned().unwrap_or_default();
    let of_feeds = counters.iter().filter(|c| c["name"].as_str().is_some_and(|n| n.contains("feed")) && c["drops"] == true);
    of_feeds.map(|c| c["packets"].as_u64().unwrap_or(0)).sum()
}

fn greets(client: &ClientHost, from: &str) -> bool {
    let script = format!(
        "import socket\ns=socket.create_connection(('{GATEWAY}',{SMTP}),1,('{from}',0))\ns.settimeout(5)\nassert s.recv(3)==b'220'\ns.sendall(b'QUIT\\r\\n')"
    );
    client.run("python3", &["-c", &script]).is_ok()
}

/// Has all feeds read again and waits until this one says so in its status.
fn again(gateway: &Gateway, name: &str, said: impl Fn(&Value) -> bool) -> Value {
    gateway.ask(&["edge", "feeds", "--reload"]).unwrap();
    wait_until(&format!("feed {name}"), LIMIT, || said(&feed(gateway, name)))
        .unwrap_or_else(|e| panic!("{e}: {}\n{}", feed(gateway, name), gateway.log()));
    feed(gateway, name)
}

fn complains(words: &'static str) -> impl Fn(&Value) -> bool {
    move |feed| feed["error"].as_str().is_some_and(|e| e.contains(words))
}

#[test]
fn from_a_web_server_to_dropped_packets() {
    if let Some(why) = lacking(&["python3", "nsenter"]) {
        println!("skipped: {why}");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let client = two_hosts().unwrap();
    for address in [CLEAN, PLAIN, DROP, JSON, NEW] {
        client.add_address(&format!("{address}/24")).unwrap();
    }
    let web = Web::start("127.0.0.1:8080".parse().unwrap()).unwrap();
    web.set("/plain", Answer::List(plain()));
    web.set("/drop", Answer::List(spamhaus_drop()));
    web.set("/json", Answer::List(spamhaus_json()));
    web.set("/slow", Answer::Silent);
    let feeds = ["slow", "plain", "drop", "json"];
    let edge = Gateway::edge(&binary(), &scratch.path().join("postern"), &settings(&feeds)).unwrap();
    let gateway = Gateway::node(&binary(), &scratch.path().join("postern"), &settings(&feeds)).unwrap();

    wait_until("edge behind the node", LIMIT, || gateway.ask(&["edge", "status"]).is_ok()).unwrap();

    // All formats come into force, though the first feed's server says nothing.
    for (name, entries) in [("plain", 3), ("drop", 2), ("json", 1)] {
        wait_until(name, LIMIT, || feed(&gateway, name)["entries"] == entries)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", feed(&gateway, name), gateway.log()));
    }
    assert!(feed(&gateway, "plain")["error"].as_str().unwrap().contains("line 5: `nonsense`"), "{}", feed(&gateway, "plain"));
    assert!(feed(&gateway, "drop")["error"].is_null() && feed(&gateway, "slow")["entries"] == 0);
    wait_until("the feeds in the kernel", LIMIT, || !greets(&client, PLAIN)).unwrap();
    let before = drops(&gateway);
    for listed in [PLAIN, DROP, JSON] {
        assert!(!greets(&client, listed), "{listed} is listed and gets a greeting");
    }
    assert!(drops(&gateway) >= before + 3, "the counters of dropped packets did not move");
    assert!(greets(&client, CLEAN) && greets(&client, NEW));

    // Asked again with what the server said of the copy, and told that it is still good.
    assert!(!web.asked("/plain")[0].to_ascii_lowercase().contains("if-none-match"));
    let seen = web.asked("/plain").len();
    gateway.ask(&["edge", "feeds", "--reload"]).unwrap();
    wait_until("a conditional request", LIMIT, || web.asked("/plain").len() > seen).unwrap();
    let request = web.asked("/plain").pop().unwrap().to_ascii_lowercase();
    assert!(request.contains("if-none-match: \"") && request.contains("if-modified-since: mon, 02 nov 2026"), "{request}");

    // A list that changed.
    web.set("/plain", Answer::List(plain() + NEW + "\n"));
    again(&gateway, "plain", |f| f["entries"] == 4);
    wait_until("the new entry in force", LIMIT, || !greets(&client, NEW)).unwrap();

    // What is no list, or not all of it, replaces nothing, and the status says why.
    let page = format!("<!DOCTYPE html>\n<html>\n<h1>Blocked</h1>\nYour address is\n{CLEAN}\n</html>\n");
    let refused: [(Answer, &'static str); 8] = [
        (Answer::Status(404, "gone".into()), "404"),
        (Answer::Status(500, CLEAN.into()), "500"),
        (Answer::Status(302, String::new()), "302"),
        (Answer::List("<html><body>Please log in</body></html>\n".into()), "this is no list of networks"),
        (Answer::List(page), "bad lines and 1 good"),
        (Answer::List(String::new()), "empty"),
        (Answer::Cut { says: 100_000, sends: format!("{CLEAN}\n") }, "127.0.0.1:8080/plain"),
        (Answer::Endless("203.0.113.9".into()), "longer than"),
    ];
    for (answer, words) in refused {
        web.set("/plain", answer);
        let (at_rest, _) = memory(&[edge.id()]);
        gateway.ask(&["edge", "feeds", "--reload"]).unwrap();
        let (began, mut most) = (Instant::now(), 0.0_f64);
        while !complains(words)(&feed(&gateway, "plain")) {
            most = most.max(memory(&[edge.id()]).0);
            assert!(began.elapsed() < Duration::from_secs(60), "{words}: {}\n{}", feed(&gateway, "plain"), gateway.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let now = feed(&gateway, "plain");
        assert_eq!(now["entries"], 4, "{now}");
        assert!(most < at_rest + 40.0, "{words}: edge grew from {at_rest:.0} to {most:.0} MB");
        assert!(!greets(&client, NEW) && greets(&client, CLEAN), "{words}");
    }
    let edge_log = std::fs::read_to_string(scratch.path().join("postern/edge.log")).unwrap();
    assert!(edge_log.matches("the last good content stays in force").count() >= 8, "{edge_log}");
    let left: Vec<_> = std::fs::read_dir(scratch.path().join("postern/edge/feeds")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(left.iter().filter(|f| f.to_string_lossy().ends_with(".part")).count() <= 1, "only of the feed that is under way: {left:?}");

    // After a restart of edge with the server silent, the copies on disk are in force at once.
    for name in feeds {
        web.set(&format!("/{name}"), Answer::Silent);
    }
    drop(edge);
    std::fs::remove_dir_all("/sys/fs/bpf/postern").unwrap();
    let _edge = Gateway::edge(&binary(), &scratch.path().join("postern"), &settings(&feeds)).unwrap();
    wait_until("the copies in force", LIMIT, || !greets(&client, NEW) && !greets(&client, DROP)).unwrap();
    assert!(greets(&client, CLEAN));
}
