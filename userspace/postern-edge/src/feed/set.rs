//! The feeds of the settings with what each held when it was last read well.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use postern_model::control::FeedStatus;
use postern_model::settings::edge::Feed;
use postern_model::time::Timestamp;

use super::fetch::copy_of;
use super::line::Read;
use super::plan::Rule;

/// Feeds at most: a slot of the kernel's table has so many bits for their number.
pub const MAX_FEEDS: usize = postern_ebpf_abi::feed::v4::MAX_FEEDS as usize;

#[derive(Debug)]
struct Held {
    feed: Feed,
    networks: Arc<Vec<IpNet>>,
    loaded: Option<Timestamp>,
    tried: Option<Timestamp>,
    error: Option<String>,
}

#[derive(Debug, Default)]
pub struct FeedSet {
    held: Vec<Held>,
}

/// One feed that is to be read again.
#[derive(Clone, Debug)]
pub struct Due {
    pub index: usize,
    pub feed: Feed,
    pub file: PathBuf,
    /// It was not read since this process began.
    pub is_first: bool,
}

impl FeedSet {
    /// Takes over the settings' feeds; those that were there before keep their content until they are read again.
    pub fn set(&mut self, feeds: &[Feed]) {
        let mut old = std::mem::take(&mut self.held);
        for feed in feeds.iter().take(MAX_FEEDS) {
            let known = old.iter().position(|h| h.feed.name == feed.name && h.feed.file == feed.file && h.feed.url == feed.url);
            self.held.push(match known.map(|at| old.swap_remove(at)) {
                Some(held) => Held { feed: feed.clone(), ..held },
                None => Held { feed: feed.clone(), networks: Arc::default(), loaded: None, tried: None, error: None },
            });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub fn names(&self) -> Vec<String> {
        self.held.iter().map(|h| h.feed.name.to_string()).collect()
    }

    /// The feeds whose time has come; all of them when `now` is `None`.
    pub fn due(&self, folder: &Path, now: Option<Timestamp>) -> Vec<Due> {
        let is_due = |held: &Held| match (now, held.tried) {
            (Some(now), Some(tried)) => now.since(tried) >= held.feed.every.0.max(SOONEST),
            _ => true,
        };
        let due = self.held.iter().enumerate().filter(|(_, held)| is_due(held));
        due.map(|(index, held)| {
            let file = if held.feed.url.is_some() { copy_of(folder, held.feed.name.as_str()) } else { held.feed.file.clone() };
            Due { index, feed: held.feed.clone(), file, is_first: held.tried.is_none() }
        })
        .collect()
    }

    /// Records how reading one feed went; true when its content changed. A feed that the settings no longer name is ignored.
    pub fn record(&mut self, due: &Due, outcome: Result<Read, String>, now: Timestamp) -> bool {
        let is_same = |h: &&mut Held| h.feed.name == due.feed.name && h.feed.file == due.feed.file && h.feed.url == due.feed.url;
        let Some(held) = self.held.get_mut(due.index).filter(is_same) else { return false };
        held.tried = Some(now);
        match outcome {
            Ok(read) => {
                held.error = bad_lines(&read);
                held.loaded = Some(now);
                let changed = *held.networks != read.networks;
                held.networks = Arc::new(read.networks);
                changed
            }
            Err(why) => {
                held.error = Some(why);
                false
            }
        }
    }

    /// Adds to a feed's status that something beside its content went wrong.
    pub fn note(&mut self, due: &Due, why: String) {
        if let Some(held) = self.held.get_mut(due.index).filter(|h| h.feed.name == due.feed.name) {
            held.error = Some(match held.error.take() {
                Some(other) => format!("{why}; {other}"),
                None => why,
            });
        }
    }

    /// All rules, for a plan.
    pub fn rules(&self) -> Vec<Rule> {
        let mut rules = Vec::with_capacity(self.held.iter().map(|h| h.networks.len()).sum());
        for (index, held) in self.held.iter().enumerate() {
            rules.extend(held.networks.iter().map(|network| Rule { network: *network, feed: index as u16 }));
        }
        rules
    }

    pub fn status(&self) -> Vec<FeedStatus> {
        let status =
            |h: &Held| FeedStatus { name: h.feed.name.to_string(), entries: h.networks.len(), loaded: h.loaded, error: h.error.clone() };
        self.held.iter().map(status).collect()
    }
}

/// No feed is read more often, whatever its setting says.
const SOONEST: Duration = Duration::from_secs(10);

fn bad_lines(read: &Read) -> Option<String> {
    let first = read.problems.first()?;
    let more = read.bad_lines - 1;
    let rest = if more > 0 { format!(" (and {more} more bad lines)") } else { String::new() };
    Some(format!("line {}: {}{rest}", first.line, first.error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use postern_model::time::Span;

    use super::*;
    use crate::feed::line;

    fn feed(name: &str, file: &str) -> Feed {
        Feed { name: name.parse().unwrap(), file: file.into(), url: None, every: Span::hours(1) }
    }

    #[test]
    fn the_last_good_content_stays_in_force() {
        let mut set = FeedSet::default();
        set.set(&[feed("drop", "/a"), feed("mine", "/b")]);
        let due = set.due(Path::new("/data"), Some(Timestamp(0)));
        assert_eq!(due.len(), 2);
        let good = line::read("192.0.2.0/24\nnonsense\n".as_bytes()).unwrap();
        assert!(set.record(&due[0], Ok(good.clone()), Timestamp(1)));
        assert!(!set.record(&due[0], Ok(good), Timestamp(2)), "nothing new");
        assert!(!set.record(&due[0], Err("no such file".into()), Timestamp(3)));
        assert_eq!(set.rules().len(), 1);
        let status = &set.status()[0];
        assert_eq!((status.entries, status.loaded, status.error.as_deref()), (1, Some(Timestamp(2)), Some("no such file")));
        set.set(&[feed("mine", "/b"), feed("drop", "/a")]);
        assert_eq!(set.rules()[0].feed, 1, "it moved and kept its content");
        assert_eq!(set.due(Path::new("/data"), Some(Timestamp(4))).len(), 1, "only the one never tried");
        assert_eq!(set.due(Path::new("/data"), None).len(), 2);
    }
}
