//! A setting is changed on one node: when do all of three show it?

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::json;

use super::{Bar, Found, Setting, milliseconds, united};
use crate::bench::report::percentile;
use crate::cluster::api::Api;

const NODES: usize = 3;
/// How often a file is looked at.
const LOOK: Duration = Duration::from_millis(1);
const LIMIT: Duration = Duration::from_secs(20);
/// A shared setting of which many values are good.
const PATH: &str = "smtp.limits.max_recipients";

/// # Errors
/// When the cluster cannot be had, or a change does not arrive.
pub fn measure(setting: &Setting, changes: u32) -> anyhow::Result<Found> {
    let cluster = united(setting, &setting.folder, NODES, "")?;
    let apis: Vec<Api> = (0..NODES).map(|n| cluster.api(n)).collect();
    let files: Vec<_> = cluster.nodes.iter().map(|n| n.data.join("postern.toml")).collect();
    let (mut from_start, mut from_answer, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for change in 0..changes {
        let (value, writer) = (200 + change, change as usize % NODES);
        let begun = Instant::now();
        let (answered, shown) = thread::scope(|scope| -> anyhow::Result<(Instant, Vec<Instant>)> {
            let watchers: Vec<_> = (0..NODES)
                .filter(|n| *n != writer)
                .map(|n| {
                    scope.spawn({
                        let (api, file) = (&apis[n], &files[n]);
                        move || shown(api, file, value)
                    })
                })
                .collect();
            apis[writer].set(PATH, json!(value))?;
            let answered = Instant::now();
            let mut times = vec![shown(&apis[writer], &files[writer], value)?];
            for watcher in watchers {
                times.push(watcher.join().map_err(|_| anyhow::anyhow!("a watcher ended"))??);
            }
            Ok((answered, times))
        })
        .with_context(|| format!("change {change} on node {writer}"))?;
        let last = shown.into_iter().max().unwrap_or(answered);
        from_start.push(milliseconds(last - begun));
        from_answer.push(milliseconds(last.saturating_duration_since(answered)));
        answers.push(milliseconds(answered - begun));
    }
    let row = |what: &str, times: &[f64]| {
        let p = |share| format!("{:.1}", percentile(times, share));
        vec![what.to_owned(), p(0.5), p(0.99), p(1.0)]
    };
    Ok(Found {
        title: format!("{changes} changes of a setting, on each of {NODES} nodes in turn (ms)"),
        head: vec!["", "p50", "p99", "longest"],
        rows: vec![
            row("the API's answer to the change", &answers),
            row("from the answer until all show it", &from_answer),
            row("from the request until all show it", &from_start),
        ],
        remarks: vec![
            "Shown: the node's API answers with the new value. Its file is looked at every millisecond, and the API asked when it changed."
                .into(),
        ],
        bars: vec![Bar::at_most("config: a change on all of 3 nodes, p99 from the request", percentile(&from_start, 0.99), 250.0, "ms")],
        details: json!({"from_request_ms": from_start, "from_answer_ms": from_answer, "answer_ms": answers}),
    })
}

/// When a node showed the value: its file has it, and its API says so.
fn shown(api: &Api, file: &Path, value: u32) -> anyhow::Result<Instant> {
    let (begun, wanted) = (Instant::now(), format!("max_recipients = {value}"));
    loop {
        let is_written = fs::read_to_string(file).is_ok_and(|text| text.contains(&wanted));
        if is_written && api.setting("/smtp/limits/max_recipients")? == json!(value) {
            return Ok(Instant::now());
        }
        if begun.elapsed() > LIMIT {
            bail!("{} has no {wanted} within {LIMIT:?}", file.display());
        }
        thread::sleep(LOOK);
    }
}
