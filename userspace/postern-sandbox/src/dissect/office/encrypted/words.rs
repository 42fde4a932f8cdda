//! Which words are tried on a document, and how long.

use std::time::{Duration, Instant};

use super::{Key, Lock, Locked, standard};
use crate::dissect::Walk;
use crate::limits::Limits;

/// What Excel and PowerPoint try before they ask for a password: with it they write documents that are only guarded against changes.
/// Malware is locked with it, for it opens without a question and is noise to who only looks.
const BUILT_IN: [&str; 2] = ["VelvetSweatshop", "/01Hannes Ruescher/01"];
/// Words of the mail for one document: where a word costs 100,000 rounds of SHA-512, some 50 ms, and where it costs two.
const SLOW: usize = 8;
const FAST: usize = 64;
/// Of a job's time, the share that words may take.
const SHARE: u32 = 4;

/// The time was over before all rounds were done.
pub struct Late;

pub enum Tried {
    Opens(String, Key),
    None,
    Late,
}

/// For all documents of a job together.
pub fn time(limits: &Limits) -> Duration {
    limits.cpu.min(limits.time) / SHARE
}

pub fn is_built_in(word: &str) -> bool {
    BUILT_IN.contains(&word)
}

pub fn try_all(walk: &mut Walk<'_>, locked: &Locked) -> Tried {
    let most = if locked.lock.is_slow() { SLOW } else { FAST };
    let words: Vec<String> = BUILT_IN.iter().map(|word| (*word).to_owned()).chain(walk.job.passwords.iter().take(most).cloned()).collect();
    let began = Instant::now();
    let until = began + walk.words;
    let tried = first(words, &locked.lock, until);
    walk.words = walk.words.saturating_sub(began.elapsed());
    tried
}

fn first(words: Vec<String>, lock: &Lock, until: Instant) -> Tried {
    for word in words {
        match key(lock, &word, until) {
            Ok(Some(key)) => return Tried::Opens(word, key),
            Ok(None) => {}
            Err(Late) => return Tried::Late,
        }
    }
    Tried::None
}

fn key(lock: &Lock, word: &str, until: Instant) -> Result<Option<Key>, Late> {
    Ok(match lock {
        Lock::Agile(lock) => lock.key(word, until)?.map(Key::Package),
        Lock::Standard(header) => standard::key(header, word, until)?.map(Key::Package),
        Lock::Rc4(lock) => lock.key(word).map(Key::Rc4),
        Lock::Xor(lock) => lock.key(word).map(Key::Xor),
    })
}
