//! A cell's cgroup: its bounds, and its end.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::time::Duration;

use postern_sandbox::cell::Cells;
use postern_sandbox::cell::cgroup::{Bounds, Cgroups};
use support::{cells_cgroups, job};

/// One test at a time: a cell's cgroup carries the process's number, which is the same for all of them.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A job that nobody waits for any more takes its cell's cgroup with it, whatever runs in there.
#[tokio::test]
async fn a_job_that_is_given_up_leaves_no_cgroup() {
    let _alone = ALONE.lock().await;
    if let Some(why) = Cgroups::status().without {
        return println!("skipped: {why}");
    }
    let cells = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")));
    let running = tokio::spawn(async move { cells.run(&job("a.sh"), b"#!/bin/sh\n(sleep 60 &)\nsleep 60\n", None).await.map(drop) });
    let is_there = |wanted: bool| async move {
        for _ in 0..1000 {
            if cells_cgroups().is_empty() != wanted {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    };
    if !is_there(true).await {
        return println!("skipped: {:?}", running.await);
    }
    running.abort();
    assert!(is_there(false).await, "{:?}", cells_cgroups());
}

/// What a process left that was killed is taken away by the next one, and its bounds are those of the job.
#[tokio::test]
async fn a_cgroup_has_its_bounds_and_ends_all_that_is_in_it() {
    let _alone = ALONE.lock().await;
    let cgroups = match Cgroups::of_this_process() {
        Ok(cgroups) => cgroups,
        Err(why) => return println!("skipped: {why}"),
    };
    let cgroup = cgroups.make(Bounds { memory: 64 << 20, processes: 10 }).unwrap();
    let folder = std::fs::read_link(format!("/proc/self/fd/{}", cgroup.as_fd().as_raw_fd())).unwrap();
    let bounded = Cgroups::status().bounded;
    for (controller, file, value) in
        [("memory", "memory.max", "167772160"), ("pids", "pids.max", "12"), ("cpu", "cpu.max", "100000 100000")]
    {
        match bounded.iter().any(|b| b == controller) {
            true => assert_eq!(std::fs::read_to_string(folder.join(file)).unwrap().trim(), value),
            false => println!("partly skipped: no controller {controller} is handed on here"),
        }
    }
    let mut sleeping = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    std::fs::write(folder.join("cgroup.procs"), sleeping.id().to_string()).unwrap();
    cgroup.end().await;
    assert!(!folder.exists() && !sleeping.wait().unwrap().success());
}
