//! The resolver against a real name server on loopback.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use postern_mail::dns::{Answer, Resolver, Reverse, is_null_mx};
use postern_model::settings::node::DnsSettings;
use postern_model::time::Span;

use crate::support::dns::{Record, Server, Zone};

fn zone() -> Zone {
    let mut zone = Zone::default();
    zone.add("firm.example", Record::Mx(20, "Backup.firm.example.".into()))
        .add("firm.example", Record::Mx(10, "mx.firm.example".into()))
        .txt("firm.example", &format!("v=spf1 {} -all", "ip4:192.0.2.0/24 ".repeat(20)))
        .ip("mx.firm.example", "192.0.2.1")
        .ip("mx.firm.example", "2001:db8::1")
        .add("nomail.example", Record::Mx(0, ".".into()))
        .ip("web.example", "192.0.2.9")
        .empty("nothing.example")
        .add("alias.example", Record::Cname("web.example".into()))
        .fail("broken.example")
        .silence("silent.example")
        .add("1.2.0.192.in-addr.arpa", Record::Ptr("mx.firm.example".into()))
        .add("2.2.0.192.in-addr.arpa", Record::Ptr("liar.example".into()))
        .ip("2.0.0.127.list.example", "127.0.0.2")
        .ip("bad.example.list.example", "127.0.1.2");
    zone
}

#[tokio::test]
async fn every_outcome_is_told_apart() {
    let server = Server::start(zone()).await;
    let dns = Resolver::new(&DnsSettings { timeout: Span::millis(1500), ..server.settings() }).unwrap();
    let mx = dns.mx("Firm.Example.").await.found().unwrap();
    assert_eq!(
        mx.iter().map(|m| (m.preference, m.exchange.as_str())).collect::<Vec<_>>(),
        [(10, "mx.firm.example"), (20, "backup.firm.example")]
    );
    assert!(is_null_mx(&dns.mx("nomail.example").await.found().unwrap()));
    assert_eq!(dns.mx("web.example").await, Answer::NoData);
    assert_eq!(dns.mx("nowhere.example").await, Answer::NoName);
    assert!(matches!(dns.mx("broken.example").await, Answer::Temporary(_)));
    assert!(matches!(dns.txt("silent.example").await, Answer::Temporary(_)));
    assert_eq!(dns.addresses("mx.firm.example").await.found().unwrap().len(), 2);
    assert_eq!(dns.addresses("alias.example").await.found().unwrap().to_vec(), ["192.0.2.9".parse::<IpAddr>().unwrap()]);
    assert_eq!(dns.addresses("nothing.example").await, Answer::NoData);
    assert!(dns.txt("firm.example").await.found().unwrap()[0].len() > 300, "strings of one record belong together");
    assert_eq!(dns.exists("web.example").await, Answer::Found(()));
    assert_eq!(dns.exists("nothing.example").await, Answer::NoData);
    assert_eq!(dns.exists("nowhere.example").await, Answer::NoName);
    for no_name in ["", "a b", "[192.0.2.1]", &"x".repeat(300), "a..b", &format!("{}.example", "y".repeat(64))] {
        assert_eq!(dns.ipv4(no_name).await, Answer::NoName, "{no_name:?}");
    }
}

#[tokio::test]
async fn reverse_names_count_when_they_lead_back() {
    let server = Server::start(zone()).await;
    let dns = server.resolver();
    let ask = async |ip: &str| dns.ptr(ip.parse().unwrap()).await;
    assert_eq!(ask("192.0.2.1").await, Answer::Found(Reverse { confirmed: Some("mx.firm.example".into()), unconfirmed: None }));
    assert_eq!(ask("::ffff:192.0.2.1").await, Answer::Found(Reverse { confirmed: Some("mx.firm.example".into()), unconfirmed: None }));
    assert_eq!(ask("192.0.2.2").await, Answer::Found(Reverse { confirmed: None, unconfirmed: Some("liar.example".into()) }));
    assert_eq!(ask("192.0.2.3").await, Answer::NoName);
}

#[tokio::test]
async fn lists_are_asked_by_reversed_address_and_by_domain() {
    let server = Server::start(zone()).await;
    let dns = server.resolver();
    assert_eq!(dns.dnsbl("127.0.0.2".parse().unwrap(), "list.example").await.found().unwrap()[0].to_string(), "127.0.0.2");
    assert_eq!(dns.dnsbl("127.0.0.1".parse().unwrap(), "list.example").await, Answer::NoName);
    assert_eq!(dns.dnsbl_name("bad.example", "list.example").await.found().unwrap()[0].to_string(), "127.0.1.2");
    assert_eq!(
        postern_mail::dns::reversed("2001:db8::1".parse().unwrap()),
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
    );
}

#[tokio::test]
async fn the_same_question_is_asked_once() {
    let server = Server::start(zone()).await;
    let dns = server.resolver();
    for _ in 0..50 {
        let _ = dns.ipv4("WEB.example").await;
        let _ = dns.clone().ipv4("nowhere.example.").await;
    }
    assert_eq!(server.asked.load(Ordering::Relaxed), 2);
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        let _ = dns.ipv4("web.example").await;
    }
    println!("a cached answer: {:?}", start.elapsed() / 10_000);
}

#[tokio::test]
async fn silent_zones_do_not_silence_the_servers() {
    let server = Server::start(zone()).await;
    let dns = Resolver::new(&DnsSettings { timeout: Span::millis(100), ..server.settings() }).unwrap();
    for i in 0..30 {
        assert!(matches!(dns.ipv4(&format!("host{i}.silent.example")).await, Answer::Temporary(_)));
    }
    assert!(!dns.is_silent(), "the server said that our own name does not exist");
    assert!(matches!(dns.ipv4("web.example").await, Answer::Found(_)));
}

#[tokio::test]
async fn silent_servers_cost_one_time_limit_a_second() {
    let mut silence = Zone::default();
    silence.silence("");
    let server = Server::start(silence).await;
    let dns = Resolver::new(&DnsSettings { timeout: Span::millis(100), ..server.settings() }).unwrap();
    for i in 0..30 {
        assert!(matches!(dns.ipv4(&format!("host{i}.example")).await, Answer::Temporary(_)));
    }
    assert!(dns.is_silent());
    let started = std::time::Instant::now();
    for i in 0..200 {
        assert!(matches!(dns.ipv4(&format!("later{i}.example")).await, Answer::Temporary(_)));
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{:?} for 200 questions of 100 ms each", started.elapsed());
}

#[tokio::test]
async fn switched_off_asks_nobody() {
    let server = Server::start(zone()).await;
    let dns = Resolver::new(&DnsSettings { enabled: false, ..server.settings() }).unwrap();
    assert_eq!(dns.mx("firm.example").await, Answer::Off);
    assert_eq!(dns.addresses("firm.example").await, Answer::Off);
    assert_eq!(dns.ptr("192.0.2.1".parse().unwrap()).await, Answer::Off);
    assert_eq!(dns.exists("firm.example").await, Answer::Off);
    assert_eq!(server.asked.load(Ordering::Relaxed), 0);
}
