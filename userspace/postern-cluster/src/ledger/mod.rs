//! Ledgers: rows `(origin, seq, kind, key, value)`, each written by its origin alone, replicated by version vectors.
//!
//! # How it works
//! Of each `(origin, kind, key)` only the newest `seq` is kept; what it replaces vanishes, so sequence numbers have gaps. A
//! *head* `(seq, life)` per origin says how far a node has everything; all heads are its vector. Own rows are pushed after at
//! most 50 ms; every 5 s two peers compare a digest of their vectors, then, if it differs, the vectors, and fetch what
//! they lack in pages, asking for one page after the other: the asker sets the pace, the answerer keeps no state. Rows of a
//! delta of several pages are *staged* until the last page is there. Then rows and head become visible at once:
//! a head that were moved page by page would claim a row that was replaced by a later one while the pages were read.
//!
//! # A node that was restored from a backup
//! It would write other rows under sequence numbers its peers already know. A *life* (64 random bits, one a start)
//! marks who wrote which stretch of an origin. When a peer's head does not fit the own lives, the shell is told
//! ([`output::Output::Overtaken`]) and gives the node a new incarnation; what it wrote since the backup moves there, the old
//! incarnation is fetched from the peers like a stranger's, and its void lives are named in a row, so that
//! nobody keeps or passes on the wrong stretch ([`origin::History`]).
//!
//! # Why outputs and no store trait
//! The store is driven through [`output::Output`] and answers through [`machine::Ledger::done`]. A trait would make the core wait
//! inside a call: either it blocks a thread of the runtime for each commit, or it becomes async and can
//! no longer be run by a simulator that loses commits on purpose. With outputs the simulator delays, fails and drops commits
//! between any two steps, and that is what a crash does.
//!
//! # Bounds
//! Every queue has one: see the constants in [`bounds`]. A peer that does not read loses messages, never memory of ours;
//! it then fetches what it lacks.

pub mod bounds;
pub mod fact;
pub mod kind;
pub mod machine;
pub mod members;
pub mod merge;
pub mod message;
pub mod oddity;
pub mod origin;
pub mod output;
pub mod row;

mod peers;
pub mod publish;
mod pull;
mod reorigin;
mod serve;
