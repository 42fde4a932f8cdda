//! Whom people allow and block for themselves: judged for each recipient of a mail, and never against the operator.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use postern_tests::backend::Backend;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::nsd::Nsd;
use postern_tests::smtp::{plain_mail, send};
use postern_tests::user::User;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(30);

/// All that nobody allows is marked as spam of 2 points; senders at `real.test` are confirmed by SPF, at `forged.test` not.
const SETTINGS: &str = r#"
[smtp]
listen = ["127.0.0.1:2525"]
trusted_listen = []
[console]
listen = []
[dns]
servers = ["127.0.0.1"]
[greylist]
enabled = false
[sandbox]
enabled = false
[edge]
allow = ["127.0.0.0/8"]
[filter.thresholds]
tag = -100.0
quarantine = -100.0
reject = 1000.0
[users]
enabled = true
url = "https://mail.example.net"
digest_at = []
[[domains]]
name = "example.net"
backends = [{ host = "127.0.0.1", port = 2524, tls = "off" }]
"#;

const ZONES: &[(&str, &str)] = &[
    ("real.test", "@ MX 10 mx\n@ TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\nmx A 127.0.0.1"),
    ("forged.test", "@ MX 10 mx\n@ TXT \"v=spf1 ip4:192.0.2.1 ~all\"\nmx A 192.0.2.1"),
    ("pest.test", "@ MX 10 mx\n@ TXT \"v=spf1 ip4:127.0.0.0/8 -all\"\nmx A 127.0.0.1"),
];

struct World {
    gateway: Gateway,
    mail_server: Backend,
    _name_server: Nsd,
    _folder: tempfile::TempDir,
}

impl World {
    fn new() -> Option<Self> {
        if let Some(why) = lacking(&["nsd"]) {
            println!("skipped: {why}");
            return None;
        }
        alone().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let name_server = Nsd::start(&folder.path().join("nsd"), "127.0.0.1".parse().unwrap(), ZONES).unwrap();
        let mail_server = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
        let gateway = Gateway::node(&binary(), &folder.path().join("node"), SETTINGS).unwrap();
        Some(Self { gateway, mail_server, _name_server: name_server, _folder: folder })
    }

    fn user(&self, name: &str) -> User {
        User::log_in(&self.gateway.data, &self.mail_server, &format!("{name}@example.net")).unwrap()
    }

    fn deliver(&self, from: &str, to: &[&str], subject: &str) -> String {
        let server: SocketAddr = "127.0.0.1:2525".parse().unwrap();
        let to: Vec<String> = to.iter().map(|n| format!("{n}@example.net")).collect();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let mail = plain_mail(subject).replace("Anna Beispiel <anna@example.org>", &format!("<{from}>"));
        send(server, from, &to, &mail).unwrap()
    }

    /// Who got a mail, and for whom it is held with which reason.
    fn fate(&self, subject: &str, copies: usize) -> (Vec<String>, Vec<(String, String)>) {
        let got = || -> Vec<String> {
            let mails = self.mail_server.mails();
            let mut to: Vec<String> = mails
                .iter()
                .filter(|m| m.data.contains(&format!("Subject: {subject}\r\n")))
                .flat_map(|m| m.to.iter().map(|t| t.trim_matches(['<', '>']).split('@').next().unwrap().to_owned()))
                .collect();
            to.sort();
            to
        };
        let held = || -> Vec<(String, String)> {
            let list = self.gateway.ask(&["quarantine", "list"]).unwrap();
            let text = |v: &Value| v.as_str().unwrap_or_default().split('@').next().unwrap().to_owned();
            let rows = list["mails"].as_array().unwrap().iter().filter(|m| m["subject"] == subject);
            let mut all: Vec<_> = rows.map(|m| (text(&m["recipients"][0]), text(&m["reason"]))).collect();
            all.sort();
            all
        };
        wait_until(&format!("{copies} copies of {subject}"), LIMIT, || got().len() + held().len() == copies).unwrap();
        (got(), held())
    }

    /// The rules that decided about the copy for a recipient, with what they saw.
    fn why(&self, subject: &str, name: &str) -> String {
        let address = format!("{name}@example.net");
        let steps = || {
            let found = self.gateway.ask(&["journey", "search", "--subject", subject, "--recipient", &address]).unwrap();
            let mail = found["journeys"][0]["mail"].as_str()?.to_owned();
            Some(self.gateway.ask(&["journey", "show", &mail]).unwrap()["steps"].to_string())
        };
        // Tracking writes a moment after the reply.
        let mut why = None;
        let told = wait_until(&format!("what decided about {subject}"), LIMIT, || {
            why = steps();
            why.as_ref().is_some_and(|w| w.contains("\"policy\""))
        });
        told.unwrap_or_else(|e| panic!("{e}: {why:?}"));
        why.unwrap()
    }
}

fn held(name: &str, reason: &str) -> (String, String) {
    (name.to_owned(), reason.to_owned())
}

#[test]
fn one_blocks_and_one_allows_and_each_gets_what_is_theirs() {
    let Some(world) = World::new() else { return };
    let (anna, otto) = (world.user("anna"), world.user("otto"));
    // Everything scores as spam here.
    world.deliver("news@real.test", &["anna", "otto"], "Before");
    assert_eq!(world.fate("Before", 2), (vec![], vec![held("anna", "score-quarantine"), held("otto", "score-quarantine")]));

    anna.choose("News@Real.test", "block").unwrap();
    otto.choose("real.test", "allow").unwrap();
    let said = world.deliver("news@real.test", &["anna", "otto", "max"], "After");
    assert!(said.starts_with("250 2.0.0"), "{said}");
    let all = vec![held("anna", "score-quarantine"), held("max", "score-quarantine")];
    assert_eq!(world.fate("After", 3), (vec!["otto".to_owned()], all), "a block is no harder than the score");
    let why = world.why("After", "otto");
    assert!(
        why.contains("own:otto@example.net") && why.contains("confirmed, and allowed by real.test") && !why.contains("own:anna"),
        "{why}"
    );

    // An allow wants proof: anybody can write an address.
    otto.choose("forged.test", "allow").unwrap();
    world.deliver("news@forged.test", &["otto"], "Forged");
    assert_eq!(world.fate("Forged", 1), (vec![], vec![held("otto", "score-quarantine")]));

    // What is clean for everybody else is kept from who blocks it, who can still have it.
    world.gateway.ask(&["settings", "set", "filter.thresholds.quarantine", "50.0"]).unwrap();
    world.gateway.ask(&["settings", "set", "filter.thresholds.tag", "40.0"]).unwrap();
    world.deliver("news@real.test", &["anna", "max"], "Clean");
    assert_eq!(world.fate("Clean", 2), (vec!["max".to_owned()], vec![held("anna", "user-blocked")]));
    assert!(world.why("Clean", "anna").contains("news@real.test is blocked by news@real.test"), "{}", world.why("Clean", "anna"));
    let list = anna.get("/user/quarantine").unwrap();
    let mail = list["mails"].as_array().unwrap().iter().find(|m| m["subject"] == "Clean").unwrap().clone();
    assert_eq!((&mail["may_release"], &mail["author"]), (&Value::from(true), &Value::from("news@real.test")), "{mail}");

    // Taken back: as for everybody.
    anna.take_back("news@real.test").unwrap();
    world.deliver("news@real.test", &["anna"], "Again");
    assert_eq!(world.fate("Again", 1), (vec!["anna".to_owned()], vec![]));

    // The operator's block list is not passed over.
    let pests = r#"[{ "name": "pests", "role": "block", "entries": ["pest.test"] }]"#;
    world.gateway.ask(&["settings", "set", "policy.lists", pests]).unwrap();
    otto.choose("pest.test", "allow").unwrap();
    let said = world.deliver("news@pest.test", &["otto"], "Pest");
    assert!(said.starts_with("550 5.7.1"), "{said}");

    // The setting takes all lists out of force, and keeps them.
    world.gateway.ask(&["settings", "set", "users.lists", "false"]).unwrap();
    assert!(otto.get("/user/senders").unwrap_err().to_string().contains("404"));
    world.gateway.ask(&["settings", "set", "users.lists", "true"]).unwrap();
    let senders = otto.get("/user/senders").unwrap();
    let names: Vec<&str> = senders["senders"].as_array().unwrap().iter().map(|s| s["sender"].as_str().unwrap()).collect();
    assert_eq!(names, ["forged.test", "pest.test", "real.test"]);
    let trail = world.gateway.ask(&["audit", "--action", "user.block"]).unwrap();
    assert_eq!((&trail["entries"][0]["who"], &trail["entries"][0]["subject"]), (&"anna@example.net".into(), &"news@real.test".into()));
}
