//! What jobs leave behind: nothing. Alone in its file, for it counts what the whole process has.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postern_model::sandbox::Places;
use postern_sandbox::cell::cgroup::{Bounds, Cgroups};
use postern_sandbox::cell::{Admission, CellError, Cells};
use postern_sandbox::yara::Sources;
use support::documents::archive;
use support::job;

/// A hundred jobs, four at a time (`./just bench sandbox` does a thousand).
#[tokio::test]
async fn jobs_leave_nothing_behind() {
    let cells = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")));
    // A second cell for each: the script is run.
    let content = archive(&[("a.txt", b"x"), ("run.sh", b"#!/bin/sh\nexit 0\n")], None);
    match cells.run(&job("first.zip"), &content, None).await {
        Err(CellError::Walls(why)) if why.contains("EPERM") || why.contains("ENOSPC") => return println!("skipped: {why}"),
        first => assert_eq!(first.unwrap().parts.len(), 3),
    }
    let (rules, _) = cells.compile(&Sources::new(&[]).unwrap()).await.unwrap();
    let rules = Arc::new(rules.unwrap());
    let before = there_is();
    let mut running = tokio::task::JoinSet::new();
    let admission = Arc::new(Admission::default());
    for n in 0..100 {
        let (cells, content, admission, rules) = (cells.clone(), content.clone(), Arc::clone(&admission), Arc::clone(&rules));
        running.spawn(async move {
            let _place = admission.enter(Places { at_once: 4, waiting: 100 }).await.unwrap();
            cells.run(&job(&format!("{n}.zip")), &content, Some(&rules)).await.unwrap()
        });
    }
    while let Some(done) = running.join_next().await {
        assert_eq!(done.unwrap().parts.len(), 3);
    }
    assert_eq!(there_is(), before);
}

/// Workers, mounts, descriptors and cells' cgroups of this process.
fn there_is() -> (usize, String, usize, Vec<PathBuf>) {
    let here = std::process::id().to_string();
    let is_ours = |stat: &str| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(here.as_str()));
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let children = all.filter(|e| std::fs::read_to_string(e.path().join("stat")).is_ok_and(|s| is_ours(&s))).count();
    let mut cgroups = Vec::new();
    list(Path::new("/sys/fs/cgroup"), &format!("cell-{here}-"), &mut cgroups);
    (children, std::fs::read_to_string("/proc/self/mounts").unwrap(), std::fs::read_dir("/proc/self/fd").unwrap().count(), cgroups)
}

fn list(folder: &Path, prefix: &str, found: &mut Vec<PathBuf>) {
    // Others' come and go meanwhile.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
        list(&entry.path(), prefix, found);
    }
}

/// A job that nobody waits for any more takes its cell's cgroup with it, whatever runs in there.
#[tokio::test]
async fn a_job_that_is_given_up_leaves_no_cgroup() {
    if let Some(why) = Cgroups::status().without {
        return println!("skipped: {why}");
    }
    let cells = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")));
    let running = tokio::spawn(async move { cells.run(&job("a.sh"), b"#!/bin/sh\n(sleep 60 &)\nsleep 60\n", None).await.map(drop) });
    let is_there = |wanted: bool| async move {
        for _ in 0..1000 {
            if there_is().3.is_empty() != wanted {
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
    assert!(is_there(false).await, "{:?}", there_is().3);
}

/// What a process left that was killed is taken away by the next one, and its bounds are those of the job.
#[tokio::test]
async fn a_cgroup_has_its_bounds_and_ends_all_that_is_in_it() {
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
