//! SPF, DKIM, DMARC and ARC of mails signed here, with a name server that serves the keys.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use postern_mail::authenticate::Authenticator;
use postern_mail::authentication::{AuthResult, Authentication, DmarcPolicy};
use postern_mail::dns::Resolver;
use postern_model::settings::filter::AuthenticationSettings;
use postern_model::settings::node::DnsSettings;
use postern_model::time::Span;

use crate::support::dns::{Server, Zone};

const RSA: &str = include_str!("../fixtures/keys/dkim-test-only.pem");
const RSA_PUBLIC: &str = include_str!("../fixtures/keys/dkim-test-only.p.txt");

fn zone() -> Zone {
    let mut zone = Zone::default();
    for domain in ["firm.example", "news.firm.example", "other.example", "quarantine.example"] {
        zone.txt(&format!("rsa._domainkey.{domain}"), &format!("v=DKIM1; k=rsa; p={}", RSA_PUBLIC.trim()));
        zone.txt(domain, "v=spf1 ip4:192.0.2.0/24 -all");
    }
    zone.txt("testing._domainkey.firm.example", &format!("v=DKIM1; t=y; p={}", RSA_PUBLIC.trim()));
    zone.txt("_dmarc.firm.example", "v=DMARC1; p=reject; sp=quarantine");
    zone.txt("_dmarc.strict.example", "v=DMARC1; p=reject; adkim=s; aspf=s");
    zone.txt("_dmarc.half.example", "v=DMARC1; p=reject; pct=0");
    zone.txt("_dmarc.quarantine.example", "v=DMARC1; p=quarantine");
    zone.fail("_dmarc.broken.example").fail("broken.example").fail("rsa._domainkey.broken.example");
    // A public suffix that publishes a record for all its customers, without psd=y.
    zone.txt("_dmarc.co.uk", "v=DMARC1; p=reject");
    zone.txt("customer-b.co.uk", "v=spf1 ip4:192.0.2.0/24 -all");
    // Tries to leave "no policy" behind in the cache under the victim's name.
    zone.txt("poison.example", "v=spf1 include:_dmarc.firm.example -all");
    zone
}

fn mail(from: &str, body: &str) -> String {
    format!("From: {from}\r\nTo: bob@receiver.example\r\nSubject: Invoice\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n{body}\r\n")
}

fn der() -> Vec<u8> {
    let base64: String = RSA.lines().filter(|l| !l.starts_with("-----")).collect();
    data_encoding::BASE64.decode(base64.as_bytes()).unwrap()
}

#[expect(deprecated, reason = "the new constructor wants a type of a crate we do not depend on")]
fn signed(mail: &str, domain: &str, selector: &str) -> String {
    let key = RsaKey::<Sha256>::from_pkcs8_der(&der()).unwrap();
    let signature =
        DkimSigner::from_key(key).domain(domain).selector(selector).headers(["From", "To", "Subject"]).sign(mail.as_bytes()).unwrap();
    format!("{}{mail}", signature.to_header())
}

async fn check(authenticator: &Authenticator, mail: &str, ip: &str, sender: &str) -> Authentication {
    authenticator.check(mail.as_bytes(), ip.parse().unwrap(), "mail.firm.example", sender, "mx.receiver.example").await
}

#[tokio::test]
async fn results_and_alignment() {
    let server = Server::start(zone()).await;
    let a = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
    let plain = mail("Ada <ada@firm.example>", "hello");

    let good = check(&a, &signed(&plain, "firm.example", "rsa"), "192.0.2.9", "ada@firm.example").await;
    assert_eq!((good.spf, good.dmarc, good.dmarc_policy), (AuthResult::Pass, AuthResult::Pass, DmarcPolicy::Reject));
    assert!(good.dmarc_spf_aligned && good.dmarc_dkim_aligned);
    let dkim = &good.dkim[0];
    assert_eq!((dkim.result, dkim.domain.as_str(), dkim.selector.as_str()), (AuthResult::Pass, "firm.example", "rsa"));
    assert_eq!((dkim.algorithm.as_str(), dkim.key_bits, dkim.is_testing), ("rsa-sha256", Some(2048), false));
    assert_eq!(
        good.header_value,
        "mx.receiver.example;\r\n\tspf=pass smtp.mailfrom=ada@firm.example;\r\n\
         \tdkim=pass (2048-bit key) header.d=firm.example header.s=rsa header.a=rsa-sha256;\r\n\
         \tdmarc=pass (p=reject) header.from=firm.example"
    );

    let sub = check(&a, &signed(&mail("x@firm.example", "hello"), "news.firm.example", "rsa"), "198.51.100.1", "").await;
    assert_eq!((sub.dmarc, sub.dmarc_dkim_aligned, sub.spf_domain.as_str()), (AuthResult::Pass, true, "mail.firm.example"));

    let forged = check(&a, &signed(&plain, "other.example", "rsa"), "192.0.2.9", "x@other.example").await;
    assert_eq!((forged.spf, forged.dkim[0].result, forged.dmarc), (AuthResult::Pass, AuthResult::Pass, AuthResult::Fail));

    let below = check(&a, &mail("x@deep.firm.example", "hello"), "198.51.100.1", "x@firm.example").await;
    assert_eq!((below.spf, below.dmarc, below.dmarc_policy), (AuthResult::Fail, AuthResult::Fail, DmarcPolicy::Quarantine), "sp");

    let changed = signed(&plain, "firm.example", "rsa").replace("hello", "hullo");
    let changed = check(&a, &changed, "198.51.100.1", "ada@firm.example").await;
    assert_eq!((changed.dkim[0].result, changed.dmarc), (AuthResult::Fail, AuthResult::Fail));
    assert!(changed.header_value.contains("dkim=fail (Calculated body hash"), "{}", changed.header_value);

    let testing = check(&a, &signed(&plain, "firm.example", "testing"), "198.51.100.1", "").await;
    assert!(testing.dkim[0].is_testing);
    let no_key = check(&a, &signed(&plain, "firm.example", "gone"), "198.51.100.1", "").await;
    assert_eq!(no_key.dkim[0].result, AuthResult::PermError);

    let half = check(&a, &mail("x@half.example", "hello"), "198.51.100.1", "").await;
    assert_eq!((half.dmarc, half.dmarc_policy), (AuthResult::Fail, DmarcPolicy::Quarantine), "pct=0 is one step milder");
    let two = check(&a, &mail("x@firm.example, y@other.example", "hello"), "192.0.2.9", "x@firm.example").await;
    assert_eq!(two.dmarc, AuthResult::None);
}

#[tokio::test]
async fn a_public_suffix_aligns_nobody() {
    let server = Server::start(zone()).await;
    let a = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
    let found = check(&a, &mail("x@customer-a.co.uk", "hello"), "192.0.2.9", "x@customer-b.co.uk").await;
    assert_eq!((found.spf, found.dmarc), (AuthResult::Pass, AuthResult::Fail));
}

#[tokio::test]
async fn one_domains_spf_cannot_switch_off_anothers_dmarc() {
    let server = Server::start(zone()).await;
    let a = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
    let poison = check(&a, &mail("x@poison.example", "hello"), "192.0.2.9", "x@poison.example").await;
    assert_eq!(poison.spf, AuthResult::PermError);
    let forged = check(&a, &mail("ada@firm.example", "hello"), "198.51.100.1", "x@poison.example").await;
    assert_eq!((forged.dmarc, forged.dmarc_policy), (AuthResult::Fail, DmarcPolicy::Reject));
}

#[tokio::test]
async fn what_could_not_be_asked_is_a_temporary_error() {
    let mut zone = zone();
    zone.silence("silent.example").silence("_dmarc.silent.example").silence("rsa._domainkey.silent.example");
    let server = Server::start(zone).await;
    let a = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
    let found = check(&a, &signed(&mail("x@broken.example", "hello"), "broken.example", "rsa"), "192.0.2.9", "x@broken.example").await;
    assert_eq!((found.spf, found.dkim[0].result, found.dmarc), (AuthResult::TempError, AuthResult::TempError, AuthResult::TempError));

    let settings = AuthenticationSettings { timeout: Span::millis(300), ..AuthenticationSettings::default() };
    let slow = Authenticator::new(server.resolver(), &settings);
    let start = Instant::now();
    let found = check(&slow, &signed(&mail("x@silent.example", "hello"), "silent.example", "rsa"), "192.0.2.9", "x@silent.example").await;
    assert_eq!((found.spf, found.dkim[0].result, found.dmarc), (AuthResult::TempError, AuthResult::TempError, AuthResult::TempError));
    assert!(start.elapsed() < Duration::from_secs(3), "the limit is over all checks: {:?}", start.elapsed());
}

#[tokio::test]
async fn the_next_mail_of_a_domain_asks_nothing() {
    let server = Server::start(zone()).await;
    let a = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
    let mail = signed(&mail("ada@firm.example", "hello"), "firm.example", "rsa");
    check(&a, &mail, "192.0.2.9", "ada@firm.example").await;
    let asked = server.asked.load(Ordering::Relaxed);
    let start = Instant::now();
    for _ in 0..200 {
        check(&a, &mail, "192.0.2.9", "ada@firm.example").await;
    }
    println!("a signed mail with everything cached: {:?}; questions for the first: {asked}", start.elapsed() / 200);
    assert_eq!(server.asked.load(Ordering::Relaxed), asked);
}

#[tokio::test]
async fn many_signatures_are_not_all_verified() {
    let server = Server::start(zone()).await;
    let a = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
    let plain = mail("ada@firm.example", "hello");
    let one = signed(&plain, "firm.example", "gone");
    let header = &one[..one.len() - plain.len()];
    let found = check(&a, &format!("{}{plain}", header.repeat(500)), "192.0.2.9", "").await;
    assert!(found.dkim.len() <= 16, "{}", found.dkim.len());
}

#[tokio::test]
async fn ed25519_and_values_that_try_to_break_out() {
    let mut zone = zone();
    let der = Ed25519Key::generate_pkcs8().unwrap();
    let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(&der).unwrap();
    zone.txt("ed._domainkey.firm.example", &format!("v=DKIM1; k=ed25519; p={}", data_encoding::BASE64.encode(&key.public_key())));
    let server = Server::start(zone).await;
    let a = Authenticator::new(server.resolver(), &AuthenticationSettings::default());
    let plain = mail("ada@firm.example", "hello");
    let signature = DkimSigner::from_key(key).domain("firm.example").selector("ed").headers(["From"]).sign(plain.as_bytes()).unwrap();
    let mail = format!("{}{plain}", signature.to_header());
    let sender = "\"a;\r\n dmarc=pass (x\"@other.example";
    let found = a.check(mail.as_bytes(), "192.0.2.9".parse().unwrap(), "x;\r\ndkim=pass", sender, "mx.receiver.example").await;
    assert_eq!((found.dkim[0].result, found.dkim[0].algorithm.as_str()), (AuthResult::Pass, "ed25519-sha256"));
    for line in found.header_value.split("\r\n").skip(1) {
        assert!(line.starts_with('\t') && !line.starts_with("\tdmarc=pass (x"), "{}", found.header_value);
    }
}

#[tokio::test]
async fn without_name_resolution_nothing_is_claimed() {
    let resolver = Resolver::new(&DnsSettings { enabled: false, ..DnsSettings::default() }).unwrap();
    let a = Authenticator::new(resolver, &AuthenticationSettings::default());
    let found = check(&a, &mail("ada@firm.example", "hello"), "192.0.2.9", "ada@firm.example").await;
    assert_eq!(found, Authentication { header_value: "mx.receiver.example; none".into(), ..Authentication::default() });
}
