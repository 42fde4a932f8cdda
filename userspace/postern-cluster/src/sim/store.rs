//! A store in memory. What [`Store::carry_out`] did survives a crash; SQLite does the same with a statement or two a step.

use std::collections::{BTreeMap, HashMap};

use crate::ledger::fact::Fact;
use crate::ledger::kind::Kind;
use crate::ledger::origin::{Head, History, Life, Origin};
use crate::ledger::output::{Kept, More, Page, Step};
use crate::ledger::row::{Bucket, Octets, Row};

#[derive(Clone, Debug, Default)]
pub struct Store {
    own: Option<Origin>,
    heads: BTreeMap<Origin, (Head, History)>,
    visible: BTreeMap<Origin, Rows>,
    staged: BTreeMap<Origin, Rows>,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    by_seq: BTreeMap<u64, Row>,
    by_key: HashMap<(u16, Octets), u64>,
}

impl Rows {
    fn put(&mut self, row: Row) {
        let newest = self.by_key.entry((row.kind, row.key.clone())).or_insert(row.seq);
        if *newest > row.seq {
            return;
        }
        let old = std::mem::replace(newest, row.seq);
        self.by_seq.remove(&old);
        let (kind, key) = (row.kind, row.key.clone());
        if let Some(other) = self.by_seq.insert(row.seq, row).filter(|o| (o.kind, &o.key) != (kind, &key)) {
            // Only a peer that lies gives two rows one number.
            self.by_key.remove(&(other.kind, other.key));
        }
    }

    fn expire(&mut self, now: Bucket) {
        let over = self.by_seq.extract_if(.., |_, row| row.bucket.is_over(now));
        for (_, row) in over {
            self.by_key.remove(&(row.kind, row.key));
        }
    }
}

impl Store {
    pub fn carry_out(&mut self, steps: Vec<Step>) {
        steps.into_iter().for_each(|step| self.step(step));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { origin, rows } => rows.into_iter().for_each(|r| self.visible.entry(origin).or_default().put(r)),
            Step::Stage { origin, rows } => rows.into_iter().for_each(|r| self.staged.entry(origin).or_default().put(r)),
            Step::Promote { origin } => {
                let staged = self.staged.remove(&origin).unwrap_or_default();
                staged.by_seq.into_values().for_each(|r| self.visible.entry(origin).or_default().put(r));
            }
            Step::Discard { origin } => drop(self.staged.remove(&origin)),
            Step::Head { origin, head, history } => drop(self.heads.insert(origin, (head, history))),
            Step::Own { origin } => self.own = Some(origin),
            Step::Move { from, to } => {
                let rows = self.visible.remove(&from).unwrap_or_default();
                rows.by_seq.into_values().for_each(|r| self.visible.entry(to).or_default().put(r));
            }
            Step::Forget { origin } => drop(self.visible.remove(&origin)),
            Step::Expire { now } => {
                for rows in self.visible.values_mut().chain(self.staged.values_mut()) {
                    rows.expire(now);
                }
            }
        }
    }

    pub fn read(&self, origin: Origin, after: u64, rows: usize, octets: usize) -> Page {
        let (head, history) = self.heads.get(&origin).cloned().unwrap_or_default();
        let mut page = Page { rows: Vec::new(), more: More::Nothing, head, history };
        let mut size = 0;
        for row in self.rows_after(origin, after) {
            if page.rows.len() >= rows || (size >= octets && !page.rows.is_empty()) {
                page.more = More::Follows;
                break;
            }
            size += row.size();
            page.rows.push(row.clone());
        }
        page
    }

    pub fn rows_after(&self, origin: Origin, after: u64) -> impl Iterator<Item = &Row> {
        self.visible.get(&origin).into_iter().flat_map(move |r| r.by_seq.range(after.saturating_add(1)..).map(|(_, r)| r))
    }

    /// All visible rows.
    pub fn rows(&self) -> impl Iterator<Item = (Origin, &Row)> {
        self.visible.iter().flat_map(|(o, rows)| rows.by_seq.values().map(|r| (*o, r)))
    }

    /// Visible rows of an origin that are not over.
    pub fn living(&self, now: Bucket) -> BTreeMap<(Origin, u64), &Row> {
        self.rows().filter(|(_, r)| !r.bucket.is_over(now)).map(|(o, r)| ((o, r.seq), r)).collect()
    }

    pub fn staged(&self) -> usize {
        self.staged.values().map(|r| r.by_seq.len()).sum()
    }

    /// What a node finds when it starts.
    pub fn open(&mut self) -> Kept {
        self.staged.clear();
        let mut voids: BTreeMap<Origin, Vec<Life>> = BTreeMap::new();
        for (origin, row) in self.rows().filter(|(_, r)| r.kind == Kind::VoidLives.number()) {
            if let Some(Fact::VoidLives(incarnation, void)) = Fact::decode(Kind::VoidLives, &row.key.0, &row.value.0) {
                voids.entry(Origin { node: origin.node, incarnation }).or_default().extend(void.lives);
            }
        }
        Kept { own: self.own, heads: self.heads.clone(), voids }
    }
}
