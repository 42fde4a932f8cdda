//! What the spool promises, on real files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spool_fixture;

use postern_model::queue::{Disposition, QueueChange, RecipientStatus};
use postern_model::reason::Reason;
use postern_store::spool::{Spool, SpoolError};
use spool_fixture::*;
use tempfile::tempdir;

/// In memory, at the limits, from a temporary file into the segment, and as a file.
const SIZES: [usize; 9] = [0, 1, 4096, 16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 100 * KIB, 300 * KIB, 3000 * KIB];

#[tokio::test(flavor = "multi_thread")]
async fn mails_of_all_sizes_come_back_after_reopening() {
    let dir = tempdir().unwrap();
    for settings in [small(), postern_model::settings::delivery::SpoolSettings { reserve: 0, ..Default::default() }] {
        let dir = dir.path().join(settings.segment_size.to_string());
        let (spool, mails) = open(&dir, &settings);
        assert!(mails.is_empty());
        for (n, size) in SIZES.into_iter().enumerate() {
            let accepted = accept(&spool, n as u64, size).await.unwrap();
            assert_eq!(accepted.mail().size, size as u64);
            assert_eq!(accepted.mail().hash, *blake3::hash(&content(n as u64, size)).as_bytes());
            check_body(&spool, n as u64, size);
        }
        drop(spool);
        let (spool, mails) = open(&dir, &settings);
        assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), (0..SIZES.len() as u64).collect::<Vec<_>>());
        for (n, size) in SIZES.into_iter().enumerate() {
            check_body(&spool, n as u64, size);
            assert_eq!(mails[n].subject, mail(n as u64).subject);
        }
        assert_eq!(spool.recovery().damage, Vec::<String>::new());
        assert_eq!(spool.recovery().torn, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_worked_in_and_done_mails_stay_away() {
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    for n in 0..4 {
        let _ = accept(&spool, n, 500).await.unwrap();
    }
    let _ = accept(&spool, 4, 50 * KIB).await.unwrap();
    spool.record(id(0), delivered(0, 1)).await.unwrap();
    spool.note(id(0), delivered(0, 2)).unwrap();
    spool.record(id(1), QueueChange::Disposition(Disposition::Hold, Reason::Blocked)).await.unwrap();
    spool.note(id(2), QueueChange::Done).unwrap();
    spool.record(id(4), QueueChange::Done).await.unwrap();
    assert!(matches!(spool.read(id(4)), Err(SpoolError::Unknown(_))));
    assert!(matches!(spool.record(id(4), QueueChange::Done).await, Err(SpoolError::Unknown(_))));
    assert!(matches!(spool.note(id(99), QueueChange::Done), Err(SpoolError::Unknown(_))));
    // Before and after reopening it is the same mail.
    until("the notes are written", || !spool.contains(id(2)));
    let before = spool.mail(id(0)).unwrap();
    until("the body of mail 4 is unlinked", || std::fs::read_dir(dir.path().join("bodies")).unwrap().count() == 0);
    drop(spool);
    let (_spool, mails) = open(dir.path(), &small());
    assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), [0, 1, 3]);
    assert_eq!(mails[0], before);
    assert_eq!(mails[0].recipients[0].attempts, 2);
    assert_eq!(mails[0].recipients[0].status, RecipientStatus::Delivered);
    assert_eq!(mails[0].recipients[1].status, RecipientStatus::Pending);
    assert_eq!(mails[1].disposition, Disposition::Hold);
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_reach_the_disk_without_company() {
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    let _ = accept(&spool, 1, 10).await.unwrap();
    let batches = spool.usage().counters.batches;
    spool.note(id(1), QueueChange::Done).unwrap();
    until("a batch of its own", || spool.usage().counters.batches > batches);
    assert!(!spool.contains(id(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_taken_once() {
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    for size in [100, 50 * KIB] {
        let first = size as u64;
        let _ = accept(&spool, first, size).await.unwrap();
        let again = accept(&spool, first, size).await;
        assert!(again.is_err(), "{again:?}");
        check_body(&spool, first, size);
    }
}

/// A mail that is taken in several ways: each part lives and ends by itself, and none is there unless all are.
#[tokio::test(flavor = "multi_thread")]
async fn mails_of_one_body_are_taken_all_or_none() {
    let dir = tempdir().unwrap();
    for (round, size) in [100, 16 * KIB + 1, 300 * KIB, 3000 * KIB].into_iter().enumerate() {
        let dir = dir.path().join(size.to_string());
        let (spool, _) = open(&dir, &small());
        let first = round as u64 * 10;
        let bytes = content(first, size);
        let accepted = spool.accept_all((first..first + 3).map(mail).collect(), body(&spool, &bytes).unwrap()).await.unwrap();
        assert_eq!(accepted.iter().map(|a| number(a.mail().id)).collect::<Vec<_>>(), (first..first + 3).collect::<Vec<_>>());
        // One of them is known already: the two others go too, and what was there stays.
        let again = spool.accept_all(vec![mail(first + 5), mail(first + 1), mail(first + 6)], body(&spool, &bytes).unwrap()).await;
        assert!(again.is_err(), "{again:?}");
        until("what was taken of it is given back", || spool.ids() == (first..first + 3).map(id).collect::<Vec<_>>());
        spool.record(id(first + 1), QueueChange::Done).await.unwrap();
        let same = |spool: &Spool, number: u64| assert!(spool.read(id(number)).unwrap().bytes() == bytes, "{size}: mail {number}");
        same(&spool, first);
        drop(spool);
        let (spool, mails) = open(&dir, &small());
        assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), [first, first + 2], "{size}");
        same(&spool, first);
        same(&spool, first + 2);
        let bodies = std::fs::read_dir(dir.join("bodies")).unwrap().count();
        assert_eq!(bodies, if size > 16 * KIB { 2 } else { 0 }, "{size}: a body file for each that lives");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_segments_are_freed_and_a_live_rest_is_moved_on() {
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    // Every 50th stays alive, one of them with its body in a file and a change.
    let size = |n: u64| if n == 0 { 40 * KIB } else { 3000 };
    for n in 0..600 {
        let _ = accept(&spool, n, size(n)).await.unwrap();
        if n.is_multiple_of(50) {
            spool.note(id(n), delivered(n, 7)).unwrap();
        } else {
            spool.note(id(n), QueueChange::Done).unwrap();
        }
    }
    until("the last notes are written", || spool.usage().live_mails == 12);
    // 1.8 MiB were written in 64 KiB segments.
    until("few segments are left", || spool.usage().segments <= 5);
    let usage = spool.usage();
    assert!(usage.counters.moved > 0 && usage.counters.freed_segments > 20, "{usage:?}");
    let alive = |spool: &Spool| {
        for n in (0..600).step_by(50) {
            check_body(spool, n, size(n));
            assert_eq!(spool.mail(id(n)).unwrap().recipients[0].attempts, 7, "mail {n}");
        }
    };
    alive(&spool);
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(files < 14, "{files} files are left");
    drop(spool);
    let (spool, mails) = open(dir.path(), &small());
    assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), (0..600).step_by(50).collect::<Vec<_>>());
    alive(&spool);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_held_stays_as_it_is_when_its_segment_is_freed() {
    let dir = tempdir().unwrap();
    let settings =
        postern_model::settings::delivery::SpoolSettings { segment_size: 2 * 1024 * KIB as u64, inline_body: 512 * KIB as u64, ..small() };
    let (spool, _) = open(dir.path(), &settings);
    // Mapped from the segment.
    let _ = accept(&spool, 0, 400 * KIB).await.unwrap();
    let held = spool.read(id(0)).unwrap();
    spool.record(id(0), QueueChange::Done).await.unwrap();
    for n in 1..30 {
        let _ = accept(&spool, n, 400 * KIB).await.unwrap();
        spool.record(id(n), QueueChange::Done).await.unwrap();
    }
    until("the segments are freed", || spool.usage().segments <= 2);
    assert!(held.bytes() == content(0, 400 * KIB));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_goes_away_leaves_no_mail_behind() {
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    for n in 0..200 {
        let body = body(&spool, &content(n, if n.is_multiple_of(20) { 20 * KIB } else { 2000 })).unwrap();
        let wait = std::time::Duration::from_micros(n * 3);
        let taken = tokio::time::timeout(wait, spool.accept(mail(n), body)).await;
        if let Ok(taken) = taken {
            let _ = taken.unwrap();
            spool.note(id(n), QueueChange::Done).unwrap();
        }
    }
    let _ = accept(&spool, 1000, 10).await.unwrap();
    until("only the last is there", || spool.ids() == [id(1000)]);
    drop(spool);
    let (_spool, mails) = open(dir.path(), &small());
    assert_eq!(mails.len(), 1);
    assert_eq!(std::fs::read_dir(dir.path().join("bodies")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_at_a_time() {
    const NAME: &str = "one_process_at_a_time";
    if is_role("second") {
        let dir = std::env::var_os("SPOOL_TEST_DIR").unwrap();
        let error = Spool::open(dir.into(), small()).unwrap_err();
        assert!(error.to_string().contains("another process"), "{error}");
        return;
    }
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    let _ = accept(&spool, 1, 10).await.unwrap();
    let second = role(NAME, "second").env("SPOOL_TEST_DIR", dir.path()).output().unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stdout));
    assert!(Spool::open(dir.path().to_owned(), small()).is_err(), "nor twice in one process");
    check_body(&spool, 1, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_removed_on_opening() {
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    let _ = accept(&spool, 1, 20 * KIB).await.unwrap();
    drop(spool);
    for name in ["0123.new", "01arz3ndektsv4rrffq69g5fav"] {
        std::fs::write(dir.path().join("bodies").join(name), b"half a bo").unwrap();
    }
    std::fs::write(dir.path().join("new-0000000009"), b"").unwrap();
    let (spool, mails) = open(dir.path(), &small());
    assert_eq!((mails.len(), spool.recovery().orphans), (1, 2));
    check_body(&spool, 1, 20 * KIB);
    assert_eq!(std::fs::read_dir(dir.path().join("bodies")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reserve_is_kept() {
    let dir = tempdir().unwrap();
    let settings = postern_model::settings::delivery::SpoolSettings { reserve: u64::MAX / 2, ..small() };
    let (spool, _) = open(dir.path(), &settings);
    assert!(matches!(spool.body(), Err(SpoolError::Full(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantined_mail_moves_to_a_file_of_its_own() {
    let dir = tempdir().unwrap();
    let (spool, _) = open(dir.path(), &small());
    let sizes = [(1, 5000), (2, 40 * KIB), (3, 0)];
    for (n, size) in sizes {
        let _ = accept(&spool, n, size).await.unwrap();
        spool.note(id(n), delivered(n, 3)).unwrap();
    }
    until("the notes are written", || (1..4).all(|n| spool.mail(id(n)).unwrap().recipients[0].attempts == 3));
    for (n, _) in sizes {
        let moved = spool.quarantine_move(id(n)).await.unwrap();
        assert_eq!(moved.recipients[0].attempts, 3);
        assert!(!spool.contains(id(n)));
    }
    assert!(matches!(spool.quarantine_move(id(1)).await, Err(SpoolError::Unknown(_))));
    drop(spool);
    let (spool, mails) = open(dir.path(), &small());
    assert!(mails.is_empty());
    let quarantine = spool.quarantine();
    let mut listed: Vec<u64> = quarantine.list().map(|m| number(m.unwrap().id)).collect();
    listed.sort_unstable();
    assert_eq!(listed, [1, 2, 3]);
    for (n, size) in sizes {
        let read = quarantine.read(id(n)).unwrap();
        assert!(read.body() == content(n, size));
        assert_eq!(read.mail.recipients[0].attempts, 3);
    }
    assert!(quarantine.delete(id(2)).unwrap());
    assert!(!quarantine.delete(id(2)).unwrap());
    assert!(quarantine.read(id(2)).is_err());
    // Damage is seen: in the mail's data and in the body.
    for at in [20, 3000] {
        let path = quarantine.list().filter_map(Result::ok).find(|m| m.id == id(1)).map(|m| m.id.to_string()).unwrap();
        let path = dir.path().join("quarantine").join(&path[24..]).join(path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let read = quarantine.read(id(1));
        assert!(matches!(read, Err(postern_store::spool::QuarantineError::Damaged(_))), "{read:?}");
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        quarantine.read(id(1)).unwrap();
    }
}

/// The directory as it is at this moment, for another process: what `kill -9` leaves.
fn as_after_a_kill(dir: &std::path::Path, at: &std::path::Path) -> (Spool, Vec<postern_model::queue::QueuedMail>) {
    let copied = std::process::Command::new("cp").arg("-r").arg(dir).arg(at).status().unwrap();
    assert!(copied.success());
    open(at, &small())
}

/// Of a closed spool; the record has to be `Done`.
fn cut_last_record(dir: &std::path::Path) {
    let files = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let last = files.filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("segment-")).max().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(last).unwrap();
    file.set_len(file.metadata().unwrap().len() - 72).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_survives_a_kill_and_an_old_jotting_changes_nothing() {
    let dir = tempdir().unwrap();
    let (home, copies) = (dir.path().join("spool"), tempdir().unwrap());
    let (spool, _) = open(&home, &small());
    for n in 0..3 {
        let _ = accept(&spool, n, 100).await.unwrap();
    }
    spool.note(id(0), delivered(0, 2)).unwrap();
    spool.note(id(1), delivered(1, 2)).unwrap();
    spool.note(id(1), QueueChange::Done).unwrap();
    let (killed, mails) = as_after_a_kill(&home, &copies.path().join("1"));
    assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), [0, 2]);
    assert_eq!((&mails[0].recipients[0].status, mails[0].recipients[0].attempts), (&RecipientStatus::Delivered, 2));
    assert_eq!(killed.mail(id(0)).unwrap().recipients[0].attempts, 2, "and it is in the log");
    assert!(!killed.contains(id(1)));

    // Both are in the log now, and something after them is, too.
    spool.settle().await.unwrap();
    let mut again = mail(0).recipients.remove(0);
    again.attempts = 3;
    spool.record(id(0), QueueChange::Recipient { index: 0, state: again }).await.unwrap();
    let _ = accept(&spool, 1, 100).await.unwrap();
    let (_, mails) = as_after_a_kill(&home, &copies.path().join("2"));
    assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!((&mails[0].recipients[0].status, mails[0].recipients[0].attempts), (&RecipientStatus::Pending, 3));
    assert_eq!(mails[1].recipients[0].status, RecipientStatus::Pending, "an id that lives again begins anew");

    // Of two notes made at once the first got into the log, and the end of the batch did not.
    spool.note(id(2), delivered(2, 2)).unwrap();
    spool.note(id(2), QueueChange::Done).unwrap();
    drop(spool);
    cut_last_record(&home);
    let (_, mails) = as_after_a_kill(&home, &copies.path().join("3"));
    assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), [0, 1]);

    // Torn and foreign octets are nothing.
    std::fs::write(home.join("jottings"), vec![0xa5; 70_000]).unwrap();
    let (garbled, mails) = as_after_a_kill(&home, &copies.path().join("4"));
    assert_eq!((mails.len(), garbled.recovery().jotted), (3, 0));
}
