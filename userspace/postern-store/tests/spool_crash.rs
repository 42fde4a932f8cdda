//! kill -9 at random moments under load, many rounds: whatever was answered is there and as it was.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spool_fixture;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use postern_model::queue::QueueChange;
use rand::Rng;
use spool_fixture::*;
use tempfile::tempdir;

const ROUNDS: u64 = 40;
const SESSIONS: usize = 12;

fn size_of(number: u64) -> usize {
    match number % 97 {
        0 => 30 * KIB,
        1 => 15 * KIB,
        n => 200 + usize::try_from(n).unwrap() * 40,
    }
}

/// What a mail's fate in the child is, by its number.
fn stays(number: u64) -> bool {
    number.is_multiple_of(23)
}

/// Accepts mails until it is killed. One line each: `A n` after accept returned, `C n` after a change was recorded,
/// `M n` mails were moved on so far, `D n` before a mail is noted to be done, `E n` after its end was recorded or noted.
fn child() {
    let dir = std::env::var("SPOOL_TEST_DIR").unwrap();
    let first: u64 = std::env::var("SPOOL_TEST_FIRST").unwrap().parse().unwrap();
    let out = Arc::new(File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap()));
    // One write call for each line: a killed child leaves no half of one.
    let say = move |what: char, n: u64| (&*out).write_all(format!("{what} {n}\n").as_bytes()).unwrap();
    runtime().block_on(async {
        let (spool, _) = open(Path::new(&dir), &small());
        let next = Arc::new(AtomicU64::new(first));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..SESSIONS {
            let (spool, next, say) = (spool.clone(), Arc::clone(&next), say.clone());
            tasks.spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let _ = accept(&spool, n, size_of(n)).await.unwrap();
                    say('A', n);
                    if n.is_multiple_of(64) {
                        say('M', spool.usage().counters.moved);
                    }
                    if n.is_multiple_of(5) {
                        spool.record(id(n), delivered(n, 9)).await.unwrap();
                        say('C', n);
                    } else if n.is_multiple_of(7) {
                        spool.note(id(n), delivered(n, 9)).unwrap();
                        say('C', n);
                    }
                    if stays(n) {
                        continue;
                    }
                    say('D', n);
                    if n.is_multiple_of(2) {
                        spool.note(id(n), QueueChange::Done).unwrap();
                    } else {
                        spool.record(id(n), QueueChange::Done).await.unwrap();
                    }
                    say('E', n);
                }
            });
        }
        let ended = tasks.join_next().await;
        panic!("a session ended: {ended:?}");
    });
}

#[derive(Default)]
struct Known {
    /// Accepted, and nobody asked to end them.
    live: BTreeSet<u64>,
    changed: BTreeSet<u64>,
    ended: BTreeSet<u64>,
    highest: u64,
}

#[test]
fn nothing_answered_is_lost_by_kill_9() {
    const NAME: &str = "nothing_answered_is_lost_by_kill_9";
    if is_role("victim") {
        return child();
    }
    let dir = tempdir().unwrap();
    let mut known = Known::default();
    let mut rng = rand::rng();
    let (mut accepted, mut moved, mut jotted) = (0, 0, 0);
    for round in 0..ROUNDS {
        let mut victim = role(NAME, "victim")
            .env("SPOOL_TEST_DIR", dir.path())
            .env("SPOOL_TEST_FIRST", (known.highest + 1).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut moved_now = 0;
        let mut take = |line: String| {
            let Some((what, n)) = line.split_once(' ') else { return false };
            let Ok(n) = n.parse::<u64>() else { return false };
            match what {
                "A" => {
                    accepted += 1;
                    known.highest = known.highest.max(n + SESSIONS as u64);
                    known.live.insert(n)
                }
                "M" => {
                    moved_now = n;
                    true
                }
                "C" => known.changed.insert(n),
                "D" => known.live.remove(&n),
                "E" => known.ended.insert(n),
                _ => false,
            }
        };
        // The clock runs from the first mail on.
        while !lines.next().is_some_and(|l| take(l.unwrap())) {}
        let pid = nix::unistd::Pid::from_raw(i32::try_from(victim.id()).unwrap());
        let killer = std::thread::spawn({
            let wait = Duration::from_micros(rng.random_range(0..90_000));
            move || {
                std::thread::sleep(wait);
                nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            }
        });
        for line in lines {
            take(line.unwrap());
        }
        killer.join().unwrap();
        victim.wait().unwrap();
        moved += moved_now;

        let (spool, mails) = open(dir.path(), &small());
        assert_eq!(spool.recovery().damage, Vec::<String>::new(), "round {round}");
        jotted += spool.recovery().jotted;
        assert_eq!(spool.ids(), mails.iter().map(|m| m.id).collect::<Vec<_>>(), "round {round}");
        let there: BTreeMap<u64, _> = mails.iter().map(|m| (number(m.id), m)).collect();
        let lost: Vec<_> = known.live.iter().filter(|n| !there.contains_key(n)).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?}");
        let back: Vec<_> = known.ended.iter().filter(|n| there.contains_key(n)).collect();
        assert!(back.is_empty(), "round {round}: ended and back {back:?}");
        for (n, mail) in &there {
            check_body(&spool, *n, size_of(*n));
            if known.changed.contains(n) {
                assert_eq!(mail.recipients[0].attempts, 9, "round {round}, mail {n}");
            }
            known.highest = known.highest.max(*n);
            // What was not answered, or not ended, ends here.
            if !stays(*n) {
                spool.note(id(*n), QueueChange::Done).unwrap();
                known.live.remove(n);
            } else {
                known.live.insert(*n);
            }
        }
        // Half of those that stayed end now and then, so that segments empty.
        if round % 4 == 3 {
            let end: Vec<u64> = known.live.iter().copied().step_by(2).collect();
            for n in end {
                spool.note(id(n), QueueChange::Done).unwrap();
                known.live.remove(&n);
            }
        }
    }
    println!(
        "{ROUNDS} rounds, {accepted} mails answered, {} alive at the end, moves under way: {moved}, jotted: {jotted}",
        known.live.len()
    );
    assert!(accepted > ROUNDS * 10, "only {accepted} mails: the rounds proved little");
    assert!(moved > 0, "no kill fell into a time of moves");
    assert!(jotted > 0, "no kill fell between a note and its batch");
}
