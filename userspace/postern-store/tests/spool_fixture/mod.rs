//! Mails with contents that follow from their number, and the small settings the spool's tests use.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

mod mails;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub use mails::*;
use postern_model::queue::{QueueChange, QueuedMail, RecipientStatus};
use postern_model::settings::delivery::SpoolSettings;
use postern_model::time::Span;
use postern_store::spool::{Accepted, Body, Spool, SpoolError};

pub const KIB: usize = 1024;

/// Segments of 64 KiB (the least), bodies above 16 KiB in files of their own.
pub fn small() -> SpoolSettings {
    SpoolSettings { segment_size: 64 * 1024, inline_body: 16 * 1024, reserve: 0, group_commit: Span::millis(0) }
}

/// Octets that follow from the number: no two mails share eight of them in a row.
pub fn content(number: u64, len: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(len);
    out
}

pub fn body(spool: &Spool, content: &[u8]) -> Result<Body, SpoolError> {
    let mut writer = spool.body()?;
    for part in content.chunks(5000) {
        writer.write(part)?;
    }
    writer.finish()
}

pub async fn accept(spool: &Spool, number: u64, len: usize) -> Result<Accepted, SpoolError> {
    let body = body(spool, &content(number, len))?;
    spool.accept(mail(number), body).await
}

/// The first recipient was delivered to.
pub fn delivered(number: u64, attempts: u32) -> QueueChange {
    let mut state = mail(number).recipients.remove(0);
    state.status = RecipientStatus::Delivered;
    state.attempts = attempts;
    QueueChange::Recipient { index: 0, state }
}

pub fn check_body(spool: &Spool, number: u64, len: usize) {
    let stored = spool.read(id(number)).unwrap_or_else(|e| panic!("mail {number}: {e}"));
    assert!(stored.bytes() == content(number, len), "mail {number} of {len} octets is another one");
}

pub fn open(dir: &Path, settings: &SpoolSettings) -> (Spool, Vec<QueuedMail>) {
    Spool::open(dir.to_owned(), settings.clone()).unwrap()
}

pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < end, "after 20 s still not: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// In memory where possible: for tests with a thousand openings, and nothing to learn from the disk.
pub fn quick_dir() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// This test binary again, to run the test `name` in a role. In that role the test does its work and nothing else.
pub fn role(name: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env("SPOOL_TEST_ROLE", role);
    command
}

pub fn is_role(role: &str) -> bool {
    std::env::var("SPOOL_TEST_ROLE").is_ok_and(|r| r == role)
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
