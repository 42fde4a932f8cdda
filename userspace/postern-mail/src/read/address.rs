//! Address lists (RFC 5322 §3.4), read by mail-parser, as mail-auth reads them too: DMARC and the
//! display checks must see the same author.

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, HeaderValue};

use super::header::{decode, terminated};
use crate::message::Mailbox;

/// Addresses of one field that are kept.
const MAX_ADDRESSES: usize = 1000;

pub(super) fn list(value: &[u8]) -> Vec<Mailbox> {
    let line = terminated(value);
    let parsed = MessageStream::new(&line).parse_address();
    let HeaderValue::Address(address) = parsed else { return Vec::new() };
    match address {
        Address::List(list) => list.iter().take(MAX_ADDRESSES).map(mailbox).collect(),
        Address::Group(groups) => groups.iter().flat_map(|g| g.addresses.iter()).take(MAX_ADDRESSES).map(mailbox).collect(),
    }
}

fn mailbox(addr: &Addr<'_>) -> Mailbox {
    let name = addr.name.as_deref().map(|n| decode(n.trim()).0.trim().to_owned()).filter(|n| !n.is_empty());
    let written = addr.address.as_deref().unwrap_or_default().trim();
    let address = match written.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
        None => written.to_owned(),
    };
    Mailbox { name, address }
}
