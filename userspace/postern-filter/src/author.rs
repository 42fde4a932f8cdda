//! Whether a mail can be its author's, read from envelope and signatures without asking anybody.
//!
//! DMARC asks whether SPF or DKIM speaks for the domain in From (RFC 7489 §3.1). When neither the
//! envelope's sender nor any signature even names that domain, no answer of the DNS could make it
//! so. The other way round nothing is proved: a named domain may be forged.

use postern_mail::message::{Mailbox, Message};
use postern_model::address::ReversePath;

use crate::domain_lists::related;
use crate::facts::Facts;

/// The author as a reader's program shows him, and his display name.
///
/// `Customer service, <a@b.example>` is two authors to RFC 5322 §3.4, of which the first has no address.
/// Programs show it as one, and so it is taken here: the first mailbox with a domain, under the name
/// that stands before it.
pub fn shown(mail: &Message) -> (Option<&Mailbox>, &str) {
    let at = mail.from.iter().position(|m| m.domain().is_some()).unwrap_or(0);
    let from = mail.from.get(at);
    let own = from.and_then(|f| f.name.as_deref()).unwrap_or("").trim();
    let before = || mail.from.get(..at)?.iter().map(|m| m.name.as_deref().unwrap_or(&m.address)).find(|n| !n.trim().is_empty());
    (from, if own.is_empty() { before().unwrap_or("").trim() } else { own })
}

/// `Some(false)`: neither envelope nor signature names the domain in From. `None`: nobody knows the
/// envelope, and there is no signature.
pub fn can_be_confirmed(facts: &Facts, from_domain: &str) -> Option<bool> {
    if from_domain.is_empty() {
        return None;
    }
    let mut signed = false;
    for domain in signers(&facts.message) {
        signed = true;
        if related(domain, from_domain) || related(&domain.to_ascii_lowercase(), from_domain) {
            return Some(true);
        }
    }
    match facts.mail_from.domain() {
        Some(domain) => Some(related(domain.as_str(), from_domain)),
        None if envelope_is_null(facts) || signed => Some(false),
        None => None,
    }
}

/// The envelope is known, and it is the null path (RFC 5321 §4.5.5).
pub fn envelope_is_null(facts: &Facts) -> bool {
    let in_header = || {
        let written = facts.message.headers.iter().find(|h| h.name.eq_ignore_ascii_case("Return-Path"));
        written.is_some_and(|h| h.value.trim() == "<>")
    };
    facts.mail_from == ReversePath::Null && (facts.connection.ip.is_some() && !facts.connection.helo.is_empty() || in_header())
}

/// The domains of all DKIM signatures (`d=`, RFC 6376 §3.5), whether they are right or not.
pub fn signers(mail: &Message) -> impl Iterator<Item = &str> {
    let signatures = mail.headers.iter().filter(|h| h.name.eq_ignore_ascii_case("DKIM-Signature")).take(10);
    signatures.filter_map(|h| h.value.split(';').find_map(|tag| tag.trim().strip_prefix("d=")).map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::{Arrival, Clock, facts};
    use postern_mail::message::Header;
    use postern_model::time::Timestamp;

    fn confirm(fields: &[(&str, &str)]) -> Option<bool> {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: (*value).into(), ..Header::default() };
        let message = Message { headers: fields.iter().map(header).collect(), ..Message::default() };
        can_be_confirmed(&facts(message, Arrival::default(), Vec::new(), Clock::At(Timestamp(0))), "shop.example")
    }

    #[test]
    fn a_name_before_the_address_is_the_authors() {
        let mailbox = |name: Option<&str>, address: &str| Mailbox { name: name.map(Into::into), address: address.into() };
        let mail = Message { from: vec![mailbox(None, "Customer service"), mailbox(None, "a@b.example")], ..Message::default() };
        let (from, name) = shown(&mail);
        assert_eq!((from.map(|f| f.address.as_str()), name), (Some("a@b.example"), "Customer service"));
        let usual = Message { from: vec![mailbox(Some("Erika"), "e@b.example")], ..Message::default() };
        assert_eq!(shown(&usual).1, "Erika");
    }

    #[test]
    fn either_envelope_or_signature_must_name_the_author() {
        assert_eq!(confirm(&[]), None);
        assert_eq!(confirm(&[("Return-Path", "<a@bounce.shop.example>")]), Some(true));
        assert_eq!(confirm(&[("Return-Path", "<a@other.example>")]), Some(false));
        assert_eq!(confirm(&[("Return-Path", "<>")]), Some(false));
        let signed = ("DKIM-Signature", "v=1; a=rsa-sha256; d=Shop.example; s=x");
        assert_eq!(confirm(&[("Return-Path", "<a@other.example>"), signed]), Some(true));
    }
}
