//! The torture mails of mime4j and MIME-tools: all are read, and for a chosen set the structure is
//! written down here, as a mail program shows it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::{Duration, Instant};

use postern_mail::message::{DefectKind, Limits};
use postern_mail::read;

/// File, parts as `number type[ name]`, and defects that must be among those found.
type Golden = (&'static str, &'static [&'static str], &'static [DefectKind]);

const GOLDEN: &[Golden] = &[
    ("mimetools-testmsgs-simple", &[" text/plain"], &[]),
    ("testmsgs-basic-plain", &[" text/plain"], &[]),
    (
        "testmsgs-boundary-name-clash",
        &[
            " multipart/mixed",
            "1 multipart/alternative",
            "1.1 text/plain",
            "1.2 text/html",
            "2 application/pdf Daily_Stats-2022-05-12-0700.pdf",
        ],
        &[],
    ),
    ("testmsgs-missing-inner-boundary", &[" multipart/mixed", "1 text/plain", "2 multipart/alternative"], &[DefectKind::BoundaryNotFound]),
    ("testmsgs-misplaced-boundary", &[" multipart/mixed", "1 text/plain"], &[]),
    ("testmsgs-intermediate-boundaries", &[" multipart/mixed", "1 text/plain", "2 text/plain"], &[]),
    ("testmsgs-weird-boundary", &[" multipart/mixed", "1 text/plain", "2 text/plain"], &[]),
    (
        "mimetools-testmsgs-multi-nested2",
        &[
            " multipart/mixed",
            "1 text/plain",
            "2 text/plain",
            "3 multipart/parallel",
            "3.1 image/gif 3d-vise.gif",
            "3.2 image/gif 3d-eye.gif",
            "4 text/richtext",
            "5 message/rfc822 /evil/filename",
            "5.1 text/plain",
        ],
        &[],
    ),
    (
        "testmsgs-multipartdigestnestedemptyparts",
        &[" multipart/digest", "1 message/rfc822", "1.1 multipart/mixed", "1.1.1 text/plain"],
        &[],
    ),
];

#[test]
fn torture_mails() {
    let Some(data) = crate::support::data("the MIME suite") else { return };
    let files: Vec<_> =
        crate::support::files(&data.join("suites/mime")).into_iter().filter(|p| p.extension().is_some_and(|e| e == "msg")).collect();
    assert!(files.len() >= 75, "{} mails", files.len());
    let limits = Limits::default();
    for path in &files {
        let mail = std::fs::read(path).unwrap();
        let start = Instant::now();
        let message = read(&mail, &limits);
        assert!(start.elapsed() < Duration::from_secs(5), "{path:?} took {:?}", start.elapsed());
        assert!(!message.parts.is_empty(), "{path:?}");
        // Line ends make no difference to the structure.
        let other = if mail.windows(2).any(|w| w == b"\r\n") { lf(&mail) } else { crlf(&mail) };
        let types =
            |m: &postern_mail::message::Message| m.parts.iter().map(|p| (p.number.clone(), p.content_type.clone())).collect::<Vec<_>>();
        assert_eq!(types(&message), types(&read(&other, &limits)), "{path:?}");
    }
    let mut wrong = Vec::new();
    for (name, parts, defects) in GOLDEN {
        let mail = std::fs::read(data.join("suites/mime").join(format!("{name}.msg"))).unwrap();
        let message = read(&mail, &limits);
        let found: Vec<String> = message
            .parts
            .iter()
            .map(|p| format!("{} {}{}", p.number, p.content_type, p.filename.as_deref().map(|n| format!(" {n}")).unwrap_or_default()))
            .collect();
        if found != *parts {
            wrong.push(format!("{name}: {found:?}"));
        }
        for defect in *defects {
            if !message.defects.iter().any(|d| d.kind == *defect) {
                wrong.push(format!("{name}: {defect:?} is not among {:?}", message.defects));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    println!("{} torture mails, the structure of {} compared", files.len(), GOLDEN.len());
}

fn lf(mail: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(mail).replace("\r\n", "\n").into_bytes()
}

fn crlf(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 40);
    for line in mail.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(l) => out.extend_from_slice(&[l, b"\r\n"].concat()),
            None => out.extend_from_slice(line),
        }
    }
    out
}
