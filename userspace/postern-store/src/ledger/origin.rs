//! Who wrote a row: node, incarnation, life; and how far a node has what an origin wrote.

use std::fmt;

pub use postern_model::node::NodeId;
use serde::{Deserialize, Serialize};

/// Lives an origin remembers: its latest starts that wrote something.
pub const LIVES: usize = 16;
/// No origin ever writes so many rows (a million a second for eight years).
pub const LAST_SEQ: u64 = 1 << 48;

/// A writer of rows. A node has one at a time; the earlier ones are fetched and kept like a stranger's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    pub node: NodeId,
    /// 64 random bits, drawn when the node is made and after each restore from a backup.
    #[serde(with = "postcard::fixint::le")]
    pub incarnation: u64,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:x}", self.node, self.incarnation)
    }
}

/// One start of a node, as 64 random bits. Zero is nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Life(#[serde(with = "postcard::fixint::le")] pub u64);

/// Everything of an origin up to `seq`, which was written in `life`, is here or was replaced by something that is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub seq: u64,
    pub life: Life,
}

impl Head {
    /// Nothing is here.
    pub const ZERO: Self = Self { seq: 0, life: Life(0) };

    pub fn is_possible(self) -> bool {
        self.seq <= LAST_SEQ && (self.seq == 0) == (self.life == Life(0))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeStart {
    pub life: Life,
    /// The first row it wrote.
    pub since: u64,
}

/// The latest lives of an origin, oldest first, at most [`LIVES`]: it travels with every delta, and tells a node
/// that lags behind from one that followed another history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History(Vec<LifeStart>);

impl History {
    pub fn begin(&mut self, life: Life, since: u64) {
        self.0.push(LifeStart { life, since });
        if self.0.len() > LIVES {
            self.0.remove(0);
        }
    }

    pub fn lives(&self) -> &[LifeStart] {
        &self.0
    }

    pub fn since(&self, life: Life) -> Option<u64> {
        self.0.iter().find(|l| l.life == life).map(|l| l.since)
    }

    /// Ascending, bounded, and fit for a head.
    pub fn is_possible(&self, head: Head) -> bool {
        self.0.len() <= LIVES
            && self.0.windows(2).all(|w| w[0].since < w[1].since)
            && self.0.iter().all(|l| l.life != Life(0) && l.since > 0)
            && self.0.last().map_or(head == Head::ZERO, |l| l.life == head.life && l.since <= head.seq)
    }

    /// Whether `head` lies on this history. One that is older than the oldest life remembered is believed.
    pub fn agrees(&self, head: Head) -> bool {
        if head == Head::ZERO {
            return true;
        }
        match self.0.iter().position(|l| l.life == head.life) {
            Some(i) => self.0[i].since <= head.seq && self.0.get(i + 1).is_none_or(|next| head.seq < next.since),
            None => self.0.first().is_some_and(|oldest| head.seq < oldest.since),
        }
    }

    /// The lives of this history that are not part of `theirs`. Call it when they disagree.
    pub fn parted_from(&self, theirs: &Self) -> Vec<Life> {
        let oldest = theirs.0.first().map_or(0, |l| l.since);
        self.0.iter().filter(|l| l.since >= oldest && theirs.since(l.life) != Some(l.since)).map(|l| l.life).collect()
    }

    /// The part before a row.
    pub fn before(&self, since: u64) -> Self {
        Self(self.0.iter().copied().filter(|l| l.since < since).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(lives: &[(u64, u64)]) -> History {
        let mut h = History::default();
        lives.iter().for_each(|&(life, since)| h.begin(Life(life), since));
        h
    }

    fn head(seq: u64, life: u64) -> Head {
        Head { seq, life: Life(life) }
    }

    #[test]
    fn a_lagging_peer_agrees_and_one_of_another_history_does_not() {
        let own = history(&[(1, 1), (2, 101), (3, 250)]);
        for (seq, life) in [(0, 0), (1, 1), (100, 1), (101, 2), (249, 2), (250, 3), (900, 3)] {
            assert!(own.agrees(head(seq, life)), "{seq} {life}");
        }
        for (seq, life) in [(101, 1), (150, 1), (100, 2), (250, 2), (120, 9), (1, 9)] {
            assert!(!own.agrees(head(seq, life)), "{seq} {life}");
        }
        assert!(!History::default().agrees(head(1, 1)), "an empty database knows less than its peers");
    }

    #[test]
    fn the_lives_the_peers_do_not_know_are_told() {
        let own = history(&[(1, 1), (2, 101), (3, 250)]);
        let parted = |theirs: &[(u64, u64)]| own.parted_from(&history(theirs));
        assert_eq!(parted(&[(1, 1)]), [Life(2), Life(3)]);
        assert_eq!(parted(&[(1, 1), (7, 120)]), [Life(2), Life(3)]);
        assert_eq!(parted(&[(1, 1), (2, 101), (3, 250)]), [], "lost its own last rows");
        assert_eq!(parted(&[(2, 101), (7, 200)]), [Life(3)], "their oldest lives are forgotten");
    }

    #[test]
    fn old_lives_are_forgotten_and_then_believed() {
        let mut own = History::default();
        (1..=30).for_each(|n| own.begin(Life(n), n * 10));
        assert_eq!(own.lives().len(), LIVES);
        assert!(own.agrees(head(12, 1)));
        assert!(!own.agrees(head(200, 1)));
    }
}
