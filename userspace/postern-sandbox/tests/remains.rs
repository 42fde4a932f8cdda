//! What jobs leave behind: nothing. The only test of its file, for it counts what the whole process has, and a second test would open
//! descriptors meanwhile.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use postern_model::sandbox::Places;
use postern_sandbox::cell::{Admission, CellError, Cells};
use postern_sandbox::yara::Sources;
use support::documents::archive;
use support::{cells_cgroups, job};

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
    (children, std::fs::read_to_string("/proc/self/mounts").unwrap(), std::fs::read_dir("/proc/self/fd").unwrap().count(), cells_cgroups())
}
