//! The judgement: facts about a mail in, a verdict out. Pure: no clock, no network, no file.
//!
//! What it is not: it gathers nothing (the journey in `postern-mta` does) and carries nothing out
//! (session and relay do). The same facts and policy always give the same verdict, so that
//! "explain" and "what if" are the judgement itself.
//!
//! Invariants: everything that takes time to prepare (automata, lists, weights) is prepared in
//! [`policy::Policy`]; a judgement costs microseconds, bounded by the limits of the message's extraction. A symbol
//! fires at most once, and its evidence is printable and at most 200 characters.
//!
//! Read first: [`facts`], [`judge`], then [`symbols`] and one of its groups.

pub mod author;
pub mod bayes;
mod brand_words;
pub mod brands;
pub mod domain_lists;
pub mod evidence;
pub mod explain;
pub mod facts;
pub mod fold;
pub mod judge;
pub mod lookalike;
pub mod offline;
pub mod policy;
pub mod registry;
pub mod symbols;
pub mod talk;
pub mod themes;
pub mod view;

pub use judge::judge;
pub use policy::Policy;
