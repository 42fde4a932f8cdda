//! Disks that are full, fail or become read-only: nobody is told a mail is safe that is not, and the spool comes back.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spool_fixture;

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use postern_model::queue::QueueChange;
use postern_model::settings::delivery::SpoolSettings;
use postern_store::spool::{Spool, SpoolError};
use spool_fixture::*;
use tempfile::tempdir;

/// A tmpfs of `size` on `dir`, seen by this thread and those it starts. False when that is not permitted.
fn mount_tmpfs(dir: &Path, size: &str) -> bool {
    let none = None::<&str>;
    let mounted = unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none))
        .and_then(|()| mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some(format!("size={size}").as_str())));
    if let Err(error) = mounted {
        println!("skipped: a tmpfs in an own mount namespace is not permitted here: {error}");
    }
    mounted.is_ok()
}

fn assert_exactly(dir: &Path, settings: &SpoolSettings, expected: &[u64], size: usize) {
    let (spool, mails) = open(dir, settings);
    assert_eq!(mails.iter().map(|m| number(m.id)).collect::<Vec<_>>(), expected);
    expected.iter().for_each(|n| check_body(&spool, *n, size));
    assert_eq!(spool.recovery().damage, Vec::<String>::new());
}

/// Accepts from `first` on until it is refused.
async fn fill(spool: &Spool, first: u64, size: usize) -> (Vec<u64>, SpoolError) {
    let mut taken = Vec::new();
    for n in first..first + 100_000 {
        match accept(spool, n, size).await {
            Ok(accepted) => taken.push(number(accepted.mail().id)),
            Err(error) => return (taken, error),
        }
    }
    panic!("the disk never filled");
}

/// Tries a new mail each time until one is taken.
fn until_taken(runtime: &tokio::runtime::Runtime, spool: &Spool, first: u64, size: usize) -> u64 {
    let mut n = first;
    until("the spool takes mail again", || {
        n += 1;
        runtime.block_on(accept(spool, n, size)).is_ok()
    });
    n
}

#[test]
fn a_full_disk_refuses_mail_keeps_what_it_has_and_recovers() {
    let dir = tempdir().unwrap();
    if !mount_tmpfs(dir.path(), "4m") {
        return;
    }
    let settings = SpoolSettings { segment_size: 256 * 1024, inline_body: 32 * 1024, ..small() };
    let runtime = runtime();
    let (spool, _) = open(dir.path(), &settings);
    let (mut alive, error) = runtime.block_on(fill(&spool, 0, 4000));
    assert!(matches!(error, SpoolError::Full(_)), "{error}");
    assert!(alive.len() > 600, "only {} fitted", alive.len());
    // A large body fails while it streams in, or on acceptance.
    assert!(runtime.block_on(accept(&spool, 500_000, 3000 * KIB)).is_err());
    alive.iter().for_each(|n| check_body(&spool, *n, 4000));
    // What was delivered meanwhile is recorded on the full disk, and makes room.
    for n in alive.drain(..200) {
        spool.note(id(n), QueueChange::Done).unwrap();
    }
    alive.push(until_taken(&runtime, &spool, 600_000, 4000));
    drop(spool);
    assert_exactly(dir.path(), &settings, &alive, 4000);
}

#[test]
fn the_reserve_of_a_small_disk_is_not_touched() {
    let dir = tempdir().unwrap();
    if !mount_tmpfs(dir.path(), "4m") {
        return;
    }
    let settings = SpoolSettings { segment_size: 256 * 1024, reserve: 1024 * 1024, ..small() };
    let (spool, _) = open(dir.path(), &settings);
    let (_, error) = runtime().block_on(fill(&spool, 0, 4000));
    assert!(matches!(error, SpoolError::Full(_)), "{error}");
    let stat = nix::sys::statvfs::statvfs(dir.path()).unwrap();
    // The answer is up to 100 ms old, and two segments are made ahead.
    assert!(stat.blocks_available() * stat.fragment_size() > 256 * 1024);
}

#[test]
fn writes_that_fail_halfway_are_not_believed() {
    const NAME: &str = "writes_that_fail_halfway_are_not_believed";
    if !is_role("limited") {
        let child = role(NAME, "limited").output().unwrap();
        assert!(child.status.success(), "{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
        return;
    }
    // Beyond 20,000 octets every write fails (EFBIG), the one that crosses is cut.
    // SAFETY: ignoring a signal needs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let dir = tempdir().unwrap();
    let runtime = runtime();
    let (spool, _) = open(dir.path(), &small());
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 20_000, hard).unwrap();
    let (mut alive, first) = runtime.block_on(fill(&spool, 0, 2000));
    assert!(!alive.is_empty());
    println!("refused by: {first}");
    let mut refused = 1;
    for n in 1000..1100 {
        match runtime.block_on(accept(&spool, n, 2000)) {
            Ok(_) => alive.push(n),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 1, "{}", alive.len());
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).unwrap();
    alive.push(until_taken(&runtime, &spool, 600_000, 2000));
    alive.iter().for_each(|n| check_body(&spool, *n, 2000));
    drop(spool);
    assert_exactly(dir.path(), &small(), &alive, 2000);
}

/// Stands before libc's calls: lets some of them fail, and a vectored write be done by half before it fails.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <sys/types.h>
#include <sys/uio.h>
static volatile int what, code, left;
void spool_fault(int w, int c, int n) { what = 0; code = c; left = n; what = w; }
static int hit(int w) {
    if (!(what & w) || left == 0) return 0;
    if (left > 0) left--;
    errno = code;
    return 1;
}
#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
int fdatasync(int fd) { REAL(fdatasync); return hit(1) ? -1 : real(fd); }
int fsync(int fd);
int fsync(int fd) { REAL(fsync); return hit(2) ? -1 : real(fd); }
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at) {
    REAL(pwritev);
    if (!hit(4)) return real(fd, v, n, at);
    int c = errno;
    struct iovec half = { v[0].iov_base, v[0].iov_len / 2 };
    real(fd, &half, 1, at);
    errno = c;
    return -1;
}
int fallocate(int fd, int mode, off_t from, off_t len);
int fallocate(int fd, int mode, off_t from, off_t len) { REAL(fallocate); return hit(8) ? -1 : real(fd, mode, from, len); }
int fallocate64(int fd, int mode, off_t from, off_t len) { return fallocate(fd, mode, from, len); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t at) { return pwritev(fd, v, n, at); }
"#;

const SYNC: i32 = 1;
const FILE_SYNC: i32 = 2;
const WRITE: i32 = 4;
const ALLOCATE: i32 = 8;
const ALWAYS: i32 = -1;

fn build_shim(dir: &Path) -> Option<PathBuf> {
    let (source, shim) = (dir.join("shim.c"), dir.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(&source).arg("-ldl").status();
    match built {
        Ok(status) => {
            assert!(status.success(), "the shim does not compile");
            Some(shim)
        }
        Err(error) => {
            println!("skipped: no C compiler for the shim: {error}");
            None
        }
    }
}

fn fault(what: i32, code: i32, times: i32) {
    // SAFETY: the shim that is loaded before us exports it with this signature.
    unsafe {
        let call = libc::dlsym(libc::RTLD_DEFAULT, c"spool_fault".as_ptr());
        assert!(!call.is_null());
        let call: extern "C" fn(i32, i32, i32) = std::mem::transmute(call);
        call(what, code, times);
    }
}

#[test]
fn failing_syncs_and_writes_stop_the_spool_until_the_disk_is_well() {
    const NAME: &str = "failing_syncs_and_writes_stop_the_spool_until_the_disk_is_well";
    if is_role("faulty") {
        return faulty();
    }
    let dir = tempdir().unwrap();
    let Some(shim) = build_shim(dir.path()) else { return };
    let child = role(NAME, "faulty").env("LD_PRELOAD", shim).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success(), "{said}");
    assert!(said.contains("7 kinds of trouble"), "{said}");
}

fn faulty() {
    let runtime = runtime();
    let mut kinds = 0;
    for (what, code) in [
        (SYNC, libc::EIO),
        (WRITE, libc::EIO),
        (WRITE, libc::ENOSPC),
        (SYNC | FILE_SYNC, libc::EIO),
        (WRITE | ALLOCATE, libc::ENOSPC),
        (SYNC | FILE_SYNC | WRITE | ALLOCATE, libc::EROFS),
        (SYNC | FILE_SYNC | WRITE | ALLOCATE, libc::EIO),
    ] {
        for times in [1, 2, 3, 7, ALWAYS] {
            let dir = quick_dir();
            let (spool, _) = open(dir.path(), &small());
            let mut alive = Vec::new();
            let mut refused = Vec::new();
            for n in 0..10 {
                alive.push(number(runtime.block_on(accept(&spool, n, 3000)).unwrap().mail().id));
            }
            spool.note(id(3), QueueChange::Done).unwrap();
            until("the note is written", || !spool.contains(id(3)));
            alive.retain(|n| *n != 3);
            fault(what, code, times);
            for n in 10..40 {
                match runtime.block_on(accept(&spool, n, 3000)) {
                    Ok(_) => alive.push(n),
                    Err(error) => {
                        refused.push(n);
                        let full = matches!(error, SpoolError::Full(_));
                        assert!(code == libc::ENOSPC || !full, "{error}");
                    }
                }
            }
            assert!(!refused.is_empty(), "{what} {code} {times}");
            if times == ALWAYS {
                assert_eq!(alive.len(), 9, "nothing is taken by a disk that refuses");
                // Changes are kept until it does not.
                spool.note(id(4), QueueChange::Done).unwrap();
                assert!(runtime.block_on(spool.record(id(5), QueueChange::Done)).is_err());
            }
            alive.iter().for_each(|n| check_body(&spool, *n, 3000));
            fault(0, 0, 0);
            alive.push(until_taken(&runtime, &spool, 600_000, 3000));
            if times == ALWAYS {
                until("the note came through", || !spool.contains(id(4)));
                alive.retain(|n| *n != 4);
            }
            assert!(refused.iter().all(|n| !spool.contains(id(*n))));
            drop(spool);
            assert_exactly(dir.path(), &small(), &alive, 3000);
        }
        kinds += 1;
    }
    println!("{kinds} kinds of trouble");
}
