//! Counts of features, in memory: how many learned mails of each class a feature was in.
//!
//! Counts are sums: tables of several nodes are merged by adding them up, and order does not matter.

/// What a person says a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Spam,
    Ham,
}

impl Class {
    pub fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Ham => "ham",
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::Spam => Self::Ham,
            Self::Ham => Self::Spam,
        }
    }
}

/// Mails of each class: in which a feature was, or learned in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub spam: u32,
    pub ham: u32,
}

impl Counts {
    pub fn one(class: Class) -> Self {
        match class {
            Class::Spam => Self { spam: 1, ham: 0 },
            Class::Ham => Self { spam: 0, ham: 1 },
        }
    }

    pub fn total(self) -> u32 {
        self.spam.saturating_add(self.ham)
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { spam: self.spam.saturating_add(other.spam), ham: self.ham.saturating_add(other.ham) }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { spam: self.spam.saturating_sub(other.spam), ham: self.ham.saturating_sub(other.ham) }
    }
}

/// Greatest count a slot holds (24 bits): beyond that many mails a feature's share no longer moves.
const MAX_COUNT: u32 = (1 << 24) - 1;
/// Octets of a slot: the feature without its lowest octet (7), spam (3), ham (3). With the tag beside it,
/// 4 million at a load of 5/6 are 67 MB.
const SLOT: usize = 13;

/// An open-addressing table from feature to counts, and how many mails they come from.
///
/// A feature's lowest octet is its tag and stands apart: half of a mail's features are unknown, and the
/// tags say so of nearly all of them without a look at the slots, most of which are not in the cache.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// One for each slot; zero marks an empty one.
    tags: Vec<u8>,
    slots: Vec<[u8; SLOT]>,
    used: usize,
    learned: Counts,
}

impl Tokens {
    pub fn new() -> Self {
        Self::default()
    }

    /// Room for `features` without growing.
    pub fn with_capacity(features: usize) -> Self {
        Self::with_slots(slots_for(features), Counts::default())
    }

    fn with_slots(slots: usize, learned: Counts) -> Self {
        Self { tags: vec![0; slots], slots: vec![[0; SLOT]; slots], used: 0, learned }
    }

    /// Features with a count.
    pub fn len(&self) -> usize {
        self.used
    }

    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Octets of memory.
    pub fn memory(&self) -> usize {
        self.slots.capacity() * SLOT + self.tags.capacity()
    }

    /// Mails learned of each class.
    pub fn learned(&self) -> Counts {
        self.learned
    }

    /// Sets what [`Tokens::learned`] says, when counts are loaded from disk.
    pub fn set_learned(&mut self, learned: Counts) {
        self.learned = learned;
    }

    pub fn get(&self, feature: u64) -> Counts {
        match self.find(key(feature)) {
            Some(Ok(at)) => unpack(&self.slots[at]),
            _ => Counts::default(),
        }
    }

    /// The counts of many features, in their order. The tags of a few are looked at before any slot is:
    /// the slots' lines come from memory side by side, where one after the other would be waited for.
    pub fn get_all(&self, features: &[u64]) -> Vec<Counts> {
        const AT_ONCE: usize = 32;
        let mut all = Vec::with_capacity(features.len());
        if self.slots.is_empty() {
            all.resize(features.len(), Counts::default());
            return all;
        }
        let mut likely = [None; AT_ONCE];
        for some in features.chunks(AT_ONCE) {
            for (slot, feature) in likely.iter_mut().zip(some) {
                let key = key(*feature);
                *slot = self.tagged(key, home(key, self.slots.len())).ok();
            }
            all.extend(some.iter().zip(&likely).map(|(feature, at)| match at {
                None => Counts::default(),
                Some(at) if self.key_at(*at) == key(*feature) => unpack(&self.slots[*at]),
                Some(_) => self.get(*feature),
            }));
        }
        all
    }

    /// Adds to a feature's counts.
    pub fn add(&mut self, feature: u64, counts: Counts) {
        if counts == Counts::default() {
            return;
        }
        if (self.used + 1) * 6 > self.slots.len() * 5 {
            self.grow();
        }
        let key = key(feature);
        match self.find(key) {
            Some(Ok(at)) => self.slots[at] = pack(key, unpack(&self.slots[at]).plus(counts)),
            Some(Err(at)) => {
                self.tags[at] = tag(key);
                self.slots[at] = pack(key, counts);
                self.used += 1;
            }
            // A table that has just grown has room.
            None => {}
        }
    }

    /// Counts a mail's features for a class.
    pub fn learn(&mut self, features: &[u64], class: Class) {
        for feature in features {
            self.add(*feature, Counts::one(class));
        }
        self.learned = self.learned.plus(Counts::one(class));
    }

    /// Takes a mail's features back. A feature that comes to nothing keeps its slot until the next load.
    pub fn forget(&mut self, features: &[u64], class: Class) {
        for feature in features {
            let key = key(*feature);
            if let Some(Ok(at)) = self.find(key) {
                self.slots[at] = pack(key, unpack(&self.slots[at]).minus(Counts::one(class)));
            }
        }
        self.learned = self.learned.minus(Counts::one(class));
    }

    /// Adds another table's counts and mails.
    pub fn merge(&mut self, other: &Self) {
        for (feature, counts) in other.iter() {
            self.add(feature, counts);
        }
        self.learned = self.learned.plus(other.learned);
    }

    /// All features with a count, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Counts)> + '_ {
        let used = (0..self.slots.len()).filter(|at| self.tags[*at] != 0);
        used.map(|at| (self.key_at(at), unpack(&self.slots[at]))).filter(|(_, c)| c.total() > 0)
    }

    /// Where a key is (`Ok`) or belongs (`Err`); `None` when the table has no slots.
    fn find(&self, key: u64) -> Option<Result<usize, usize>> {
        let n = self.slots.len();
        if n == 0 {
            return None;
        }
        let mut at = home(key, n);
        for _ in 0..n {
            match self.tagged(key, at) {
                Ok(found) if self.key_at(found) == key => return Some(Ok(found)),
                Ok(other) => at = if other + 1 == n { 0 } else { other + 1 },
                Err(empty) => return Some(Err(empty)),
            }
        }
        None
    }

    /// The first slot from `at` on with the key's tag (`Ok`), or the empty one before it (`Err`). There is an
    /// empty one: the table is never full.
    fn tagged(&self, key: u64, at: usize) -> Result<usize, usize> {
        let tag = tag(key);
        let mut at = at;
        loop {
            match self.tags[at] {
                0 => return Err(at),
                t if t == tag => return Ok(at),
                _ => at = if at + 1 == self.tags.len() { 0 } else { at + 1 },
            }
        }
    }

    fn key_at(&self, at: usize) -> u64 {
        let [a, b, c, d, e, f, g, ..] = self.slots[at];
        u64::from_le_bytes([self.tags[at], a, b, c, d, e, f, g])
    }

    fn grow(&mut self) {
        // By a half: doubling would hold twice the memory that is needed for most of the time.
        let mut next = Self::with_slots((self.slots.len() + self.slots.len() / 2).max(1024), self.learned);
        for (from, slot) in self.slots.iter().enumerate() {
            if self.tags[from] != 0
                && let Some(Err(at)) = next.find(self.key_at(from))
            {
                next.tags[at] = self.tags[from];
                next.slots[at] = *slot;
                next.used += 1;
            }
        }
        *self = next;
    }
}

/// The feature with a lowest octet that is not zero, which marks an empty slot.
fn key(feature: u64) -> u64 {
    if feature & 0xff == 0 { feature | 1 } else { feature }
}

/// The key's lowest octet.
fn tag(key: u64) -> u8 {
    key.to_le_bytes()[0]
}

/// The top bits of a feature are its tier: mixed, then scaled to the table.
fn home(key: u64, slots: usize) -> usize {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((u128::from(mixed) * slots as u128) >> 64) as usize
}

fn slots_for(features: usize) -> usize {
    features + features / 5 + 16
}

fn unpack(slot: &[u8; SLOT]) -> Counts {
    let [.., a, b, c, d, e, f] = *slot;
    Counts { spam: u32::from_le_bytes([a, b, c, 0]), ham: u32::from_le_bytes([d, e, f, 0]) }
}

fn pack(key: u64, counts: Counts) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..7].copy_from_slice(&key.to_le_bytes()[1..]);
    slot[7..10].copy_from_slice(&counts.spam.min(MAX_COUNT).to_le_bytes()[..3]);
    slot[10..].copy_from_slice(&counts.ham.min(MAX_COUNT).to_le_bytes()[..3]);
    slot
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_learned_is_counted_and_can_be_taken_back() {
        let mut tokens = Tokens::new();
        assert_eq!(tokens.get(7), Counts::default());
        tokens.learn(&[7, 8, 0], Class::Spam);
        tokens.learn(&[7, 9], Class::Ham);
        assert_eq!(tokens.get(7), Counts { spam: 1, ham: 1 });
        assert_eq!(tokens.get(0), Counts { spam: 1, ham: 0 });
        assert_eq!(tokens.learned(), Counts { spam: 1, ham: 1 });
        tokens.forget(&[7, 9], Class::Ham);
        assert_eq!(tokens.get(7), Counts { spam: 1, ham: 0 });
        assert_eq!(tokens.get(9), Counts::default());
        assert_eq!(tokens.learned(), Counts { spam: 1, ham: 0 });
        assert_eq!(tokens.iter().count(), 3);
    }

    /// Also of features that are not there, and of those that another one pushed from their home.
    #[test]
    fn many_at_once_are_counted_as_one_by_one() {
        assert_eq!(Tokens::new().get_all(&[1, 2]), [Counts::default(); 2]);
        let mut tokens = Tokens::new();
        (0..5000u64).for_each(|f| tokens.learn(&[f * f], if f % 3 == 0 { Class::Spam } else { Class::Ham }));
        let asked: Vec<u64> = (0..20_000).collect();
        let one_by_one: Vec<Counts> = asked.iter().map(|f| tokens.get(*f)).collect();
        assert_eq!(tokens.get_all(&asked), one_by_one);
        assert!(one_by_one.iter().filter(|c| c.total() > 0).count() > 100);
    }

    #[test]
    fn four_million_features_fit_into_their_memory() {
        let tokens = Tokens::with_capacity(4_000_000);
        assert!(tokens.memory() <= 68_000_000, "{}", tokens.memory());
    }

    proptest! {
        #[test]
        fn merging_is_adding_up(
            left in proptest::collection::vec((0u64..400, any::<bool>()), 0..600),
            right in proptest::collection::vec((0u64..400, any::<bool>()), 0..600),
        ) {
            let class = |spam: bool| if spam { Class::Spam } else { Class::Ham };
            let table = |all: &[(u64, bool)]| {
                let mut t = Tokens::new();
                all.iter().for_each(|(f, spam)| t.learn(&[f << 50], class(*spam)));
                t
            };
            let mut one = table(&left);
            one.merge(&table(&right));
            let mut other = table(&right);
            other.merge(&table(&left));
            for f in 0u64..400 {
                let expected = left.iter().chain(&right).filter(|(g, _)| *g == f).fold(Counts::default(), |sum, (_, spam)| sum.plus(Counts::one(class(*spam))));
                prop_assert_eq!(one.get(f << 50), expected);
                prop_assert_eq!(other.get(f << 50), expected);
            }
            prop_assert_eq!(one.learned(), other.learned());
        }
    }
}
