//! What is counted by the minute: that this node is there and takes mail, how many mails wait, what the edge dropped. Sums, so that
//! those of several hours and nodes can be added.

use std::collections::HashMap;
use std::time::Duration;

use postern_model::control::Counter;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::routes::edge;
use crate::state::{Console, now};

const BEAT: Duration = Duration::from_secs(60);

pub async fn keep(console: Console, stop: CancellationToken) {
    let mut beats = tokio::time::interval(BEAT);
    // Minutes that a machine slept through were none.
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drops = Drops::default();
    let mut is_first = true;
    while stop.run_until_cancelled(beats.tick()).await.is_some() {
        let edge = edge::quick_status(&console).await;
        let (counters, at) = (console.state().database.counters(), now());
        for (name, n) in edge.map(|status| drops.since_last(status.counters)).unwrap_or_default() {
            counters.add(format!("edge-{name}"), n, at);
        }
        // The first comes at once: no minute has passed.
        if !std::mem::take(&mut is_first) {
            counters.add("minutes-up", 1, at);
            counters.add("minutes-ready", u64::from(console.is_ready()), at);
            counters.add("queue-minutes", console.state().queue.status().mails as u64, at);
        }
    }
}

/// The kernel's counters, as they were the last time.
#[derive(Default)]
struct Drops(Option<HashMap<String, u64>>);

impl Drops {
    /// What was dropped since then, by reason. The first time nobody knows since when; a counter that is lower began anew.
    fn since_last(&mut self, counters: Vec<Counter>) -> Vec<(String, u64)> {
        let drops: HashMap<String, u64> = counters.into_iter().filter(|c| c.drops).map(|c| (c.name, c.packets)).collect();
        let last = self.0.replace(drops.clone());
        let Some(last) = last else { return Vec::new() };
        let grown = |(name, n): (String, u64)| {
            let before = last.get(&name).copied().unwrap_or(0);
            let more = if n < before { n } else { n - before };
            (more > 0).then_some((name, more))
        };
        drops.into_iter().filter_map(grown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(of: &[(&str, u64)]) -> Vec<Counter> {
        let one = |(name, packets): &(&str, u64)| Counter {
            name: (*name).to_owned(),
            drops: name.starts_with("drop-"),
            packets: *packets,
            octets: 0,
        };
        of.iter().map(one).collect()
    }

    #[test]
    fn drops_are_counted_from_what_was_last_seen() {
        let mut drops = Drops::default();
        assert_eq!(drops.since_last(counters(&[("drop-ban", 1000), ("pass", 7)])), []);
        assert_eq!(drops.since_last(counters(&[("drop-ban", 1005), ("pass", 9)])), [("drop-ban".to_owned(), 5)]);
        assert_eq!(drops.since_last(counters(&[("drop-ban", 1005), ("drop-feed", 2)])), [("drop-feed".to_owned(), 2)]);
        assert_eq!(drops.since_last(counters(&[("drop-ban", 3)])), [("drop-ban".to_owned(), 3)], "its maps were made anew");
    }
}
