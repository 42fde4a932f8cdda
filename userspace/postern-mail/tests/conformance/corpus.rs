//! Every mail of the labelled collection is read, and how fast.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;
use std::time::Duration;

use postern_mail::message::Limits;
use postern_mail::read;

use crate::support::cpu_time;

#[test]
fn real_mails_are_read_whole() {
    let Some(data) = crate::support::data("the mail collection") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar").arg("--zstd").arg("-xf").arg(data.join("mail-corpus.tar.zst")).arg("-C").arg(folder.path()).status();
    assert!(unpacked.unwrap().success(), "tar could not unpack the collection");
    let mails: Vec<Vec<u8>> = crate::support::files(folder.path())
        .iter()
        .filter(|p| p.extension().is_none_or(|e| e != "tsv"))
        .map(|p| std::fs::read(p).unwrap())
        .collect();
    assert!(mails.len() >= 3000, "{} mails", mails.len());
    let limits = Limits::default();
    let mut octets = 0;
    let mut times: Vec<Duration> = Vec::new();
    let (mut with_from, mut with_text, mut with_urls) = (0, 0, 0);
    let all = cpu_time();
    for mail in &mails {
        let start = cpu_time();
        let message = read(mail, &limits);
        times.push(cpu_time() - start);
        octets += mail.len();
        assert!(!message.parts.is_empty());
        assert!(message.text.len() <= limits.text);
        for header in &message.headers {
            let field = &mail[header.start as usize..header.end as usize];
            assert!(field.starts_with(header.name.as_bytes()), "{:?} is not at its offset", header.name);
        }
        with_from += usize::from(message.from.iter().any(|m| m.domain().is_some()));
        with_text += usize::from(!message.text.trim().is_empty());
        with_urls += usize::from(!message.urls.is_empty());
    }
    let seconds = (cpu_time() - all).as_secs_f64();
    times.sort();
    println!(
        "{} mails, {:.1} MB, time on the processor: {:.0} mails/s, {:.1} MB/s, median {:?}, p99 {:?}, longest {:?}",
        mails.len(),
        octets as f64 / 1e6,
        mails.len() as f64 / seconds,
        octets as f64 / 1e6 / seconds,
        times[times.len() / 2],
        times[times.len() * 99 / 100],
        times[times.len() - 1]
    );
    // Real mails: nearly all have an author, words and a link.
    assert!(with_from * 100 >= mails.len() * 98, "{with_from} with an author");
    assert!(with_text * 100 >= mails.len() * 98, "{with_text} with text");
    assert!(with_urls * 100 >= mails.len() * 80, "{with_urls} with URLs");
}
