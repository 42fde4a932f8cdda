//! Alerts: something is really wrong, somebody is told by mail and by webhooks, and told again when it is over.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use postern_tests::backend::Backend;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::http::{Answer, Posted, Web};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{plain_mail, send};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const LIMIT: Duration = Duration::from_secs(60);
/// Two looks and a moment.
const LOOKS: Duration = Duration::from_secs(12);
const SECRET: &str = "correct horse battery staple";

/// Mail for ops.example arrives, mail for example.net has nowhere to go at first.
const SETTINGS: &str = r#"
[smtp]
listen = ["127.0.0.1:2525"]
trusted_listen = []
[console]
listen = []
[dns]
enabled = false
[greylist]
enabled = false
[sandbox]
enabled = false
[edge]
allow = ["127.0.0.0/8"]
[[domains]]
name = "example.net"
backends = [{ host = "127.0.0.1", port = 2599, tls = "off" }]
[[domains]]
name = "ops.example"
backends = [{ host = "127.0.0.1", port = 2524, tls = "off" }]
[alerts]
recipients = ["oncall@ops.example"]
hold = "0s"
clear = "0s"
[alerts.limits]
queue_age = "1s"
[[alerts.webhooks]]
name = "on-call"
url = "http://127.0.0.1:8000/on-call"
secret = "correct horse battery staple"
[[alerts.webhooks]]
name = "hangs"
url = "http://127.0.0.1:8000/hangs"
[[alerts.webhooks]]
name = "refuses"
url = "http://127.0.0.1:8000/refuses"
"#;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn deliver(subject: &str, to: &str) {
    let said = send(address(2525), "anna@example.org", &[to], &plain_mail(subject)).unwrap();
    assert!(said.starts_with("250 2.0.0"), "{said}");
}

/// Conditions that go on.
fn active(gateway: &Gateway) -> Vec<String> {
    let answer = gateway.ask(&["alerts"]).unwrap();
    let mut names: Vec<String> = answer["alerts"].as_array().unwrap().iter().map(|a| a["condition"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn webhook(gateway: &Gateway, name: &str) -> Value {
    let answer = gateway.ask(&["alerts", "list"]).unwrap();
    answer["channels"]["webhooks"].as_array().unwrap().iter().find(|w| w["name"] == name).cloned().unwrap()
}

/// What a webhook was told, by its own reading: the signature is that of the octets that came.
fn notice(posted: &Posted) -> Value {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(posted.body.as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(posted.field("x-postern-signature"), format!("sha256={expected}"));
    assert_eq!(posted.field("content-type"), "application/json");
    serde_json::from_str(&posted.body).unwrap()
}

/// How many mails to the people on call say this.
fn told(backend: &Backend, words: &str) -> usize {
    backend.mails().iter().filter(|m| m.to == ["oncall@ops.example"] && m.data.contains(words)).count()
}

const WRONG: &str = "Something is wrong:";
const OVER: &str = "This is over:";

#[test]
fn a_backend_that_is_gone_is_told_once_and_its_return_too() {
    if let Some(why) = lacking(&[]) {
        return println!("skipped: {why}");
    }
    alone().unwrap();
    let web = Web::start(address(8000)).unwrap();
    web.set("/on-call", Answer::Status(200, "ok".into()));
    web.set("/hangs", Answer::Mute);
    web.set("/refuses", Answer::Status(403, "who are you?".into()));
    let on_call = Backend::smtp(address(2524)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::node(&binary(), folder.path(), SETTINGS).unwrap();
    assert_eq!(active(&gateway), [""; 0]);
    deliver("nowhere to go", "erika@example.net");

    let both = ["backend-unreachable", "queue-old"];
    wait_until("both conditions", LIMIT, || active(&gateway) == both).unwrap();
    wait_until("a mail and a notice", LIMIT, || told(&on_call, WRONG) > 0 && !web.posted("/on-call").is_empty()).unwrap();
    let raised = notice(&web.posted("/on-call")[0]);
    assert_eq!((raised["event"].as_str(), raised["node"].as_str()), (Some("raised"), Some("gateway.example")), "{raised}");
    let all: Vec<Value> = web.posted("/on-call").iter().flat_map(|p| notice(p)["alerts"].as_array().unwrap().clone()).collect();
    let gone = all.iter().find(|a| a["condition"] == "backend-unreachable").unwrap();
    assert_eq!(gone["subject"], "backends of example.net");
    assert!(gone["detail"].as_str().unwrap().contains("Connection refused"), "{gone}");

    // Neither one that hangs nor one that refuses holds anything: mail flows, and the others were told.
    wait_until("the refusal", LIMIT, || webhook(&gateway, "refuses")["failed"].as_u64() > Some(0)).unwrap();
    assert_eq!(webhook(&gateway, "refuses")["trouble"], "it answered 403 Forbidden");
    assert!(webhook(&gateway, "hangs")["waiting"].as_u64() > Some(0), "{}", webhook(&gateway, "hangs"));
    assert_eq!(webhook(&gateway, "on-call")["trouble"], Value::Null);
    let began = Instant::now();
    deliver("flows", "anna@ops.example");
    wait_until("mail flows", LIMIT, || on_call.mails().iter().any(|m| m.data.contains("Subject: flows"))).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    wait_until("one that hangs is given up for now", LIMIT, || !webhook(&gateway, "hangs")["trouble"].is_null()).unwrap();

    // Acknowledged once, by somebody who is written down.
    let id = gone["id"].as_str().unwrap();
    gateway.ask(&["alerts", "acknowledge", id]).unwrap();
    assert!(gateway.ask(&["alerts", "acknowledge", id]).is_err());
    let trail = gateway.ask(&["audit", "--action", "alert.acknowledge"]).unwrap();
    assert_eq!(trail["entries"][0]["subject"], id, "{trail}");

    // A node that is killed goes on where it was: nothing is told anew.
    wait_until("what was told is written down", LIMIT, || told(&on_call, WRONG) > 0 && active(&gateway) == both).unwrap();
    std::thread::sleep(LOOKS);
    let mails = told(&on_call, WRONG);
    drop(gateway);
    gateway = Gateway::again(&binary(), folder.path()).unwrap();
    wait_until("the alerts from before", LIMIT, || active(&gateway) == both).unwrap();
    let answer = gateway.ask(&["alerts"]).unwrap();
    let again = answer["alerts"].as_array().unwrap().iter().find(|a| a["id"] == id).unwrap().clone();
    assert!(again["acknowledged"]["by"].is_string() && !again["told"].is_null(), "{again}");
    std::thread::sleep(LOOKS);
    assert_eq!(told(&on_call, WRONG), mails, "told anew after a restart");

    // The mail server is back.
    let back = Backend::smtp(address(2599)).unwrap();
    gateway.ask(&["queue", "retry", "--all"]).unwrap();
    back.wait_for(1, LIMIT).unwrap();
    wait_until("nothing is wrong any more", LIMIT, || active(&gateway).is_empty()).unwrap();
    wait_until("the end is told", LIMIT, || told(&on_call, OVER) > 0).unwrap();
    let over = |p: &Posted| notice(p)["event"] == "resolved";
    wait_until("the end is told to the webhook", LIMIT, || web.posted("/on-call").iter().any(over)).unwrap();
    wait_until("both are past", LIMIT, || gateway.ask(&["alerts", "past"]).unwrap()["alerts"].as_array().unwrap().len() == 2).unwrap();
    let log = gateway.log();
    assert!(!log.lines().any(|l| l.contains("ERROR") || l.contains("panicked")), "{log}");
}

#[test]
fn whether_alerts_come_through_can_be_tried_and_said_in_german() {
    if let Some(why) = lacking(&[]) {
        return println!("skipped: {why}");
    }
    alone().unwrap();
    let web = Web::start(address(8000)).unwrap();
    web.set("/on-call", Answer::Status(204, String::new()));
    let on_call = Backend::smtp(address(2524)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::node(&binary(), folder.path(), SETTINGS).unwrap();
    gateway.ask(&["settings", "set", "alerts.language", "de"]).unwrap();
    gateway.ask(&["alerts", "test"]).unwrap();
    wait_until("the test's mail and notice", LIMIT, || told(&on_call, "Probe der Alarme") == 1 && web.posted("/on-call").len() == 1)
        .unwrap();
    let test = notice(&web.posted("/on-call")[0]);
    assert_eq!((&test["event"], test["alerts"].as_array().map(Vec::len)), (&Value::from("test"), Some(0)));
    let mail = on_call.mails().remove(0);
    assert!(mail.from.is_empty() && mail.data.contains("Auto-Submitted: auto-generated"), "{mail:?}");

    // Secrets are shown to nobody; nobody to tell is said.
    assert!(!gateway.ask(&["settings", "show"]).unwrap().to_string().contains(SECRET));
    gateway.ask(&["settings", "set", "alerts.recipients", "[]"]).unwrap();
    gateway.ask(&["settings", "set", "alerts.webhooks", "[]"]).unwrap();
    let refused = gateway.ask(&["alerts", "test"]).unwrap_err().to_string();
    assert!(refused.contains("nobody is told of alerts") && refused.contains("alerts.recipients"), "{refused}");
}

/// Takes TLS at one address and hands what is in it to another; its certificate, which nobody signed but itself.
fn behind_tls(at: SocketAddr, to: SocketAddr) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor =
        TlsAcceptor::from(Arc::new(versions.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap()));
    let listener = std::net::TcpListener::bind(at).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut inside = acceptor.accept(stream).await?;
                    tokio::io::copy_bidirectional(&mut inside, &mut TcpStream::connect(to).await?).await
                });
            }
        });
    });
    made.cert.pem()
}

#[test]
fn a_webhook_whose_certificate_no_known_authority_signed_is_told_when_it_is_named() {
    if let Some(why) = lacking(&[]) {
        return println!("skipped: {why}");
    }
    alone().unwrap();
    let web = Web::start(address(8000)).unwrap();
    web.set("/on-call", Answer::Status(204, String::new()));
    let certificate = behind_tls(address(8001), address(8000));
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::node(&binary(), folder.path(), SETTINGS).unwrap();
    let hook = |roots: &str| {
        let hooks = serde_json::json!([{ "name": "on-call", "url": "https://localhost:8001/on-call", "secret": SECRET, "roots": roots }]);
        gateway.ask(&["settings", "set", "alerts.recipients", "[]"]).unwrap();
        gateway.ask(&["settings", "set", "alerts.webhooks", &hooks.to_string()]).unwrap();
    };
    hook("");
    gateway.ask(&["alerts", "test"]).unwrap();
    let trouble = || webhook(&gateway, "on-call")["trouble"].as_str().map(str::to_owned);
    wait_until("it is not trusted", LIMIT, || trouble().is_some()).unwrap();
    assert!(trouble().unwrap().contains("certificate"), "{trouble:?}", trouble = trouble());
    assert!(web.posted("/on-call").is_empty());
    hook(&certificate);
    wait_until("what waited comes", LOOKS, || trouble().is_none()).unwrap();
    assert_eq!(web.posted("/on-call").iter().map(|p| notice(p)["event"].clone()).collect::<Vec<_>>(), ["test"]);
}
