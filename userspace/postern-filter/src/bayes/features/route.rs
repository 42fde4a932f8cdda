//! The way a mail came: the SMTP client and the hops before it.
//!
//! The Received fields above the one that names the client were written by the receiving side: they
//! are the same for spam and ham, and are not looked at. A live mail has none of them.
//!
//! Places (names, networks) are a tier of their own: an organisation's own mail teaches them, a model
//! for everybody has no use for them. Forms and relations are features of the header.

use std::net::IpAddr;

use postern_mail::message::{Message, Received};

use super::shape::{registrable, shape, size_class};
use super::{Sink, Tier};

/// The SMTP client a mail came from.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    pub ip: IpAddr,
    /// Empty: unknown.
    pub helo: &'a str,
}

/// Hops before the client that are looked at.
const MAX_HOPS: usize = 20;

pub(super) fn of(message: &Message, client: Option<Client<'_>>, sink: &mut Sink<'_>) {
    let border = match client {
        Some(client) => message.received.iter().position(|r| r.ip.is_some_and(|ip| ip.to_canonical() == client.ip.to_canonical())),
        // A stored mail: the first machine from outside is the client.
        None => message.received.iter().position(|r| r.ip.is_some_and(is_public)),
    };
    match (border.and_then(|at| message.received.get(at)), client) {
        (Some(line), _) => hop("client", line, sink),
        (None, Some(client)) => {
            machine("client", Some(client.helo).filter(|h| !h.is_empty()), None, Some(client.ip), sink);
        }
        (None, None) => {}
    }
    let before = border.map_or(0, |at| at + 1);
    let hops = message.received.get(before..).unwrap_or_default();
    sink.add(Tier::Header, &["hops", &size_class(hops.len())]);
    for line in hops.iter().take(MAX_HOPS) {
        hop("hop", line, sink);
        if let Some(by) = line.by.as_deref() {
            sink.add(Tier::Route, &["by", &registrable(&by.to_ascii_lowercase())]);
            sink.add(Tier::Header, &["by-shape", &shape(by, 16)]);
        }
        sink.add(Tier::Header, &["with", line.with.as_deref().unwrap_or("nothing")]);
    }
    if let Some(first) = hops.last() {
        sink.add(Tier::Header, &["first", agreement(first.helo.as_deref(), first.reverse.as_deref())]);
    }
}

fn hop(role: &str, line: &Received, sink: &mut Sink<'_>) {
    machine(role, line.helo.as_deref(), line.reverse.as_deref(), line.ip, sink);
    sink.add(Tier::Header, &[role, "names", agreement(line.helo.as_deref(), line.reverse.as_deref())]);
}

fn machine(role: &str, helo: Option<&str>, reverse: Option<&str>, ip: Option<IpAddr>, sink: &mut Sink<'_>) {
    if let Some(helo) = helo {
        let helo = helo.to_ascii_lowercase();
        sink.add(Tier::Route, &["helo", &registrable(&helo)]);
        sink.add(Tier::Header, &[role, "helo-shape", &shape(&helo, 20)]);
        if !helo.contains('.') {
            sink.add(Tier::Header, &[role, "helo-bare"]);
        }
    }
    if let Some(reverse) = reverse {
        let reverse = reverse.to_ascii_lowercase();
        sink.add(Tier::Route, &["reverse", &registrable(&reverse)]);
        sink.add(Tier::Route, &["top", reverse.rsplit('.').next().unwrap_or_default()]);
        let digits = reverse.bytes().filter(u8::is_ascii_digit).count();
        sink.add(Tier::Header, &[role, "reverse-digits", &size_class(digits)]);
    }
    match ip.map(|ip| ip.to_canonical()) {
        Some(IpAddr::V4(ip)) if is_public(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            sink.add(Tier::Route, &["net", &format!("{a}.{b}")]);
            sink.add(Tier::Route, &["net", &format!("{a}.{b}.{c}")]);
        }
        Some(IpAddr::V6(ip)) if is_public(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            sink.add(Tier::Route, &["net", &format!("{a:x}:{b:x}")]);
            sink.add(Tier::Route, &["net", &format!("{a:x}:{b:x}:{c:x}")]);
        }
        _ => {}
    }
}

fn agreement(helo: Option<&str>, reverse: Option<&str>) -> &'static str {
    match (helo, reverse) {
        (_, None) => "no-reverse",
        (None, Some(_)) => "no-helo",
        (Some(helo), Some(reverse)) if helo.eq_ignore_ascii_case(reverse) => "same",
        (Some(helo), Some(reverse)) if registrable(&helo.to_ascii_lowercase()) == registrable(&reverse.to_ascii_lowercase()) => {
            "same-domain"
        }
        _ => "other",
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast() || shared)
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()),
    }
}
