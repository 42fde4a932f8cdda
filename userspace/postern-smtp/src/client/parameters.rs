//! MAIL and RCPT with their parameters, as the peer's offers allow.

use std::fmt::Write as _;

use postern_model::address::ReversePath;
use postern_model::envelope::{BodyType, DsnReturn, Envelope, Recipient};

use super::capabilities::Capabilities;
use super::payload::Payload;
use super::reply::Reply;
use crate::xtext;

/// What one transaction is to carry. Borrowed: nothing of the mail is copied but the command lines.
#[derive(Clone, Copy, Debug)]
pub struct Transaction<'a> {
    pub envelope: &'a Envelope,
    pub recipients: &'a [&'a Recipient],
    pub payload: &'a Payload<'a>,
    /// RFC 8689: the connection has verified TLS or does not leave this machine, so `require_tls` is met as far as the line goes.
    pub line_is_trusted: bool,
}

/// Which BODY parameter and extensions a transaction uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    body: Option<&'static str>,
    smtputf8: bool,
    require_tls: bool,
    pub(super) is_binary: bool,
}

impl Form {
    /// Chooses the form, or says in a reply of our own why the peer cannot take the mail.
    pub(super) fn choose(t: &Transaction<'_>, peer: &Capabilities) -> Result<Self, Reply> {
        let size = t.payload.len();
        if let Some(limit) = peer.size.filter(|limit| *limit > 0 && size > *limit) {
            return Err(Reply::own(552, format!("5.3.4 the mail has {size} octets, the next hop takes {limit}")));
        }
        let is_binary = t.envelope.body == BodyType::BinaryMime;
        if is_binary && !(peer.binary_mime && peer.chunking) {
            // RFC 3030 §3: convert or refuse. We do not convert: it would break signatures.
            return Err(Reply::own(554, "5.6.1 the mail is BINARYMIME and the next hop does not offer it"));
        }
        let is_eight_bit = t.envelope.body != BodyType::SevenBit || !t.payload.is_ascii();
        if is_eight_bit && !is_binary && !peer.eight_bit_mime && !t.payload.is_ascii() {
            // RFC 6152 §3: such content must not be sent "under any circumstances"; converting would break signatures,
            // so it is the permanent error the RFC names. BODY=8BITMIME on text that is ASCII goes out as 7-bit.
            return Err(Reply::own(554, "5.6.3 the mail has 8-bit text and the next hop does not offer 8BITMIME"));
        }
        let has_utf8_address =
            t.recipients.iter().any(|r| r.address.needs_smtputf8()) || t.envelope.mail_from.address().is_some_and(|a| a.needs_smtputf8());
        let needs_smtputf8 = has_utf8_address || (t.envelope.smtputf8 && !t.payload.header_is_ascii());
        if needs_smtputf8 && !peer.smtputf8 {
            // RFC 6531 §3.2
            return Err(Reply::own(550, "5.6.7 the mail needs SMTPUTF8 and the next hop does not offer it"));
        }
        if t.envelope.require_tls && !t.line_is_trusted {
            return Err(Reply::own(550, "5.7.30 the mail asks for REQUIRETLS and the line to the next hop is not verified"));
        }
        if t.envelope.require_tls && !peer.require_tls && !t.line_is_trusted {
            return Err(Reply::own(550, "5.7.30 the mail asks for REQUIRETLS and the next hop does not offer it"));
        }
        let body = match (is_binary, is_eight_bit && peer.eight_bit_mime) {
            (true, _) => Some("BINARYMIME"),
            (false, true) => Some("8BITMIME"),
            (false, false) => None,
        };
        Ok(Self {
            body,
            smtputf8: peer.smtputf8 && (needs_smtputf8 || t.envelope.smtputf8),
            require_tls: t.envelope.require_tls && peer.require_tls,
            is_binary,
        })
    }
}

pub(super) fn mail(out: &mut String, t: &Transaction<'_>, form: Form, peer: &Capabilities) {
    mail_from(out, &t.envelope.mail_from);
    if peer.size.is_some() {
        push(out, format_args!(" SIZE={}", t.payload.len()));
    }
    if let Some(body) = form.body {
        push(out, format_args!(" BODY={body}"));
    }
    if form.smtputf8 {
        out.push_str(" SMTPUTF8");
    }
    if form.require_tls {
        out.push_str(" REQUIRETLS");
    }
    if peer.dsn {
        match t.envelope.dsn_return {
            Some(DsnReturn::Full) => out.push_str(" RET=FULL"),
            Some(DsnReturn::Headers) => out.push_str(" RET=HDRS"),
            None => {}
        }
        if let Some(id) = t.envelope.dsn_envelope_id.as_deref().filter(|id| !id.is_empty() && id.is_ascii()) {
            push(out, format_args!(" ENVID={}", xtext::encode(id)));
        }
    }
    out.push_str("\r\n");
}

pub(super) fn mail_from(out: &mut String, path: &ReversePath) {
    push(out, format_args!("MAIL FROM:<{path}>"));
}

pub(super) fn rcpt(out: &mut String, recipient: &Recipient, peer: &Capabilities) {
    push(out, format_args!("RCPT TO:<{}>", recipient.address));
    if peer.dsn {
        if let Some(notify) = recipient.notify {
            let chosen = [("SUCCESS", notify.success), ("FAILURE", notify.failure), ("DELAY", notify.delay)];
            let mut separator = " NOTIFY=";
            for (word, _) in chosen.iter().filter(|(_, wanted)| *wanted) {
                push(out, format_args!("{separator}{word}"));
                separator = ",";
            }
            if separator != "," {
                out.push_str(" NOTIFY=NEVER");
            }
        }
        if let Some((kind, address)) = recipient.original.as_deref().and_then(|o| o.split_once(';')) {
            let kind_is_atom = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            // An address that is not ASCII would need the forms of RFC 6533 §3; without ORCPT nothing is lost but a hint.
            if kind_is_atom && !address.is_empty() && address.is_ascii() {
                push(out, format_args!(" ORCPT={kind};{}", xtext::encode(address)));
            }
        }
    }
    out.push_str("\r\n");
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(text);
}
