//! The cluster of equal peers: what every node knows reaches every other, over cuts, restarts and upgrades.
//!
//! What it is: the handle of a node's place among its peers ([`node`]); the configuration document on its disk and in step with
//! the peers' ([`configuration`]); the replication core, a state machine without IO ([`ledger`]), and the task that owns one with its
//! store, clock and streams ([`shell`]); what rows mean to the node's database and bans ([`kinds`]); copies of accepted mails
//! on other nodes, and their taking over ([`shadow`]); that nodes which share an address live ([`pulse`]), and who serves it ([`steering`]); the simulator that drives up to a hundred cores (`sim`, behind the feature
//! of that name). What it is not: it speaks no SMTP and judges no mail; the mail transfer and the console are wired to it by
//! the binary.
//!
//! Invariants: a row has one writer, its origin. A version vector never claims what is not in the store. Whatever a peer
//! sends is checked and bounded before it is kept.
//!
//! Read first: [`node`], then [`shadow`], [`ledger`], [`shell`]; in the core [`ledger::kind`], then [`ledger::machine`].

pub mod configuration;
pub mod kinds;
pub mod ledger;
pub mod node;
pub mod pulse;
pub mod shadow;
pub mod shell;
#[cfg(feature = "sim")]
pub mod sim;
pub mod steering;
