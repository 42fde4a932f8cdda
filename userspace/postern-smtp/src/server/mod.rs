//! The server's side of SMTP (RFC 5321) and LMTP (RFC 2033) as a machine: octets in, [`Action`]s out.
//!
//! ```text
//! let mut server = Server::new(config, StartTls::Offered);
//! server.greet();
//! loop { match server.next(&mut input) {
//!     Action::Read        => write server.output(), read more input
//!     Action::Write       => write server.output()
//!     Action::Ask(q)      => server.answer(…) or server.conclude(…)
//!     Action::Body(o)     => append the octets to the mail
//!     Action::Forget(_)   => drop envelope and body
//!     Action::StartTls    => write server.output(), handshake, server.tls_started()
//!     Action::Close(_)    => write server.output(), close
//! } }
//! ```
//!
//! Replies gather in [`Server::output`] until there is nothing left to read, so that a pipelined group of
//! commands (RFC 2920) is answered by one write. While idle a [`Server`] holds no heap memory but an
//! open transaction.

mod action;
mod bdat;
mod commands;
mod config;
mod content;
mod header;
mod machine;
mod replies;
mod text;

pub use action::{Action, Ending, Hello, MailFrom, Question, Refused, Taken};
pub use config::{Config, Dialect, Newlines, StartTls};
pub use content::Content;
pub use machine::Server;
