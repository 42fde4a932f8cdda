//! Torn tails and damage: cut and flipped at every octet.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spool_fixture;

use std::ops::Range;
use std::path::{Path, PathBuf};

use postern_model::queue::QueueChange;
use postern_store::spool::SpoolError;
use spool_fixture::*;

const BODY: usize = 41;

/// The one segment with records in it.
fn segment(dir: &Path) -> PathBuf {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        path.file_name().unwrap().to_string_lossy().starts_with("segment-") && bytes[4096..].iter().any(|b| *b != 0)
    };
    let files = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file());
    files.filter(|p| p.file_name().unwrap() != "lock").find(holds).unwrap()
}

fn find(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).position(|w| w == needle).unwrap()
}

/// Mails 1, 2, a change of 2, mails 3 and 4, each in a batch of its own. Returns the segment's octets and the ends of
/// the bodies.
fn sample() -> (Vec<u8>, String, Vec<usize>) {
    let dir = quick_dir();
    runtime().block_on(async {
        let (spool, _) = open(dir.path(), &small());
        for n in 1..=4 {
            let _ = accept(&spool, n, BODY).await.unwrap();
            if n == 2 {
                spool.record(id(2), delivered(2, 5)).await.unwrap();
            }
        }
    });
    let path = segment(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    let ends = (1..=4).map(|n| find(&bytes, &content(n, BODY)) + BODY).collect();
    (bytes, path.file_name().unwrap().to_string_lossy().into_owned(), ends)
}

/// Opens a spool of this one segment; which mails are there, after checking that each is right. A read that finds damage
/// is one that is not there.
fn opened(name: &str, bytes: &[u8], try_on: bool) -> (Vec<u64>, Vec<String>) {
    let dir = quick_dir();
    std::fs::write(dir.path().join(name), bytes).unwrap();
    let (spool, mails) = open(dir.path(), &small());
    let mut there = Vec::new();
    for m in &mails {
        match spool.read(m.id) {
            Ok(stored) => {
                assert!(stored.bytes() == content(number(m.id), BODY), "wrong octets in mail {}", m.id);
                there.push(number(m.id));
            }
            Err(SpoolError::Damaged(_)) => assert!(dir.path().join("damaged").is_dir()),
            Err(other) => panic!("{other}"),
        }
    }
    let damage = spool.recovery().damage.clone();
    if !damage.is_empty() {
        assert!(std::fs::read_dir(dir.path().join("damaged")).unwrap().count() > 0);
    }
    if try_on {
        // It works, and finds the same when opened again.
        runtime().block_on(async { drop(accept(&spool, 5, BODY).await.unwrap()) });
        drop(spool);
        let (spool, again) = open(dir.path(), &small());
        let expected: Vec<u64> = mails.iter().map(|m| number(m.id)).chain([5]).collect();
        assert_eq!(again.iter().map(|m| number(m.id)).collect::<Vec<_>>(), expected);
        check_body(&spool, 5, BODY);
    }
    (there, damage)
}

#[test]
fn a_tail_cut_at_every_octet_costs_the_last_mail_only() {
    let (bytes, name, ends) = sample();
    for cut in ends[2]..=ends[3] {
        let (there, damage) = opened(&name, &bytes[..cut], cut % 32 == 0);
        let full = cut == ends[3];
        assert_eq!(there, if full { vec![1, 2, 3, 4] } else { vec![1, 2, 3] }, "cut at {cut}");
        assert_eq!(damage, Vec::<String>::new());
    }
}

#[test]
fn a_tail_of_zeros_from_every_octet_costs_the_last_mail_only() {
    let (bytes, name, ends) = sample();
    for from in ends[2]..ends[3] {
        let mut bad = bytes.clone();
        bad[from..].fill(0);
        let (there, damage) = opened(&name, &bad, from % 64 == 0);
        assert_eq!(there, [1, 2, 3], "zeros from {from}");
        assert_eq!(damage, Vec::<String>::new());
    }
}

#[test]
fn a_flip_of_every_octet_of_the_tail_costs_the_last_mail_at_most() {
    let (bytes, name, ends) = sample();
    for at in ends[2]..ends[3] {
        let mut bad = bytes.clone();
        bad[at] ^= 0x55;
        let (there, damage) = opened(&name, &bad, at % 64 == 0);
        // Between the end of mail 3 and the next record are up to seven octets that mean nothing.
        let padding = at < ends[2].next_multiple_of(8);
        assert_eq!(there, if padding { vec![1, 2, 3, 4] } else { vec![1, 2, 3] }, "flip at {at}");
        assert_eq!(damage, Vec::<String>::new());
    }
}

#[test]
fn a_flip_of_every_octet_in_the_middle_costs_that_mail_at_most() {
    let (bytes, name, ends) = sample();
    let each = |range: Range<usize>, hurt: u64| {
        let mut reported = 0;
        for at in range {
            let mut bad = bytes.clone();
            bad[at] ^= 0x55;
            let (there, damage) = opened(&name, &bad, at % 64 == 0);
            for n in (1..=4).filter(|n| *n != hurt) {
                assert!(there.contains(&n), "flip at {at} costs mail {n}: {there:?} {damage:?}");
            }
            reported += usize::from(!damage.is_empty());
        }
        assert!(reported > 100, "only {reported} flips were reported");
    };
    each(ends[0]..ends[1], 2);
    // The change of 2 and mail 3: a lost change leaves its mail.
    each(ends[1]..ends[2], 3);
}

#[test]
fn a_forged_record_in_a_body_is_never_believed() {
    // The body is a whole other segment, with mails and an end for mail 7 in it.
    let other = quick_dir();
    runtime().block_on(async {
        let (spool, _) = open(other.path(), &small());
        for n in [7, 666] {
            let _ = accept(&spool, n, BODY).await.unwrap();
        }
        spool.record(id(7), QueueChange::Done).await.unwrap();
    });
    let mut forged = std::fs::read(segment(other.path())).unwrap();
    forged.truncate(8 * KIB);
    for shift in 0..8 {
        let dir = quick_dir();
        runtime().block_on(async {
            let (spool, _) = open(dir.path(), &small());
            let _ = accept(&spool, 7, BODY).await.unwrap();
            let shifted = [&b"-------"[..shift], &forged].concat();
            let _ = spool.accept(mail(8), body(&spool, &shifted).unwrap()).await.unwrap();
            let _ = accept(&spool, 9, BODY).await.unwrap();
        });
        // The header of the carrier is damaged, so what follows is searched for the next record.
        let path = segment(dir.path());
        let mut bytes = std::fs::read(&path).unwrap();
        let head = (find(&bytes, &content(7, BODY)) + BODY).next_multiple_of(8);
        bytes[head + 30] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (spool, mails) = open(dir.path(), &small());
        assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), [7, 9]);
        assert_eq!(spool.recovery().damage.len(), 1);
    }
}

#[test]
fn a_segment_without_a_header_is_moved_aside_and_the_others_stay() {
    let dir = quick_dir();
    runtime().block_on(async {
        let (spool, _) = open(dir.path(), &small());
        for n in 0..40 {
            let _ = accept(&spool, n, 4 * KIB).await.unwrap();
        }
    });
    let mut segments: Vec<PathBuf> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
    segments.retain(|p| p.file_name().unwrap().to_string_lossy().starts_with("segment-"));
    segments.sort();
    let mut bytes = std::fs::read(&segments[1]).unwrap();
    bytes[..4096].fill(0xff);
    std::fs::write(&segments[1], bytes).unwrap();
    let (spool, mails) = open(dir.path(), &small());
    assert!(mails.len() > 20 && mails.len() < 40, "{}", mails.len());
    mails.iter().for_each(|m| check_body(&spool, number(m.id), 4 * KIB));
    assert_eq!(spool.recovery().damage.len(), 1);
    assert_eq!(std::fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1);
}

#[test]
fn a_body_file_that_is_gone_or_changed_is_noticed() {
    let dir = quick_dir();
    runtime().block_on(async {
        let (spool, _) = open(dir.path(), &small());
        for n in 1..=3 {
            let _ = accept(&spool, n, 20 * KIB).await.unwrap();
        }
    });
    let file = |n: u64| dir.path().join("bodies").join(id(n).to_string());
    std::fs::remove_file(file(1)).unwrap();
    let mut bytes = std::fs::read(file(2)).unwrap();
    bytes[9000] ^= 1;
    std::fs::write(file(2), bytes).unwrap();
    let (spool, mails) = open(dir.path(), &small());
    assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(spool.recovery().damage.len(), 1);
    assert!(matches!(spool.read(id(2)), Err(SpoolError::Damaged(_))));
    check_body(&spool, 3, 20 * KIB);
}
