//! Whatever the octets: no panic, bounds kept, offsets that fit.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::LazyLock;

use postern_mail::message::{Limits, Message};
use postern_mail::{read, read_header};
use proptest::prelude::*;

use crate::edit::edits_of;

static MAILS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = crate::support::files(&folder);
    files.iter().filter(|p| p.extension().is_some_and(|e| e == "eml")).map(|p| std::fs::read(p).unwrap()).collect()
});

fn check(mail: &[u8]) {
    let limits = Limits { text: 4096, parts: 20, depth: 4, headers: 50, urls: 20 };
    let message: Message = read(mail, &limits);
    assert!(message.text.len() <= limits.text);
    assert!(message.parts.len() <= limits.parts && message.headers.len() <= limits.headers && message.urls.len() <= limits.urls);
    assert!(message.parts.iter().all(|p| p.depth <= limits.depth + 1));
    for header in &message.headers {
        assert!(header.start < header.end && header.end <= mail.len() as u64);
    }
    for page in &message.html {
        assert!(page.links.iter().all(|l| l.url < message.urls.len()));
    }
    assert!(message.defects.iter().all(|d| d.evidence.chars().count() <= 100));
    let _ = read_header(mail, &limits);
    let edits = edits_of(mail, "mx.example.org");
    let mut last = 0;
    for (start, end) in edits.remove {
        assert!(last <= start && start < end && end <= mail.len() as u64);
        last = end;
    }
    assert!(edits.prepend.ends_with(b"\r\n"));
    assert!(edits.prepend.split(|b| *b == b'\n').all(|l| l.is_empty() || l.ends_with(b"\r")), "a line of ours without CRLF");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets(mail in proptest::collection::vec(any::<u8>(), 0..3000)) {
        check(&mail);
    }

    #[test]
    fn any_text(mail in "(?s)([ -~]|\r\n|[<>=:;&/\"'\\\\-]|\\PC){0,600}") {
        check(mail.as_bytes());
        check(format!("Content-Type: text/html; charset=utf-8\r\n\r\n{mail}").as_bytes());
        check(format!("Content-Type: multipart/mixed; boundary=\"-\"\r\n\r\n---\r\n{mail}\r\n-----\r\n").as_bytes());
    }

    #[test]
    fn mutated_mails(
        which in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut mail = MAILS[which.index(MAILS.len())].clone();
        for (at, octet, how) in changes {
            let at = at.index(mail.len().max(1));
            match how {
                0 => { if let Some(slot) = mail.get_mut(at) { *slot = octet } }
                1 => mail.insert(at.min(mail.len()), octet),
                2 => { if at < mail.len() { mail.remove(at); } }
                _ => {
                    let donor = &MAILS[other.index(MAILS.len())];
                    let from = at.min(donor.len());
                    let piece = donor[from..donor.len().min(from + usize::from(octet))].to_vec();
                    let at = at.min(mail.len());
                    mail.splice(at..at, piece);
                }
            }
        }
        check(&mail);
        mail.truncate(cut.index(mail.len() + 1));
        check(&mail);
    }
}
