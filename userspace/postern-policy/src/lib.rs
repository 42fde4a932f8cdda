//! The operator's rules: facts about a judged mail in, one decision for each recipient out.
//!
//! What it is not: it judges no mail (`postern-filter` does), reads no file, asks no clock and carries nothing out
//! (`postern-mta` does). The same facts and rules always give the same decisions, so that "explain" and "what if" are the
//! engine itself.
//!
//! Invariants: without rules and lists, the operator's and the recipients' own ([`own`]), every recipient gets the filter's verdict. A condition is met, not met, or cannot be
//! told, and says what it saw; in the journey of a mail everything can be told. A virus, and a check that could not be made,
//! is only passed over by a rule that names the reason. No recipient gets lost in [`split`]: each is in exactly one
//! part, or discarded by a rule, or the whole mail is refused.
//!
//! Read first: [`mail`], [`decide`], then [`split`] (what one reply for all recipients comes to), then [`compile`].

pub mod compile;
pub mod condition;
pub mod decide;
pub mod mail;
pub mod own;
pub mod parties;
pub mod split;
pub mod texts;
pub mod thresholds;
pub mod window;

pub use compile::Policy;
pub use decide::Decision;
pub use mail::Mail;
