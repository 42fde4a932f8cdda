//! SMTP and LMTP as state machines without IO.
//!
//! What it is: the grammar both sides share, the server's machine ([`server`]), the client's ([`client`]) and the PROXY header
//! that may stand before it ([`proxy_protocol`]). Bytes go in, actions come out.
//!
//! What it is not: nothing here opens a socket, reads a clock, waits, or decides whether a mail is
//! wanted. Questions come out as [`server::Question`] and are answered by the caller.
//!
//! Invariants: only CR LF `.` CR LF ends the data of a mail; what the server passes on as body has
//! no bare CR or LF (but BINARYMIME); memory per session is bounded by the limits in the settings;
//! no input makes it panic (tests/arbitrary.rs, fuzz/).
//!
//! Read first: [`server`], then one file under `tests/dialogues/`.

pub mod client;
pub mod command;
pub mod parameters;
pub mod path;
pub mod proxy_protocol;
pub mod reply;
pub mod server;
pub mod xtext;
