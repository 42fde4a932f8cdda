//! Mails made to cost more than they should: each shape at a size and at four times that size.
//! Linear work takes four times as long, quadratic sixteen; the bound lies between, with room for noise.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use postern_mail::message::{DefectKind, Limits, Message};
use postern_mail::read;

use crate::support::cpu_time;

const HEAD: &str = "From: a@b.example\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\nMIME-Version: 1.0\r\n";

fn html(body: String) -> Vec<u8> {
    format!("{HEAD}Content-Type: text/html\r\n\r\n{body}").into_bytes()
}

fn text(body: String) -> Vec<u8> {
    format!("{HEAD}Content-Type: text/plain\r\n\r\n{body}").into_bytes()
}

fn multipart(body: String) -> Vec<u8> {
    format!("{HEAD}Content-Type: multipart/mixed; boundary=b\r\n\r\n{body}").into_bytes()
}

type Shape = (&'static str, fn(usize) -> Vec<u8>);

/// Each makes a mail of about `n` octets.
const SHAPES: [Shape; 24] = [
    ("parts", |n| multipart("--b\r\n\r\n\r\n".repeat(n / 9))),
    ("parts whose own delimiter is missing", |n| multipart("--b\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n".repeat(n / 52))),
    ("delimiter look-alikes", |n| multipart("--b-\r\n".repeat(n / 6))),
    ("messages in messages", |n| format!("{HEAD}{}", "Content-Type: message/rfc822\r\n\r\n".repeat(n / 32)).into_bytes()),
    ("multiparts in multiparts", |n| {
        let inner: String = (0..n / 60).map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n")).collect();
        format!("{HEAD}{inner}").into_bytes()
    }),
    ("header fields", |n| format!("{HEAD}{}\r\nx", "X: y\r\n".repeat(n / 6)).into_bytes()),
    ("junk in the header", |n| format!("{HEAD}{}\r\nx", "junk\r\nX: y\r\n".repeat(n / 12)).into_bytes()),
    ("one endless field", |n| format!("{HEAD}Subject: {}\r\n\r\nx", "y".repeat(n)).into_bytes()),
    ("one endless folded field", |n| format!("{HEAD}To: {}\r\n\r\nx", "a@b.example,\r\n ".repeat(n / 15)).into_bytes()),
    ("encoded words", |n| format!("{HEAD}Subject: {}\r\n\r\nx", "=?a?q?".repeat(n / 6)).into_bytes()),
    ("comments in Received", |n| format!("{HEAD}Received: from {}\r\n\r\nx", "(".repeat(n)).into_bytes()),
    ("parameters", |n| format!("{HEAD}Content-Type: a/b{}\r\n\r\nx", ";a*1=b".repeat(n / 6)).into_bytes()),
    ("attributes of one tag", |n| html(format!("<a {}>", (0..n / 8).map(|i| format!("a{i} ")).collect::<String>()))),
    ("attributes of many tags", |n| {
        let tag = format!("<a {}>", (0..60).map(|i| format!("a{i} ")).collect::<String>());
        html(tag.repeat(n / tag.len()))
    }),
    ("open tags", |n| html("<div>".repeat(n / 5))),
    ("end tags", |n| html(format!("{}{}", "<b>".repeat(300), "</i>".repeat(n / 4)))),
    ("links", |n| html("<a href=http://x.example/>y".repeat(n / 27))),
    ("one style", |n| html(format!("<p style=\"{}\">x", "a:b;".repeat(n / 4)))),
    ("entities", |n| html("&#x41;&ampamp".repeat(n / 13))),
    ("open comment", |n| html(format!("<!--{}", "-".repeat(n)))),
    ("script", |n| html(format!("<script>{}", "<!--<script>".repeat(n / 12)))),
    ("dots", |n| text("a.b,".repeat(n / 4))),
    ("schemes", |n| text("http://".repeat(n / 7))),
    ("quoted-printable", |n| {
        format!("{HEAD}Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{}", "= ".repeat(n / 2)).into_bytes()
    }),
];

fn shortest(mail: &[u8], limits: &Limits) -> (Duration, Message) {
    let mut best: Option<(Duration, Message)> = None;
    for _ in 0..2 {
        let start = cpu_time();
        let message = read(mail, limits);
        let took = cpu_time() - start;
        if best.as_ref().is_none_or(|(t, _)| took < *t) {
            best = Some((took, message));
        }
    }
    best.unwrap()
}

#[test]
fn work_is_linear_and_output_bounded() {
    // Bounds so large that they do not hide what the work in between costs.
    let limits = Limits { text: 1 << 20, parts: 100_000, depth: 20, headers: 100_000, urls: 5000 };
    let mut slow = Vec::new();
    for (name, make) in SHAPES {
        let (small, _) = shortest(&make(100_000), &limits);
        let (large, message) = shortest(&make(400_000), &limits);
        println!("{name:<40} {small:>10.1?} {large:>10.1?}");
        assert!(message.parts.len() <= limits.parts && message.urls.len() <= limits.urls && message.text.len() <= limits.text, "{name}");
        if large > small * 10 + Duration::from_millis(30) {
            slow.push(format!("{name}: {small:?}, four times the size {large:?}"));
        }
    }
    assert!(slow.is_empty(), "more than linear: {slow:#?}");
}

#[test]
fn a_million_parts_endless_headers_and_ten_megabytes_of_html_stop_at_the_bounds() {
    let limits = Limits::default();
    let kinds = |m: &Message| m.defects.iter().map(|d| d.kind).collect::<Vec<_>>();
    let start = cpu_time();
    let parts = read(&multipart("--b\r\n\r\nx\r\n".repeat(1_000_000)), &limits);
    assert_eq!(parts.parts.len(), limits.parts);
    assert!(kinds(&parts).contains(&DefectKind::TooManyParts));
    let headers = read(format!("{HEAD}{}\r\nx", "X: y\r\n".repeat(2_000_000)).as_bytes(), &limits);
    assert_eq!(headers.headers.len(), limits.headers);
    assert!(kinds(&headers).contains(&DefectKind::TooManyHeaders));
    let deep = read(format!("{HEAD}{}", "Content-Type: message/rfc822\r\n\r\n".repeat(300_000)).as_bytes(), &limits);
    assert!(deep.parts.len() <= limits.depth + 1);
    assert!(kinds(&deep).contains(&DefectKind::TooDeep));
    let page = read(&html("<p>word http://a.example/ ".repeat(400_000)), &limits);
    assert!(page.text.len() <= limits.text && kinds(&page).contains(&DefectKind::TextCut));
    let urls = read(&text((0..100_000).map(|i| format!("http://h{i}.example/\r\n")).collect()), &limits);
    assert_eq!(urls.urls.len(), limits.urls);
    assert!(kinds(&urls).contains(&DefectKind::TooManyUrls));
    // Generous: an unoptimised build must pass, a quadratic step must not.
    let took = cpu_time() - start;
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn a_megabyte_of_attachment_takes_milliseconds() {
    let data: Vec<u8> = (0..750_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let encoded: String =
        data_encoding::BASE64.encode(&data).as_bytes().chunks(76).map(|l| format!("{}\r\n", String::from_utf8_lossy(l))).collect();
    let mail = multipart(format!(
        "--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    ));
    let (took, message) = shortest(&mail, &Limits::default());
    println!("{} octets with a base64 attachment: {took:?}", mail.len());
    assert_eq!(message.parts[2].size, 750_000);
    assert_eq!(message.parts[2].hash, Some(*blake3::hash(&data).as_bytes()));
}
