//! What a peer did that was not as it should be, as one closed list with stable names, and how often.

use std::fmt;

macro_rules! oddities {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Oddity { $($(#[$doc])* $variant,)* }

        impl Oddity {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable kebab-case name: the same in log, metric, API and console.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

oddities! {
    /// A message of a node that is no member, or was removed. Not read.
    NotAMember = "not-a-member";
    /// Longer than any message may be. Not read.
    MessageTooLarge = "message-too-large";
    /// Not a message of this protocol. Dropped.
    Unreadable = "unreadable";
    /// A message of a later version. Dropped: later versions do without an answer.
    UnknownMessage = "unknown-message";
    /// Rows nobody asked for, or a page that came too late or twice. Dropped.
    Unasked = "unasked";
    /// A push of rows the sender did not write. Dropped.
    ForeignPush = "foreign-push";
    /// Rows of a node that is in no member list here. Not taken until it is.
    UnknownOrigin = "unknown-origin";
    /// Rows under our own name. Dropped.
    OwnOrigin = "own-origin";
    /// A node with too many incarnations, or too many origins at all. Not taken.
    TooManyOrigins = "too-many-origins";
    /// A page whose rows do not ascend, or that says nothing. The delta is given up.
    OutOfOrder = "out-of-order";
    /// A head or a list of lives that cannot be. The delta is given up.
    ImpossibleHead = "impossible-head";
    /// The sender followed another history of this origin than we did: one of both is from before a restore.
    ForkedOrigin = "forked-origin";
    /// The origin itself declared this stretch of its history void.
    VoidLife = "void-life";
    /// A row whose kind we know and whose key or value is not of that kind. Dropped.
    IllTyped = "ill-typed";
    /// A key or value above the bound of its kind. Dropped.
    Oversized = "oversized";
    /// A row that wants to be kept longer than its kind is. Dropped.
    Outlives = "outlives";
    /// A row from more than 15 minutes ahead. Its delta is put off for a minute: it may be our clock.
    FutureDated = "future-dated";
    /// A row whose time is over. Dropped: a late peer brings nothing back.
    Expired = "expired";
    /// A row of a kind we do not know. Kept and passed on, not applied.
    UnknownKind = "unknown-kind";
    /// A push that did not follow what we have. The gap is fetched.
    Gap = "gap";
    /// Too much from the peer is waiting for our store. Dropped; fetched later.
    Busy = "busy";
    /// A peer does not read what waits for it. Not sent; it fetches later.
    OutboxFull = "outbox-full";
    /// A page did not come in time. The delta is given up; the next comparison asks again.
    PageTimeout = "page-timeout";
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Debug)]
pub struct Counters([u64; Oddity::ALL.len()]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Oddity::ALL.len()])
    }
}

impl Counters {
    pub(super) fn count(&mut self, oddity: Oddity) {
        self.0[oddity as usize] += 1;
    }

    pub fn get(&self, oddity: Oddity) -> u64 {
        self.0[oddity as usize]
    }

    pub fn iter(&self) -> impl Iterator<Item = (Oddity, u64)> {
        Oddity::ALL.iter().map(|o| (*o, self.get(*o)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_unique() {
        let names: std::collections::BTreeSet<&str> = Oddity::ALL.iter().map(|o| o.name()).collect();
        assert_eq!(names.len(), Oddity::ALL.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}
