//! Own rows: numbered, stored, then pushed. A row is told to a peer only after it is durable here: else a crash
//! would give its number to another row.

use std::sync::Arc;
use std::time::Duration;

use super::bounds::{COMMIT_AFTER, LAST_SEQ, PAGE_OCTETS, PAGE_ROWS, PUSH_AFTER, UNSAVED_ROWS};
use super::fact::Fact;
use super::kind::Kind;
use super::machine::{Commit, Ledger, Now};
use super::message::{Cause, Delta, Message};
use super::origin::{Head, NodeId};
use super::output::{Applied, Output, Step};
use super::peers::Share;
use super::row::{Bucket, Octets, Row};

#[derive(Debug)]
pub(super) struct Publish {
    pub(super) next_seq: u64,
    /// Written, and not given to the store yet.
    pub(super) batch: Vec<(Row, Fact)>,
    opened: Option<Duration>,
    /// Rows the store is working on. While there are any, no others are given to it.
    pub(super) storing: usize,
    /// Durable, and not pushed yet.
    unpushed: Vec<Row>,
    unpushed_octets: usize,
    unpushed_since: Option<Duration>,
    stored_since: Option<Duration>,
    /// The last row pushed.
    pushed: u64,
}

impl Publish {
    pub(super) fn after(seq: u64) -> Self {
        Self {
            next_seq: seq + 1,
            batch: Vec::new(),
            opened: None,
            storing: 0,
            unpushed: Vec::new(),
            unpushed_octets: 0,
            unpushed_since: None,
            stored_since: None,
            pushed: seq,
        }
    }

    pub(super) fn due(&self) -> Option<Duration> {
        let store = self.opened.filter(|_| self.storing == 0).map(|t| t + COMMIT_AFTER);
        let push = self.unpushed_since.map(|t| t + PUSH_AFTER);
        store.into_iter().chain(push).min()
    }

    /// What was to be pushed is not, also what the store is working on; peers find a gap and fetch.
    pub(super) fn forget_unpushed(&mut self) {
        self.unpushed.clear();
        (self.unpushed_octets, self.unpushed_since) = (0, None);
        self.pushed = self.batch.first().map_or(self.next_seq, |(row, _)| row.seq) - 1;
    }

    /// The store did not keep rows from this one on.
    pub(super) fn not_stored(&mut self, from: u64) {
        self.storing = 0;
        self.unpushed.retain(|r| r.seq < from);
        self.unpushed_octets = self.unpushed.iter().map(Row::size).sum();
    }

    /// Takes what is to be stored with the next commit.
    pub(super) fn take_batch(&mut self) -> Vec<(Row, Fact)> {
        self.stored_since = self.opened.take();
        self.storing = self.batch.len().max(1);
        std::mem::take(&mut self.batch)
    }
}

/// Why an own row was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The caller's fault; a retry does not help.
    #[error("a row of kind {} is above the bound of its kind, or not sound", .0.name())]
    Unsound(Kind),
    /// The store's; a retry helps when it is quicker.
    #[error("{UNSAVED_ROWS} rows wait for the store")]
    Backlog,
    /// Nobody's.
    #[error("all sequence numbers are used")]
    Exhausted,
}

impl Ledger {
    /// Writes a row of our own, to be kept for `keep` (at most as long as its kind is). It is durable when
    /// [`Output::Saved`] says so.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(&mut self, now: Now, fact: Fact, keep: Duration) -> Result<u64, WriteError> {
        let kind = fact.kind();
        let (key, value) = fact.encode().ok_or(WriteError::Unsound(kind))?;
        if self.publish.batch.len() + self.publish.storing >= UNSAVED_ROWS {
            return Err(WriteError::Backlog);
        }
        if self.publish.next_seq >= LAST_SEQ {
            return Err(WriteError::Exhausted);
        }
        let (_, _, longest) = kind.bounds();
        let bucket = Bucket::ending(now.wall, keep.min(longest));
        let seq = self.next_own_seq();
        let row = Row { seq, kind: kind.number(), key: key.into(), value: value.into(), at: now.wall, bucket, extra: Octets::default() };
        self.publish.batch.push((row, fact));
        self.publish.opened.get_or_insert(now.steady);
        self.store_own(now);
        Ok(seq)
    }

    /// The next number; the first one of a life is remembered in the history.
    pub(super) fn next_own_seq(&mut self) -> u64 {
        let seq = self.publish.next_seq;
        self.publish.next_seq += 1;
        let known = self.origins.entry(self.own).or_default();
        if known.history.lives().last().is_none_or(|l| l.life != self.life) {
            known.history.begin(self.life, seq);
        }
        seq
    }

    pub(super) fn store_own(&mut self, now: Now) {
        let Some(opened) = self.publish.opened else { return };
        if self.publish.storing > 0 || (now.steady < opened + COMMIT_AFTER && self.publish.batch.len() < PAGE_ROWS) {
            return;
        }
        let batch = self.publish.take_batch();
        let (Some((first, _)), Some((last, _))) = (batch.first(), batch.last()) else { return };
        let (from, head) = (first.seq, Head { seq: last.seq, life: self.life });
        let (rows, facts) = applied(batch);
        let history = self.origins.entry(self.own).or_default().history.clone();
        let steps = vec![Step::Put { origin: self.own, rows: rows.clone() }, Step::Head { origin: self.own, head, history }];
        self.publish.unpushed_octets += rows.iter().map(Row::size).sum::<usize>();
        self.publish.unpushed.extend(rows);
        self.commit(steps, Commit::Own { from, head, facts });
    }

    pub(super) fn own_saved(&mut self, now: Now, head: Head, facts: Vec<Applied>) {
        self.publish.storing = 0;
        let since = self.publish.stored_since.take();
        self.publish.unpushed_since = self.publish.unpushed_since.or(since);
        self.origins.entry(self.own).or_default().head = head;
        self.digest = None;
        self.output(Output::Saved { seq: head.seq });
        self.output(Output::Applied { origin: self.own, facts });
        self.store_own(now);
        self.try_re_origin();
    }

    /// Pushes what is durable: to all peers, or in a large cluster to a few in turn.
    pub(super) fn push_own(&mut self, now: Now) {
        let Some(since) = self.publish.unpushed_since else { return };
        let head = self.head(self.own);
        if now.steady < since + PUSH_AFTER && self.publish.unpushed_octets < PAGE_OCTETS {
            return;
        }
        if self.doubt.is_some() {
            return self.publish.forget_unpushed();
        }
        let to: Vec<NodeId> = if self.is_full_mesh() { self.peers.keys().copied().collect() } else { self.some_peers() };
        // Rows of a commit under way stay: they are not durable.
        let later = self.publish.unpushed.iter().position(|r| r.seq > head.seq).unwrap_or(self.publish.unpushed.len());
        let rows: Vec<Row> = self.publish.unpushed.drain(..later).collect();
        self.publish.unpushed_octets = self.publish.unpushed.iter().map(Row::size).sum();
        self.publish.unpushed_since = None;
        for rows in pages(rows) {
            let Some(last) = rows.last().map(|r| r.seq) else { continue };
            let head = Head { seq: last, life: self.life };
            let history = self.origins.entry(self.own).or_default().history.clone();
            let after = std::mem::replace(&mut self.publish.pushed, last);
            let delta = Delta { cause: Cause::Push, origin: self.own, after, rows, head: Some(head), history };
            let octets: Arc<[u8]> = Message::Delta(delta).encode().into();
            to.iter().for_each(|peer| self.post_octets(*peer, Share::Push, Arc::clone(&octets)));
        }
    }
}

/// Rows for the store, and what they say for the application.
pub(super) fn applied(batch: Vec<(Row, Fact)>) -> (Vec<Row>, Vec<Applied>) {
    let facts = |(row, fact): (Row, Fact)| {
        let applied = Applied { seq: row.seq, at: row.at, bucket: row.bucket, fact };
        (row, applied)
    };
    batch.into_iter().map(facts).unzip()
}

fn pages(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut pages: Vec<Vec<Row>> = Vec::new();
    let mut octets = 0;
    for row in rows {
        match pages.last_mut() {
            Some(page) if page.len() < PAGE_ROWS && octets < PAGE_OCTETS => {
                octets += row.size();
                page.push(row);
            }
            _ => {
                octets = row.size();
                pages.push(vec![row]);
            }
        }
    }
    pages
}
