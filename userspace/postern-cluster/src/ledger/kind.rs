//! The kinds of rows: one closed table. A number is for ever; a kind whose value changes so that older nodes would misread
//! it gets a new one. Fields may be added at the end of a value by a version that can do without them.
//!
//! | kind | key | across origins |
//! |---|---|---|
//! | quarantine-entry | mail | the same mail from two origins: the one written last |
//! | quarantine-action | mail, action | released over deleted over held. Two actions are two rows: neither replaces the other |
//! | ban | network | the last to end of those set after the last lifting |
//! | greylist-pass | client | the latest |
//! | reputation, token-count | subject, day, life | a cell has one writer's life: max per cell, sum over cells |
//! | outbreak-fingerprint | fingerprint, day, life | first and last seen: min and max; count: as above |
//! | sandbox-verdict | hash of the file | the worst |
//! | sandbox-report | hash of the file, its name and what was asked | the one written last |
//! | user-location | user | the last seen |
//! | journey-summary | mail | the one written last |
//! | health | none | each node's last |
//! | void-lives | incarnation | all of them |
//! | lesson | mail | the last; of two at once spam |
//! | user-choice | user, sender | the last; of two at once the block |
//!
//! Three kinds keep their number and are not written by this version. sandbox-verdict: one word for a file, where a verdict here needs
//! findings; sandbox-report holds them. token-count: a mail has thousands of tokens, so a row for
//! each would be thousands of rows a mail; a lesson is one row of 8 KB, and every node counts by itself. journey-summary: the
//! tracking search asks the peers instead, since all mails' summaries on all nodes would be the cluster's largest traffic for
//! a list that is looked at now and then.
//!
//! Counts have the writer's life in their key: after a restart a writer begins at zero, never reads its own cells, and
//! a restore from a backup neither counts twice nor loses.

use std::time::Duration;

use ipnet::IpNet;
use postern_model::id::MailId;

use super::fact::{
    Ban, CellKey, Counts, GreylistPass, Health, JourneySummary, Lesson, QuarantineAction, QuarantineEntry, QuarantineState, SandboxReport,
    SandboxVerdict, Sightings, Subject, UserChoice, UserLocation, VoidLives,
};

macro_rules! kinds {
    ($($variant:ident = $number:literal, $name:literal, $key:ty, $value:ty, key $most_key:literal, value $most_value:literal, days $days:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Kind { $($variant = $number,)* }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable kebab-case name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub fn number(self) -> u16 {
                self as u16
            }

            pub fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// Octets of a key, octets of a value, and how long a row may be kept.
            pub fn bounds(self) -> (usize, usize, Duration) {
                match self { $(Self::$variant => ($most_key, $most_value, Duration::from_secs($days * 86_400)),)* }
            }
        }

        /// A row's key and value, typed.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Fact { $($variant($key, $value),)* }

        impl Fact {
            pub fn kind(&self) -> Kind {
                match self { $(Self::$variant(..) => Kind::$variant,)* }
            }

            pub(super) fn to_octets(&self) -> Result<(Vec<u8>, Vec<u8>), postcard::Error> {
                match self { $(Self::$variant(key, value) => Ok((postcard::to_stdvec(key)?, postcard::to_stdvec(value)?)),)* }
            }

            pub(super) fn from_octets(kind: Kind, key: &[u8], value: &[u8]) -> Result<Self, postcard::Error> {
                match kind { $(Kind::$variant => Ok(Self::$variant(postcard::from_bytes(key)?, postcard::from_bytes(value)?)),)* }
            }
        }
    };
}

kinds! {
    QuarantineEntry = 1, "quarantine-entry", MailId, QuarantineEntry, key 16, value 16_384, days 400;
    QuarantineAction = 2, "quarantine-action", (MailId, QuarantineState), QuarantineAction, key 17, value 320, days 400;
    Ban = 3, "ban", IpNet, Ban, key 24, value 1024, days 400;
    GreylistPass = 4, "greylist-pass", Subject, GreylistPass, key 16, value 16, days 100;
    Reputation = 5, "reputation", CellKey, Counts, key 32, value 32, days 100;
    TokenCount = 6, "token-count", CellKey, Counts, key 32, value 32, days 400;
    OutbreakFingerprint = 7, "outbreak-fingerprint", CellKey, Sightings, key 32, value 64, days 30;
    SandboxVerdict = 8, "sandbox-verdict", [u8; 32], SandboxVerdict, key 32, value 1024, days 100;
    UserLocation = 9, "user-location", String, UserLocation, key 330, value 512, days 400;
    JourneySummary = 10, "journey-summary", MailId, JourneySummary, key 16, value 32_768, days 400;
    Health = 11, "health", (), Health, key 0, value 1024, days 1;
    VoidLives = 12, "void-lives", u64, VoidLives, key 10, value 256, days 36_500;
    Lesson = 13, "lesson", Subject, Lesson, key 16, value 65_536, days 400;
    SandboxReport = 14, "sandbox-report", [u8; 32], SandboxReport, key 32, value 8_300, days 30;
    UserChoice = 15, "user-choice", (String, String), UserChoice, key 680, value 16, days 36_500;
}

impl Kind {
    /// No row is kept longer, whatever its kind.
    pub const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);
}

/// The kinds a build knows. During an upgrade some nodes know fewer than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSet(u32);

impl KindSet {
    pub const ALL: Self = Self(u32::MAX);

    pub fn without(self, kind: Kind) -> Self {
        Self(self.0 & !(1 << kind.number()))
    }

    /// A bit for each kind of the table that is in it.
    pub fn bits(self) -> u32 {
        Kind::ALL.iter().filter(|kind| self.contains(**kind)).fold(0, |bits, kind| bits | 1 << kind.number())
    }

    pub fn contains(self, kind: Kind) -> bool {
        self.0 & (1 << kind.number()) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_stable() {
        let table: Vec<String> = Kind::ALL.iter().map(|k| format!("{} {}", k.number(), k.name())).collect();
        assert_eq!(
            table,
            [
                "1 quarantine-entry",
                "2 quarantine-action",
                "3 ban",
                "4 greylist-pass",
                "5 reputation",
                "6 token-count",
                "7 outbreak-fingerprint",
                "8 sandbox-verdict",
                "9 user-location",
                "10 journey-summary",
                "11 health",
                "12 void-lives",
                "13 lesson",
                "14 sandbox-report",
                "15 user-choice"
            ]
        );
        assert!(Kind::ALL.iter().all(|k| Kind::from_number(k.number()) == Some(*k) && k.number() < 32));
        assert_eq!(Kind::from_number(16), None);
    }
}
