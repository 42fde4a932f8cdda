//! What a copy of each mail on a peer costs those who send.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Bar, Found, Setting, united};
use crate::bench::report::median;
use crate::cluster::load::Load;
use crate::gateway::wait_until;

const SESSIONS: usize = 20;
const SIZE: usize = 8 * 1024;
const DRAIN: Duration = Duration::from_secs(60);

/// # Errors
/// When the cluster cannot be had, or mail is not taken.
pub fn measure(setting: &Setting, rounds: usize, seconds: u64) -> anyhow::Result<Found> {
    let cluster = united(setting, &setting.folder, 2, "[cluster]\ncopies = 1\n")?;
    let doors = cluster.doors();
    let (mut rows, mut bars, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for (who, loaded) in [("one node", 1), ("both nodes", 2)] {
        let mut rates: [Vec<f64>; 2] = Default::default();
        // Round 0 warms up, and is not counted.
        for round in 0..=rounds {
            for copies in [1, 2] {
                cluster.api(0).set("cluster.copies", json!(copies))?;
                wait_until("the number of copies on both", DRAIN, || {
                    (0..2).all(|n| cluster.api(n).setting("/cluster/copies").is_ok_and(|v| v == json!(copies)))
                })?;
                let load = Load::start(cluster.client(), doors[..loaded].to_vec(), SESSIONS, Duration::ZERO, SIZE)?;
                let begun = Instant::now();
                thread::sleep(Duration::from_secs(seconds));
                let rate = load.account().taken.len() as f64 / begun.elapsed().as_secs_f64();
                let account = load.stop();
                wait_until("all mails at the backend", DRAIN, || cluster.backend.count() >= account.taken.len())?;
                cluster.backend.clear();
                if round > 0 {
                    rates[copies - 1].push(rate);
                }
            }
        }
        let (off, on) = (median(&rates[0]), median(&rates[1]));
        rows.push(vec![who.to_owned(), format!("{off:.0}"), format!("{on:.0}"), format!("{:.0} %", on / off * 100.0)]);
        bars.push(Bar::at_least(format!("copies: mails/s with a copy, load on {who}"), on / off * 100.0, 70.0, "%"));
        details.push(json!({"load_on": who, "rate_without": rates[0], "rate_with": rates[1]}));
    }
    let held: u64 = (0..2).filter_map(|n| cluster.api(n).get("/cluster").ok()?["copies"]["shadowed"].as_u64()).sum();
    let mut remarks =
        vec![format!("{SESSIONS} sessions, a connection for each mail of 8 KiB, the whole filter, delivery to a backend meanwhile.")];
    if held == 0 {
        remarks.push("No mail was copied: this build makes no copies. Both columns measure the same, and no bar is judged.".into());
        bars.clear();
    }
    Ok(Found {
        title: format!("Mails a second taken by 2 nodes, medians of {rounds} interleaved rounds of {seconds} s"),
        head: vec!["load on", "without a copy", "with a copy", "share"],
        rows,
        remarks,
        bars,
        details: json!({"rounds": details, "shadowed": held}),
    })
}
