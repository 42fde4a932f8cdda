//! Facts about a mail that nobody is sending now: from a file, for `scan`, `explain` and fitting.
//!
//! What only the network could tell is not asked; what only the connection could tell is taken from
//! the caller, or from what an earlier delivery wrote into the mail.

use std::net::IpAddr;

use postern_mail::message::Message;
use postern_model::address::{Address, Domain, ReversePath};
use postern_model::envelope::Direction;
use postern_model::time::Timestamp;

use crate::facts::{Asked, Connection, Facts, History, Sandboxed};

/// What is known of a mail's way here. Empty: unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrival {
    pub client_ip: Option<IpAddr>,
    pub helo: String,
    /// `Some("")`: the null path; `None`: unknown, Return-Path is looked at.
    pub mail_from: Option<String>,
    pub recipients: Vec<String>,
}

/// Where the moment of judgement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    At(Timestamp),
    /// The newest Received line, or this when there is none.
    NewestReceived(Timestamp),
}

/// The facts without network; the classifier's word is put in by the caller.
pub fn facts(message: Message, arrival: Arrival, own_domains: Vec<Domain>, clock: Clock) -> Facts {
    let now = match clock {
        Clock::At(now) => now,
        Clock::NewestReceived(otherwise) => newest(&message).unwrap_or(otherwise),
    };
    let return_path = || {
        let header = message.headers.iter().find(|h| h.name.eq_ignore_ascii_case("Return-Path"))?;
        Some(header.value.trim().trim_matches(['<', '>']).to_owned())
    };
    let mail_from = arrival.mail_from.or_else(return_path).and_then(|text| text.parse::<Address>().ok());
    Facts {
        now,
        direction: Direction::Inbound,
        connection: Connection { ip: arrival.client_ip, helo: arrival.helo, esmtp: true, ..Connection::default() },
        mail_from: ReversePath::from(mail_from),
        recipients: arrival.recipients,
        own_domains,
        message,
        authentication: Asked::No,
        lists: Vec::new(),
        bayes: None,
        antivirus: Asked::No,
        sandbox: Sandboxed::default(),
        history: History::default(),
    }
}

/// The date of the topmost trace field that has one.
fn newest(message: &Message) -> Option<Timestamp> {
    message.received.iter().find_map(|r| r.date).map(Timestamp::from_unix_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_mail::message::{Header, Received};

    #[test]
    fn time_and_sender_come_from_the_mail_when_nobody_says_them() {
        let message = Message {
            received: vec![Received::default(), Received { date: Some(1_000_000_000), ..Received::default() }],
            headers: vec![Header { name: "return-path".into(), value: " <a@b.example>".into(), ..Header::default() }],
            ..Message::default()
        };
        let clock = Clock::NewestReceived(Timestamp(5));
        let found = facts(message.clone(), Arrival::default(), Vec::new(), clock);
        assert_eq!(found.now, Timestamp::from_unix_seconds(1_000_000_000));
        assert_eq!(found.mail_from.to_string(), "a@b.example");
        let null = Arrival { mail_from: Some(String::new()), ..Arrival::default() };
        assert_eq!(facts(message, null, Vec::new(), Clock::At(Timestamp(7))).mail_from, ReversePath::Null);
        assert_eq!(facts(Message::default(), Arrival::default(), Vec::new(), clock).now, Timestamp(5));
    }
}
