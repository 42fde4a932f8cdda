//! A cell's turn at the processors, as the kernel tells it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use postern_sandbox::cell::Cells;
use support::job;

/// Policy and nice value of each process that this one began.
fn children() -> Vec<(u32, i32)> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = processes.filter_map(|p| std::fs::read_to_string(p.path().join("stat")).ok());
    // proc_pid_stat(5), counted from behind the name: parent 2, nice 17, policy 39.
    stats
        .filter_map(|stat| {
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
            (fields.get(1) == Some(&own.as_str())).then(|| Some((fields.get(38)?.parse().ok()?, fields.get(16)?.parse().ok()?)))?
        })
        .collect()
}

#[tokio::test]
async fn a_cell_is_last_in_line_until_it_takes_long() {
    let mut order = job("a.js");
    order.limits.scripts = Duration::from_secs(5);
    let cells = Cells::new(PathBuf::from(env!("CARGO_BIN_EXE_postern-cell")));
    let running = tokio::spawn(async move { cells.run(&order, b"while (true) {}", None).await.map(drop) });
    let mut seen = Vec::new();
    while !running.is_finished() {
        for child in children() {
            // Between fork and exec it is as we are.
            if child.1 == 19 && seen.last() != Some(&child) {
                seen.push(child);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.await.unwrap().unwrap();
    assert_eq!(seen, [(libc::SCHED_IDLE.cast_unsigned(), 19), (libc::SCHED_OTHER.cast_unsigned(), 19)]);
}
