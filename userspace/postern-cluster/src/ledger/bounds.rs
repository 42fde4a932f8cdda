//! The bounds of the replication core, each with its reason.

use std::time::Duration;

pub use postern_store::ledger::origin::{LAST_SEQ, LIVES};

/// Own rows wait this long for others before they go to the store together: one commit instead of many.
pub const COMMIT_AFTER: Duration = Duration::from_millis(10);
/// Own rows are pushed this long after the first of them was written, if the store was quick enough.
pub const PUSH_AFTER: Duration = Duration::from_millis(50);
/// Two peers compare their vectors this often.
pub const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Checks of an unchanged vector that go without an answer between two with one: should an answer be lost where messages can
/// be, the peer knows after a minute that its rows are here.
pub const ANSWER_AGAIN: u32 = 11;
/// A page that did not come in this time is not waited for: the next comparison asks again.
pub const PAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// An origin whose rows lie in the future is not asked for again before this.
pub const DEFER_FOR: Duration = Duration::from_secs(60);
/// How often rows whose time is over are removed.
pub const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// Clocks may differ by ten minutes, and five more for a row that was under way.
pub const FUTURE: Duration = Duration::from_secs(15 * 60);

/// Up to this many nodes every pair compares and everybody pushes to everybody.
pub const FULL_MESH: usize = 32;
/// Beyond: peers pushed to and peers compared with in a round. Eight reach a hundred nodes in three rounds.
pub const FAN_OUT: usize = 8;

/// Rows of one page.
pub const PAGE_ROWS: usize = 1000;
/// Octets of one page's rows; one row more may lie above it.
pub const PAGE_OCTETS: usize = 128 * 1024;
/// The largest message: a page, one largest row and a full vector all fit.
pub const MESSAGE_OCTETS: usize = 512 * 1024;
/// What may wait for one peer. Above it pushes, comparisons and pages for it are not made.
pub const OUTBOX_OCTETS: usize = 1024 * 1024;
/// Questions of one peer that may wait for their turn.
pub const WAITING_WANTS: usize = 512;

/// Deltas fetched at a time; each has at most two pages in memory.
pub const PULLS: usize = 32;
/// Origins that wait to be fetched. What does not fit is found again by the next comparison.
pub const WANTED: usize = 8192;
/// Pushed batches that may wait for the store. A slow disk makes this node fetch later instead.
pub const COMMITS: usize = 64;
/// Own rows that are not durable yet. More are refused to the application.
pub const UNSAVED_ROWS: usize = 16_384;

/// Incarnations of one node: one for each restore from a backup.
pub const INCARNATIONS: usize = 64;
/// All origins.
pub const ORIGINS: usize = 8192;

/// Rows of a kind this build does not know.
pub const UNKNOWN_KEY: usize = 1024;
pub const UNKNOWN_VALUE: usize = 64 * 1024;
/// Fields of a later version beside a row.
pub const EXTRA: usize = 4096;
