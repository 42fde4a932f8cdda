//! The form of the sender's address and name (whose it pretends to be: `impersonation.rs`).

use postern_mail::message::Mailbox;

use super::Findings;
use crate::domain_lists::related;
use crate::lookalike::is_random;
use crate::symbols;
use crate::view::View;

symbols! { Headers:
    FROM_FREE_MAILER_PATH = 0.8, "From is at a free mailer, but the envelope's sender is elsewhere.";
    FROM_NUMBERED = 0.6, "From is at a free mailer with four or more digits in the name.";
    FROM_RANDOM = 1.0, "The local part of From is a random string.";
    FROM_NAME_EMPTY_FREE_MAILER = 0.3, "From is at a free mailer and has no display name.";
    FROM_NAME_SHOUTS = 0.4, "The display name is in capitals only, or has exclamation marks.";
    FROM_NAME_NEEDLESSLY_ENCODED = 0.7, "The display name is encoded though it is plain ASCII: to hide it from filters.";
    FROM_NAME_MIXED_SCRIPT = 2.5, "The display name mixes Latin letters with look-alikes of other scripts, or has invisible characters.";
    FROM_NAME_IS_SALES_TEXT = 0.8, "The display name is a sentence, not a name.";
    FROM_ABUSED_ZONE = 1.0, "The author's domain is in a zone with much abuse.";
    FROM_FREE_GROUND = 1.0, "The author's domain is one of a free host or of dynamic DNS.";
    FROM_DOMAIN_RANDOM = 1.2, "The author's domain is a random string.";
    FROM_LOCAL_HOST = 1.0, "The author's domain does not exist in the world: localhost, .local, one word.";
    FROM_NOREPLY_FREE_MAILER = 1.5, "From calls itself noreply, support, admin or the like at a free mailer.";
    SENDER_UNRELATED = 0.3, "Sender and From are of different domains, and it is no mailing list.";
}

const SERVICE_LOCALS: &[&str] = &[
    "noreply",
    "no-reply",
    "no.reply",
    "support",
    "service",
    "admin",
    "administrator",
    "security",
    "billing",
    "helpdesk",
    "notification",
    "notifications",
    "alert",
    "alerts",
    "account",
    "accounts",
    "customerservice",
    "verification",
    "update",
    "webmaster",
    "postmaster",
    "payment",
    "payments",
    "invoice",
    "refund",
    "kundenservice",
];

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(from) = view.from else { return };
    let domain = view.from_domain;
    let local = view.from_address.rsplit_once('@').map_or("", |(l, _)| l);
    let free = view.is_free_mailer(domain);
    let envelope = view.facts.mail_from.domain().map_or("", |d| d.as_str());
    if free && view.from_outside {
        if !envelope.is_empty()
            && !related(envelope, domain)
            && !view.is_list
            && !view.is_free_mailer(envelope)
            && view.from_is_authentic() != Some(true)
        {
            found.add(&FROM_FREE_MAILER_PATH, format!("From {}, envelope {envelope}", view.from_address));
        }
        if local.bytes().filter(u8::is_ascii_digit).count() >= 4 && local.bytes().any(|b| b.is_ascii_alphabetic()) {
            found.add(&FROM_NUMBERED, &view.from_address);
        }
        if view.from_name.is_empty() {
            found.add(&FROM_NAME_EMPTY_FREE_MAILER, &view.from_address);
        }
        let word = local.trim_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == '_');
        if !view.is_from_brand() && SERVICE_LOCALS.iter().any(|s| word == *s || (s.len() >= 7 && word.contains(s))) {
            found.add(&FROM_NOREPLY_FREE_MAILER, &view.from_address);
        }
    }
    // VERP and bounce addresses are random by design; they stand in the envelope, not in From.
    let words = local.split(['.', '-', '_', '+']).next().unwrap_or_default();
    if is_random(words) && local.len() <= 40 {
        found.add(&FROM_RANDOM, &view.from_address);
    }
    name(view, from, found);
    place(view, domain, found);
    if let Some(sender) = view.mail.sender.first().and_then(Mailbox::domain)
        && !related(sender, domain)
        && !view.is_list
        && view.header("Resent-From").is_none()
    {
        found.add(&SENDER_UNRELATED, format!("Sender {sender}, From {domain}"));
    }
}

fn name(view: &View<'_>, _from: &Mailbox, found: &mut Findings) {
    let name = view.from_name;
    if name.is_empty() {
        return;
    }
    let folded = &view.folded_name;
    let all_capitals = folded.ascii_letters >= 8 && folded.ascii_capitals == folded.ascii_letters && name.contains(' ');
    if all_capitals || name.contains('!') {
        found.add(&FROM_NAME_SHOUTS, name);
    }
    let raw = view.header("From").map_or("", |h| h.raw.as_str());
    if raw.to_ascii_lowercase().contains("?b?")
        && view.header("From").is_some_and(|h| h.value.is_ascii())
        && !name.contains(['"', ',', '(', ')', ':', ';', '@', '\\', '[', ']', '.'])
    {
        found.add(&FROM_NAME_NEEDLESSLY_ENCODED, raw);
    }
    if folded.mixed_words > 0 || folded.hidden_in_words > 0 || folded.styled_letters > 0 {
        found.add(&FROM_NAME_MIXED_SCRIPT, name);
    }
    let words = folded.text.split(' ').count();
    if (words >= 6 || name.chars().count() > 60) && !name.contains(" via ") && !view.is_list {
        found.add(&FROM_NAME_IS_SALES_TEXT, name);
    }
}

fn place(view: &View<'_>, domain: &str, found: &mut Findings) {
    use crate::domain_lists::{Kind, registrable};
    if domain.is_empty() || view.is_own(domain) {
        return;
    }
    let lists = view.policy.lists;
    if lists.is(Kind::AbusedTld, domain) && view.policy.brands.owner(domain).is_none() {
        found.add(&FROM_ABUSED_ZONE, domain);
    }
    // A builder's own name (squarespace.com) writes honest mail; a customer's name below it hardly ever.
    if lists.is_shared_ground(domain) && registrable(domain) != domain.split_once('.').map_or("", |_| domain)
        || lists.is(Kind::DynamicDns, domain)
        || lists.is(Kind::Tunnel, domain)
    {
        found.add(&FROM_FREE_GROUND, domain);
    }
    let label = registrable(domain).split('.').next().unwrap_or_default();
    if is_random(label) && view.policy.brands.owner(domain).is_none() {
        found.add(&FROM_DOMAIN_RANDOM, domain);
    }
    if !domain.contains('.') && !domain.starts_with('[')
        || [".local", ".lan", ".localdomain", ".internal", ".localhost", ".invalid"].iter().any(|z| domain.ends_with(z))
    {
        found.add(&FROM_LOCAL_HOST, domain);
    }
}
