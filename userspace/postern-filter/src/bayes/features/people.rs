//! Names, domains and the relations of the addresses in the header.

use postern_mail::message::{Mailbox, Message};

use super::shape::{registrable, shape, size_class};
use super::words::words;
use super::{Sink, Tier};

pub(super) fn all(message: &Message, sink: &mut Sink<'_>) {
    for (role, list) in [("from", &message.from), ("sender", &message.sender), ("reply", &message.reply_to)] {
        for person in list.iter().take(3) {
            one_person(role, person, sink);
        }
    }
    let author = message.from.first().and_then(Mailbox::domain).map(registrable);
    if let Some(reply) = message.reply_to.first() {
        let same_domain = reply.domain().map(registrable) == author;
        let same = message.from.first().is_some_and(|f| f.address.eq_ignore_ascii_case(&reply.address));
        sink.add(
            Tier::Header,
            &[
                "reply-to",
                if same {
                    "author"
                } else if same_domain {
                    "author-domain"
                } else {
                    "other"
                },
            ],
        );
    }
    let named = message.to.iter().filter(|m| m.name.is_some()).count();
    sink.add(Tier::Header, &["to", &size_class(message.to.len()), if named > 0 { "named" } else { "bare" }]);
    sink.add(Tier::Header, &["cc", &size_class(message.cc.len())]);
    if let (Some(from), Some(to)) = (message.from.first(), message.to.first()) {
        if from.address.eq_ignore_ascii_case(&to.address) {
            sink.add(Tier::Header, &["from-is-to"]);
        }
        let local = to.address.split('@').next().unwrap_or_default();
        if local.len() > 2 && message.subject.as_deref().is_some_and(|s| s.to_ascii_lowercase().contains(&local.to_ascii_lowercase())) {
            sink.add(Tier::Header, &["subject-has-recipient"]);
        }
        sink.add(
            Tier::Header,
            &[
                "to-name",
                match to.name.as_deref() {
                    None => "none",
                    Some(name) if name.contains('@') => "address",
                    Some(name) if name.eq_ignore_ascii_case(local) => "local",
                    Some(_) => "own",
                },
            ],
        );
    }
    for to in message.to.iter().chain(&message.cc).take(4) {
        if let Some(domain) = to.domain() {
            sink.add(Tier::Address, &["to", &to.address.to_ascii_lowercase()]);
            sink.add(Tier::Address, &["to", domain]);
        }
    }
}

/// Whether the mail's links and the machines it came through belong to its author: newsletters do,
/// forged senders do not. Relations only, no names: the names are where a mail was collected.
pub(super) fn relations(message: &Message, sink: &mut Sink<'_>) {
    let Some(author) = message.from.first().and_then(Mailbox::domain).map(registrable) else { return };
    let mut hosts: Vec<&str> = message.urls.iter().filter(|u| u.scheme.starts_with("http")).map(|u| u.domain.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let own = hosts.iter().filter(|h| **h == author).count();
    let links = if hosts.is_empty() {
        "none"
    } else if own == hosts.len() {
        "all"
    } else if own > 0 {
        "some"
    } else {
        "no"
    };
    sink.add(Tier::Header, &["links-of-author", links]);
    sink.add(Tier::Header, &["link-domains", &size_class(hosts.len())]);
    let is_author = |name: &Option<String>| name.as_deref().is_some_and(|n| registrable(&n.to_ascii_lowercase()) == author);
    let (mut named, mut reversed) = (false, false);
    for hop in message.received.iter().take(30) {
        named |= is_author(&hop.helo);
        reversed |= is_author(&hop.reverse);
    }
    sink.add(
        Tier::Header,
        &[
            "hops-of-author",
            if reversed {
                "reverse"
            } else if named {
                "helo"
            } else {
                "no"
            },
        ],
    );
}

fn one_person(role: &str, person: &Mailbox, sink: &mut Sink<'_>) {
    let local = person.address.split('@').next().unwrap_or_default();
    sink.add(Tier::Header, &[role, "local-shape", &shape(local, 20)]);
    sink.add(Tier::Address, &[role, &person.address.to_ascii_lowercase()]);
    if let Some(domain) = person.domain() {
        sink.add(Tier::Address, &[role, "domain", &registrable(domain)]);
        sink.add(Tier::Header, &[role, "tld", domain.rsplit('.').next().unwrap_or_default()]);
    }
    match person.name.as_deref().map(str::trim).filter(|n| !n.is_empty()) {
        None => sink.add(Tier::Header, &[role, "no-name"]),
        Some(name) => {
            sink.add(Tier::Header, &[role, "name-shape", &shape(name, 24)]);
            for word in words(name).take(6) {
                sink.add(Tier::Address, &[role, "name", &word.text]);
            }
        }
    }
}
