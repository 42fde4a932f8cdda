//! The node's own certificate from an authority that speaks ACME (RFC 8555): ordered, proven to be ours by http-01, put in force, and
//! renewed when the authority says (RFC 9773), else when a third of its time is left.
//!
//! What it is not: it speaks no TLS and chooses no certificate; `postern_mta::certificate` keeps what is shown.
//!
//! Invariants: the certificate in force stays until a better one is there; port 80 is answered only while an authority may ask, and only
//! with what was proven to it; a failure is said, and tried again ever more seldom, since authorities count.
//!
//! Read first: [`keeper`], then [`order`].

mod answers;
mod authority;
pub mod keeper;
mod order;
mod record;

pub use answers::{AnswerError, KeyAuthorization};
pub use keeper::{Keeper, Later, Parts, RenewError, State, Trouble};
