//! Domains and their next hops: what the API says of them, and what they say when they are tried. The mail server behind is a second
//! gateway, which knows its mailboxes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::time::Duration;

use postern_tests::cluster::api::Api;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{plain_mail, send};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

fn node(dir: &Path, address: &str, domains: &str) -> Gateway {
    let settings = format!(
        "cluster_listen = []\n[smtp]\nlisten = [\"{address}:2525\"]\ntrusted_listen = []\n[console]\nlisten = []\n[dns]\nenabled = false\n\
         [sandbox]\nenabled = false\n[greylist]\nenabled = false\n[edge]\nallow = [\"127.0.0.0/8\"]\n{domains}"
    );
    Gateway::node(&binary(), dir, &settings).unwrap()
}

fn attempt(api: &Api, question: Value) -> Value {
    api.post("/domains/try", &question).unwrap()["tried"].clone()
}

#[test]
fn next_hops_are_shown_and_tried() {
    if let Some(why) = lacking(&[]) {
        println!("skipped: {why}");
        return;
    }
    alone().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let table = "[[domains]]\nname = \"example.org\"\nrecipient_check = \"table\"\nrecipients = [\"erika@example.org\"]\n\
                 backends = [{ host = \"127.0.0.9\" }]\n";
    let _behind = node(&dir.path().join("behind"), "127.0.0.2", table);
    let domains = "[[domains]]\nname = \"example.org\"\nrecipient_check = \"callout\"\n\
                   backends = [{ host = \"127.0.0.2\", port = 2525, tls = \"required\" }, { host = \"127.0.0.3\", port = 2525, priority = 1 }]\n\
                   [[domains]]\nname = \"gone.example\"\nbackends = [{ host = \"127.0.0.4\", port = 2525 }]\n\
                   [[domains]]\nname = \"verified.example\"\nbackends = [{ host = \"127.0.0.2\", port = 2525, tls = \"verified\" }]\n";
    let front = node(&dir.path().join("front"), "127.0.0.1", domains);
    let api = Api::of(&front.data);

    // Each address answers for itself: one takes the recipient or refuses it, the other is not there.
    let tried = attempt(&api, json!({ "domain": "example.org", "recipient": "erika@example.org" }));
    assert_eq!(tried.as_array().unwrap().len(), 2, "{tried}");
    assert_eq!((&tried[0]["host"], &tried[0]["recipient"]["is_taken"]), (&json!("127.0.0.2:2525"), &json!(true)), "{tried}");
    assert!(tried[0]["tls"].as_str().unwrap().starts_with("TLS"), "{tried}");
    assert!(tried[1]["trouble"].as_str().unwrap().contains("refused"), "{tried}");
    let stranger = attempt(&api, json!({ "domain": "example.org", "recipient": "nobody@example.org" }));
    assert_eq!(stranger[0]["recipient"]["is_taken"], false, "{stranger}");
    assert!(stranger[0]["recipient"]["reply"].as_str().unwrap().starts_with("550 5.1.1"), "{stranger}");
    // Nobody knows the authority of a certificate that a node made for itself.
    let unknown = attempt(&api, json!({ "domain": "verified.example" }));
    assert!(unknown[0]["trouble"].as_str().unwrap().to_lowercase().contains("tls"), "{unknown}");

    for (question, expected) in [(json!({ "domain": "nowhere.example" }), "no domain `nowhere.example`"), (json!({}), "smarthosts")] {
        let refused = api.post("/domains/try", &question).unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
    }

    // A mail that waits for one of them is seen there, with the reason.
    let reply = send("127.0.0.1:2525".parse().unwrap(), "anna@example.net", &["b@gone.example"], &plain_mail("waits")).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    let gone = || api.get("/domains").unwrap()["domains"][1].clone();
    let seen = wait_until("the trouble", LIMIT, || gone()["route"]["health"] == "back-off");
    seen.unwrap_or_else(|e| panic!("{e}: {}", gone()));
    let (name, route) = (gone()["name"].clone(), gone()["route"].clone());
    assert_eq!((&name, &route["waiting"], &route["hops"][0]["is_avoided"]), (&json!("gone.example"), &json!(1), &json!(true)), "{route}");
    assert!(route["last_failure"]["reply"].as_str().unwrap().contains("refused"), "{route}");
    let first = api.get("/domains").unwrap()["domains"][0].clone();
    assert_eq!((&first["recipient_check"], &first["route"]["hops"][1]["host"]), (&json!("callout"), &json!("127.0.0.3:2525")), "{first}");

    let told = front.ask(&["domains", "try", "example.org", "--recipient", "erika@example.org"]).unwrap();
    assert_eq!(told["tried"][0]["recipient"]["is_taken"], true, "{told}");
}
