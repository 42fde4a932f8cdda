//! Whether the mail can be its author's at all ([`crate::author`]), and whether its frame fits: the
//! envelope's sender, the Message-ID, the mails it says it answers.
//!
//! Forwarders and small firms break single ones of these, so each weighs little; a known brand's
//! domain without envelope or signature of its own weighs much.

use postern_mail::message::Mailbox;
use postern_model::symbol::Group;

use super::{Findings, Symbol};
use crate::author;
use crate::domain_lists::{Kind, registrable, related};
use crate::symbols;
use crate::talk;
use crate::view::View;

symbols! { Headers:
    ENVELOPE_NULL = 1.5, "The null envelope sender on a mail that is neither a report nor an automatic answer.";
    MESSAGE_ID_UNRELATED = 0.6, "The Message-ID's host belongs to nobody who had to do with the mail.";
    REFERENCE_NONSENSE = 2.0, "In-Reply-To or References name something longer than any Message-ID: stuffing against filters.";
    REFERENCE_PRETENDED = 0.4, "Says that it answers a mail, but neither its subject nor its text does.";
}

/// Declared apart: whose name is used is impersonation.
pub static FROM_BRAND_FORGED: Symbol = Symbol {
    name: "FROM_BRAND_FORGED",
    group: Group::Impersonation,
    weight: 3.3,
    description: "The author's domain is a known brand's, and neither envelope nor signature is, or their check failed.",
};

/// [`FROM_BRAND_FORGED`] for the registry.
pub static IMPERSONATION_TABLE: &[&Symbol] = &[&FROM_BRAND_FORGED];

pub fn check(view: &View<'_>, found: &mut Findings) {
    references(view, found);
    if view.from_domain.is_empty() || view.is_list || view.arc_vouches() || view.is_own(view.from_domain) {
        return;
    }
    brand(view, found);
    if author::envelope_is_null(view.facts) && !is_automatic(view) {
        found.add(&ENVELOPE_NULL, &view.from_address);
    }
    message_id(view, found);
}

/// A known brand's domain that DMARC does not confirm, or that it could not confirm whatever the DNS said.
fn brand(view: &View<'_>, found: &mut Findings) {
    if view.from_is_authentic().or(view.can_be_confirmed) != Some(false) || is_automatic(view) {
        return;
    }
    let domain = view.from_domain;
    // A free mailer's customers have a symbol of their own (FROM_FREE_MAILER_PATH).
    let guarded = !view.is_free_mailer(domain) && !view.policy.lists.is_shared_ground(domain);
    if let Some(id) = view.policy.brands.owner(domain).filter(|_| guarded) {
        let envelope = view.facts.mail_from.domain().map_or("<>", |d| d.as_str());
        found.add(&FROM_BRAND_FORGED, format!("{} is {}'s, envelope {envelope}", view.from_address, view.policy.brands.get(id).name));
    }
}

/// Reports (RFC 3464), automatic answers (RFC 3834), meeting mails: their null sender is right.
fn is_automatic(view: &View<'_>) -> bool {
    let top = view.mail.parts.first().map_or("", |p| p.content_type.as_str());
    let auto = view.value("Auto-Submitted").trim();
    top == "multipart/report"
        || (!auto.is_empty() && !auto.eq_ignore_ascii_case("no"))
        || view.header("X-Auto-Response-Suppress").is_some()
        || view.header("X-Autoreply").is_some()
        || view.leaves().any(|p| matches!(p.content_type.as_str(), "text/calendar" | "message/delivery-status"))
        || ["mailer-daemon@", "postmaster@"].iter().any(|l| view.from_address.starts_with(l))
}

fn message_id(view: &View<'_>, found: &mut Findings) {
    let raw = view.value("Message-ID").trim();
    let Some((_, right)) = raw.trim_matches(['<', '>']).rsplit_once('@') else { return };
    let host = right.to_ascii_lowercase();
    // One word and names inside a network have symbols of their own or are usual.
    let is_name = host.contains('.') && postern_suffix::has_known_suffix(&host);
    if !is_name || view.is_reply || view.policy.lists.is(Kind::Esp, &host) || view.can_be_confirmed.is_none() {
        return;
    }
    let envelope = view.facts.mail_from.domain().map_or("", |d| d.as_str());
    let sender = view.mail.sender.first().and_then(Mailbox::domain).unwrap_or("");
    let known = [view.from_domain, envelope, sender, view.facts.connection.helo.as_str()];
    let site = registrable(&host);
    let in_trace = || view.mail.received.iter().any(|r| r.raw.to_ascii_lowercase().contains(site));
    let by_program = ["gmail.com", "outlook.com", "yahoo.com", "icloud.com", "apple.com", "email.android.com"];
    let is_related = known.iter().any(|d| related(&host, d))
        || author::signers(view.mail).any(|d| related(&host, &d.to_ascii_lowercase()))
        || by_program.iter().any(|d| related(&host, d))
        || view.is_own(&host);
    if !is_related && !in_trace() {
        found.add(&MESSAGE_ID_UNRELATED, raw);
    }
}

fn references(view: &View<'_>, found: &mut Findings) {
    if talk::refers_to_nonsense(view.mail) {
        found.add(&REFERENCE_NONSENSE, "");
    } else if talk::refers(view.mail) && !view.is_reply && !view.is_list && !is_automatic(view) && !threads_by_design(view) {
        found.add(&REFERENCE_PRETENDED, view.value("In-Reply-To"));
    }
}

/// Ticket and review systems put the mails of one matter under one another without quoting: the
/// reference then is to a mail of their own.
fn threads_by_design(view: &View<'_>) -> bool {
    let written = format!("{} {}", view.value("In-Reply-To"), view.value("References")).to_ascii_lowercase();
    written.contains(registrable(view.from_domain))
}
