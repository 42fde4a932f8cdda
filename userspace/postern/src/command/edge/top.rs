//! `postern edge top`: what the edge does at this moment.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::client::{CommandError, Node};
use crate::command::output::{self, list, octets, string};

/// Sources that are shown.
const SOURCES: usize = 15;
/// Samples that are counted: all that the edge keeps.
const SAMPLES: usize = 1000;

/// Packets and octets by counter.
type Counts = BTreeMap<String, (u64, u64)>;

pub async fn run(node: &Node, every: Duration, looks: Option<u64>) -> Result<(), CommandError> {
    if every < Duration::from_millis(100) {
        return Err(CommandError::Usage("--every: write 100ms or more".into()));
    }
    let (mut before, mut at) = (counts(&node.get("/edge").await?), Instant::now());
    let mut done = 0;
    while looks.is_none_or(|most| done < most) {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        let status = node.get("/edge").await?;
        let samples = node.get(&format!("/edge/samples?limit={SAMPLES}")).await?;
        let (now, seconds) = (counts(&status), at.elapsed().as_secs_f64());
        at = Instant::now();
        let rates = rates(&before, &now, seconds);
        let sources = sources(&samples);
        if node.json {
            let rates: BTreeMap<&str, Value> =
                rates.iter().map(|(n, p, o)| (n.as_str(), json!({ "packets_per_second": p, "octets_per_second": o }))).collect();
            let sources: Vec<Value> = sources.iter().map(|(s, reason, n)| json!({ "source": s, "reason": reason, "samples": n })).collect();
            output::json(&json!({ "rates": rates, "sources": sources, "bans": status["bans"] }));
        } else {
            show(&status, &rates, &sources);
        }
        before = now;
        done += 1;
    }
    Ok(())
}

fn counts(status: &Value) -> Counts {
    let count = |c: &Value| (string(&c["name"]), (c["packets"].as_u64().unwrap_or(0), c["octets"].as_u64().unwrap_or(0)));
    list(status, "counters").iter().map(count).collect()
}

/// Counters that moved, with packets and octets a second, the busiest first.
fn rates(before: &Counts, now: &Counts, seconds: f64) -> Vec<(String, f64, f64)> {
    let mut found: Vec<(String, f64, f64)> = now
        .iter()
        .filter_map(|(name, (packets, octets))| {
            let (p, o) = before.get(name).copied().unwrap_or((0, 0));
            let packets = packets.saturating_sub(p) as f64 / seconds;
            (packets > 0.0).then(|| (name.clone(), packets, octets.saturating_sub(o) as f64 / seconds))
        })
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    found
}

/// Sources among the samples of dropped packets, with reason and number, the most frequent first.
fn sources(samples: &Value) -> Vec<(String, String, usize)> {
    let mut counted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for s in list(samples, "samples") {
        *counted.entry((string(&s["source"]), string(&s["reason"]))).or_default() += 1;
    }
    let mut found: Vec<_> = counted.into_iter().map(|((source, reason), n)| (source, reason, n)).collect();
    found.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
    found.truncate(SOURCES);
    found
}

fn show(status: &Value, rates: &[(String, f64, f64)], sources: &[(String, String, usize)]) {
    if std::io::stdout().is_terminal() {
        // Home, and clear to the end (ECMA-48).
        output::text("\x1b[H\x1b[J");
    }
    output::facts(&[("bans", string(&status["bans"])), ("samples lost", string(&status["samples_lost"]))]);
    output::text("");
    let row = |(name, packets, size): &(String, f64, f64)| vec![name.clone(), format!("{packets:.0}"), octets(&json!(*size as u64))];
    match rates.is_empty() {
        true => output::text("no packet came"),
        false => output::table(&["COUNTER", "PACKETS/S", "OCTETS/S"], &rates.iter().map(row).collect::<Vec<_>>()),
    }
    if !sources.is_empty() {
        output::text("");
        let row = |(source, reason, n): &(String, String, usize)| vec![source.clone(), reason.clone(), n.to_string()];
        output::table(&["DROPPED SOURCE", "REASON", "SAMPLES"], &sources.iter().map(row).collect::<Vec<_>>());
    }
    output::text("");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moved_is_shown_by_its_rate() {
        let counted = |drop: u64, pass: u64| {
            counts(&json!({ "counters": [
                { "name": "drop-ban", "packets": drop, "octets": drop * 60 },
                { "name": "pass", "packets": pass, "octets": pass * 100 },
                { "name": "pass-fragment", "packets": 7, "octets": 700 } ] }))
        };
        let found = rates(&counted(10, 100), &counted(30, 110), 2.0);
        assert_eq!(found, [("drop-ban".to_owned(), 10.0, 600.0), ("pass".to_owned(), 5.0, 500.0)]);
    }

    #[test]
    fn the_most_frequent_source_stands_first() {
        let sample = |source: &str| json!({ "source": source, "reason": "drop-feed" });
        let samples = json!({ "samples": [sample("192.0.2.1"), sample("192.0.2.9"), sample("192.0.2.9")] });
        let found: Vec<_> = sources(&samples).into_iter().map(|(s, _, n)| (s, n)).collect();
        assert_eq!(found, [("192.0.2.9".to_owned(), 2), ("192.0.2.1".to_owned(), 1)]);
    }
}
