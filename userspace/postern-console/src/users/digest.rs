//! Digests: at some times of day each user with new mail in quarantine is told of it, once in a cluster.
//!
//! Thinking: every node knows the whole quarantine, so each could tell everybody. For each address the nodes have an order of their
//! own, by hash: the first sends at the time itself, the second ten minutes later if it did not hear that it was done, and so
//! on. A node that is down stops nothing, and nobody has to agree who is. Who sends takes the digest first, here and on all
//! nodes that are there ([`peers::claim`]). What is to be told follows from the settings and the clock alone: what came
//! between the time before and this one. A node that was down at the time makes up for it when it is back within half a day.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use postern_model::address::Address;
use postern_model::reason::Reason;
use postern_model::settings::Settings;
use postern_model::settings::users::minute_of_day;
use postern_model::time::Timestamp;
use postern_store::database::DatabaseError;
use postern_store::database::quarantine::{PAGE_LIMIT, QuarantineEntry, QuarantineSearch, QuarantineState};
use tokio_util::sync::CancellationToken;

use super::{is_user, new_link, words};
use crate::letters::{self, LetterError};
use crate::peers;
use crate::problem::Problem;
use crate::state::{Console, now};
use crate::turn::rank;

/// How often one looks whether it is time.
const LOOK: Duration = Duration::from_secs(20);
/// How long a node waits for each that is before it.
const TURN_MS: i64 = 600_000;
/// Later than this a digest is not made up for: the next one is near.
const LATEST_MS: i64 = 12 * 3_600_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// A mail as a digest names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub at: Timestamp,
    pub from: String,
    pub subject: Option<String>,
}

/// What one user is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct News {
    /// The newest, no more than a digest names.
    named: Vec<Held>,
    count: usize,
}

/// From when (exclusive) until when mails are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Window {
    from: Timestamp,
    to: Timestamp,
}

/// The last time of day that has come, and the one before it. `None`: there are none.
fn window(times: &[u32], at: Timestamp) -> Option<Window> {
    let midnight = at.0.div_euclid(DAY_MS) * DAY_MS;
    let moments = |day: i64| times.iter().map(move |minute| midnight + day * DAY_MS + i64::from(*minute) * MINUTE_MS);
    let mut past: Vec<i64> = (-2..=0).flat_map(moments).filter(|moment| *moment <= at.0).collect();
    past.sort_unstable();
    past.dedup();
    let to = past.pop()?;
    Some(Window { from: Timestamp(past.pop()?), to: Timestamp(to) })
}

fn is_due(window: Window, rank: usize, at: Timestamp) -> bool {
    let late = at.0 - window.to.0;
    late >= i64::try_from(rank).unwrap_or(i64::MAX).saturating_mul(TURN_MS) && late < LATEST_MS
}

/// What every user is told of mails, the newest first.
fn add_news(news: &mut BTreeMap<String, News>, entries: &[QuarantineEntry], settings: &Settings) {
    // What somebody blocked is not brought back before the eyes.
    for entry in entries.iter().filter(|e| e.reason != Reason::UserBlocked) {
        for recipient in &entry.recipients {
            let Ok(address) = recipient.parse::<Address>() else { continue };
            if !is_user(settings, &address) {
                continue;
            }
            let one = news.entry(address.key()).or_default();
            one.count += 1;
            if one.named.len() < settings.users.digest_mails {
                let from = entry.from_header.clone().filter(|f| !f.is_empty()).unwrap_or_else(|| entry.sender.clone());
                one.named.push(Held { at: entry.at, from, subject: entry.subject.clone() });
            }
        }
    }
}

async fn gather(console: &Console, settings: &Settings, window: Window) -> Result<BTreeMap<String, News>, DatabaseError> {
    let mut news = BTreeMap::new();
    let mut search = QuarantineSearch {
        state: Some(QuarantineState::Held),
        from: Some(Timestamp(window.from.0 + 1)),
        to: Some(window.to),
        limit: PAGE_LIMIT,
        ..QuarantineSearch::default()
    };
    loop {
        let page = console.state().database.quarantine().search(&search).await?;
        add_news(&mut news, &page.mails, settings);
        search.before = page.next;
        if search.before.is_none() {
            return Ok(news);
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum DigestError {
    #[error("{}", .0.detail)]
    Claim(Problem),
    #[error(transparent)]
    Letter(#[from] LetterError),
}

/// What this node has done about one window.
#[derive(Default)]
struct Done {
    window: Option<Window>,
    /// Whose turn it was when it looked last: it looks once at each.
    turn: Option<i64>,
    /// Told, by this node or by another.
    told: HashSet<String>,
    /// Taken by this node, and not sent yet: the spool did not take it.
    taken: HashSet<String>,
}

/// Sends digests until the node stops.
pub async fn keep(console: Console, stop: CancellationToken) {
    let mut done = Done::default();
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let settings = console.state().settings.settings();
        if settings.users.enabled {
            look(&console, &settings, &mut done, now()).await;
        }
    }
}

async fn look(console: &Console, settings: &Settings, done: &mut Done, at: Timestamp) {
    let times: Vec<u32> = settings.users.digest_at.iter().filter_map(|t| minute_of_day(t)).collect();
    let Some(window) = window(&times, at).filter(|w| is_due(*w, 0, at)) else { return };
    if done.window != Some(window) {
        *done = Done { window: Some(window), ..Done::default() };
    }
    let turn = Some((at.0 - window.to.0) / TURN_MS);
    if done.turn == turn {
        return;
    }
    let news = match gather(console, settings, window).await {
        Ok(news) => news,
        Err(error) => {
            tracing::warn!(%error, "digests wait for the quarantine's index");
            return;
        }
    };
    done.turn = turn;
    let members = console.state().cluster.members();
    let own = members.iter().find(|m| m.this).map(|m| m.id.to_string()).unwrap_or_default();
    let nodes: Vec<String> = members.iter().map(|m| m.id.to_string()).collect();
    for (key, news) in news {
        if done.told.contains(&key) || !is_due(window, rank(&key, &own, &nodes), at) {
            continue;
        }
        match tell(console, settings, done, window, &key, &news).await {
            Ok(()) => {
                done.told.insert(key);
            }
            Err(error) => tracing::error!(address = key, %error, "a digest waits"),
        }
    }
}

async fn tell(console: &Console, settings: &Settings, done: &mut Done, window: Window, key: &str, news: &News) -> Result<(), DigestError> {
    let Ok(address) = key.parse::<Address>() else { return Ok(()) };
    if !done.taken.contains(key) {
        let until = Timestamp(window.to.0 + 2 * DAY_MS);
        if !peers::claim(console, &format!("digest for {key}"), &window.to.0.to_string(), until).await.map_err(DigestError::Claim)? {
            return Ok(());
        }
        done.taken.insert(key.to_owned());
    }
    let link = new_link(console, settings, &address).await?;
    let text = words::of(settings.users.language).digest(&link, &address, &news.named, news.count, settings.users.link_lifetime);
    let id = letters::post(console, settings.users.language, &address, text).await?;
    tracing::info!(%address, mail = %id, mails = news.count, "a digest is on its way");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MIDNIGHT: i64 = 20_000 * DAY_MS;

    fn at(days: i64, hours: i64, minutes: i64) -> Timestamp {
        Timestamp(MIDNIGHT + days * DAY_MS + hours * 3_600_000 + minutes * MINUTE_MS)
    }

    #[test]
    fn windows_follow_each_other_without_a_gap() {
        type Case<'a> = (&'a [u32], Timestamp, Option<(Timestamp, Timestamp)>);
        let cases: &[Case<'_>] = &[
            (&[420], at(0, 7, 0), Some((at(-1, 7, 0), at(0, 7, 0)))),
            (&[420], at(0, 6, 59), Some((at(-2, 7, 0), at(-1, 7, 0)))),
            (&[780, 420], at(0, 7, 30), Some((at(-1, 13, 0), at(0, 7, 0)))),
            (&[420, 780], at(0, 23, 0), Some((at(0, 7, 0), at(0, 13, 0)))),
            (&[420, 420], at(0, 8, 0), Some((at(-1, 7, 0), at(0, 7, 0)))),
            (&[0], at(0, 0, 0), Some((at(-1, 0, 0), at(0, 0, 0)))),
            (&[], at(0, 8, 0), None),
        ];
        for (times, now, expected) in cases {
            assert_eq!(window(times, *now), expected.map(|(from, to)| Window { from, to }), "{times:?} at {now:?}");
        }
    }

    #[test]
    fn a_node_waits_for_those_before_it_and_none_for_ever() {
        let w = Window { from: at(-1, 7, 0), to: at(0, 7, 0) };
        assert!(is_due(w, 0, at(0, 7, 0)) && !is_due(w, 1, at(0, 7, 9)) && is_due(w, 1, at(0, 7, 10)) && is_due(w, 2, at(0, 7, 20)));
        assert!(!is_due(w, 0, at(0, 19, 0)), "half a day late is too late");
    }
}
