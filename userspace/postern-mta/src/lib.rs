//! Mail's way through the house: listeners, sessions, the journey of each mail, queue and relay.
//!
//! Read first: [`journey`].

pub mod journey;
