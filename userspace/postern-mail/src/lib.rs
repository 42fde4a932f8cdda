//! Mail as data: MIME, HTML and URLs taken apart once into a bounded [`message::Message`]; header
//! edits; SPF, DKIM, DMARC and ARC over mail-auth; name resolution.
//!
//! What it is not: it judges nothing (that is `postern-filter`) and unpacks no archive or document
//! (that is the sandbox).
//!
//! Invariants: extraction never fails and never panics, whatever the bytes; its output is bounded by
//! [`message::Limits`]; what was cut or broken stands in [`message::Message::defects`].
//!
//! Read first: [`message`], then [`authentication`].

pub mod authenticate;
pub mod authentication;
pub mod content;
pub mod dns;
pub mod edit;
mod html;
pub mod letter;
pub mod message;
pub mod read;
pub mod url;

pub use read::{read, read_header};
