//! Certificates from a real authority (Pebble): ordered, shown on SMTP and the console, renewed, kept over a restart; and everything
//! that may go wrong leaves the certificate in force and says why.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use postern_tests::certificate::shown;
use postern_tests::cluster::api::Api;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::nsd::Nsd;
use postern_tests::pebble::{DIRECTORY, EXTERNAL, Pebble};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const DNS: &str = "127.0.0.1:53";

/// A node whose services are at this address; its name is gateway.example.
fn settings(address: &str, acme: &str) -> String {
    format!(
        "cluster_listen = [\"{address}:7425\"]\ncluster_addresses = [\"{address}:7425\"]\n\
         [smtp]\nlisten = [\"{address}:2525\"]\ntrusted_listen = []\n[console]\nlisten = [\"{address}:8443\"]\n\
         [dns]\nenabled = false\n[sandbox]\nenabled = false\n[acme]\nlisten = [\"{address}:80\"]\n{acme}"
    )
}

/// Everything that `[acme]` needs here.
fn ordered(pebble: &Pebble, more: &str) -> String {
    format!("enabled = true\naccept_terms = true\ndirectory = {DIRECTORY:?}\nroots = '''\n{}'''\n{more}", pebble.root)
}

fn certificate(node: &Gateway) -> Value {
    Api::of(&node.data).get("/node/certificate").unwrap()
}

fn ordered_one(node: &Gateway) -> Value {
    let there = wait_until("an ordered certificate", LIMIT, || certificate(node)["automatic"]["renewed"].is_i64());
    there.unwrap_or_else(|e| panic!("{e}: {}\n{}", certificate(node), node.log()));
    certificate(node)
}

/// The programs, a network of our own and a name server that leads `gateway.example` to the first node and `mail.example` to the second.
fn prepared(dir: &Path) -> Option<Nsd> {
    if let Some(why) = lacking(&["pebble", "nsd", "openssl"]) {
        println!("skipped: {why}");
        return None;
    }
    alone().unwrap();
    let zone = "gateway A 127.0.0.1\nmail A 127.0.0.2\nnobody A 127.0.0.9\n";
    Some(Nsd::start(&dir.join("nsd"), "127.0.0.1".parse().unwrap(), &[("example", zone)]).unwrap())
}

fn name_server() -> SocketAddr {
    DNS.parse().unwrap()
}

#[test]
fn it_is_ordered_shown_renewed_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_nsd) = prepared(dir.path()) else { return };
    let pebble = Pebble::start(&dir.path().join("pebble"), name_server(), false).unwrap();
    let data = dir.path().join("node");
    let node = Gateway::node(&binary(), &data, &settings("127.0.0.1", &ordered(&pebble, "contacts = [\"erika@example.org\"]\n"))).unwrap();
    let first = ordered_one(&node);
    assert_eq!(first["names"], json!(["gateway.example"]));
    assert_eq!((first["source"].as_str(), first["automatic"]["trouble"].as_str()), (Some("installed"), None), "{first}");
    assert!(
        first["automatic"]["next"].as_i64() > first["from"].as_i64() && first["automatic"]["next"].as_i64() < first["until"].as_i64(),
        "{first}"
    );
    for (address, starttls) in [("127.0.0.1:2525", &["-starttls", "smtp"][..]), ("127.0.0.1:8443", &[])] {
        wait_until(address, LIMIT, || shown(address, starttls).contains("issuer=CN = Pebble")).unwrap();
    }
    wait_until("nobody at port 80 any more", LIMIT, || TcpStream::connect("127.0.0.1:80").is_err()).unwrap();

    // Who gives one by hand is told that another will take its place.
    let refused = node.ask(&["certificate", "forget"]).unwrap_err().to_string();
    assert!(refused.contains("acme.enabled"), "{refused}");

    let second = node.ask(&["certificate", "renew"]).unwrap();
    assert_ne!(second["fingerprint"], first["fingerprint"]);

    drop(node);
    let node = Gateway::again(&binary(), &data).unwrap();
    wait_until("a look at what is there", LIMIT, || !certificate(&node)["automatic"]["next"].is_null()).unwrap();
    assert_eq!(certificate(&node)["fingerprint"], second["fingerprint"], "a restart orders nothing");

    // The authority is gone: that is said, and what is shown stays.
    drop(pebble);
    let failed = node.ask(&["certificate", "renew"]).unwrap_err().to_string();
    assert!(failed.contains("the authority's directory"), "{failed}");
    let now = certificate(&node);
    assert_eq!(now["fingerprint"], second["fingerprint"]);
    assert!(now["automatic"]["next"].as_i64() > now["automatic"]["failed"].as_i64(), "{now}");
}

#[test]
fn a_name_that_leads_elsewhere_is_said_and_put_right() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_nsd) = prepared(dir.path()) else { return };
    let pebble = Pebble::start(&dir.path().join("pebble"), name_server(), true).unwrap();
    let node =
        Gateway::node(&binary(), &dir.path().join("node"), &settings("127.0.0.1", &ordered(&pebble, "names = [\"nobody.example\"]\n")))
            .unwrap();
    let api = Api::of(&node.data);
    let trouble = || certificate(&node)["automatic"]["trouble"].as_str().unwrap_or_default().to_owned();

    wait_until("a word about the account", LIMIT, || trouble().contains("account")).unwrap_or_else(|e| panic!("{e}: {}", trouble()));
    api.set("acme.external_account", json!({"key_id": EXTERNAL.0, "secret": EXTERNAL.1})).unwrap();

    wait_until("a word about the name", LIMIT, || trouble().contains("nobody.example")).unwrap_or_else(|e| panic!("{e}: {}", trouble()));
    assert!(trouble().contains("port 80"), "{}", trouble());
    assert_eq!(certificate(&node)["source"], "self-signed");
    api.set("acme.names", json!([])).unwrap();
    ordered_one(&node);
}

#[test]
fn a_name_that_peers_share_may_lead_to_any_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_nsd) = prepared(dir.path()) else { return };
    let pebble = Pebble::start(&dir.path().join("pebble"), name_server(), false).unwrap();
    let first = Gateway::node(&binary(), &dir.path().join("first"), &settings("127.0.0.1", "")).unwrap();
    let second = Gateway::node(&binary(), &dir.path().join("second"), &settings("127.0.0.2", "")).unwrap();
    let (one, other) = (Api::of(&first.data), Api::of(&second.data));
    one.post("/cluster", &json!({"name": "gateways"})).unwrap();
    let token = one.post("/cluster/invitations", &json!({})).unwrap()["token"].clone();
    other.post("/cluster/join", &json!({ "token": token })).unwrap();
    let connected =
        |api: &Api| api.get("/cluster").unwrap()["members"].as_array().unwrap().iter().filter(|m| m["connected"] == true).count() > 0;
    wait_until("both connected", LIMIT, || connected(&one) && connected(&other)).unwrap();

    let acme = json!({ "enabled": true, "accept_terms": true, "directory": DIRECTORY, "roots": pebble.root, "names": ["mail.example"], "listen": ["127.0.0.1:80"] });
    one.set("acme", acme).unwrap();
    for node in [&first, &second] {
        assert_eq!(ordered_one(node)["names"], json!(["gateway.example", "mail.example"]));
    }
    assert_eq!(other.setting("/acme/listen").unwrap(), json!(["127.0.0.2:80"]), "where it listens is the node's own");
}
