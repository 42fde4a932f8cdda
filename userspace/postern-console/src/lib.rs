//! The console: REST API, OpenAPI, login, metrics, and the web console of `web-ui/`, embedded. The only owner of axum.
//!
//! What it is not: it holds no state of its own but logins' failures; everything it shows or changes
//! belongs to the parts whose handles it was given ([`state::State`]).
//!
//! Invariants: every route but login, health and the page's files needs a caller
//! ([`caller`]) whose role may ask it ([`rights`]); every change is written into the audit trail; no answer holds a secret of the
//! settings; what a sender wrote is only ever text; every error is a problem of RFC 9457.
//!
//! Read first: [`state`], then [`router`], then [`caller`] and [`rights`].

#![allow(clippy::result_large_err, reason = "an error is the answer to a request, made once and written out")]

pub mod alerts;
pub mod caller;
pub mod diff;
mod fetching;
mod incoming;
pub mod input;
pub mod letters;
pub mod listen;
pub mod password;
pub mod peers;
pub mod problem;
pub mod quarantine;
pub mod render;
pub mod reports;
mod restoring;
pub mod rights;
mod rolling;
pub mod router;
pub mod routes;
pub mod second_factor;
pub mod secrets;
pub mod setting_path;
pub mod settings_file;
pub mod state;
pub mod tally;
mod turn;
pub mod users;
mod verifying;
mod what_if;

pub use router::openapi;
pub use routes::live::STREAMS;
pub use settings_file::SettingsHandle;
pub use state::{
    Console, Duty, DutyView, Explain, ExplainPolicy, ExplainRequest, Learn, LearnKind, OpenAgain, OpenedAgain, PolicyExplained,
    PolicyRequest, Silent, State,
};
