//! The header as a whole: what is missing, doubled, addressed oddly, or typical of honest mail.

use super::Findings;
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Headers:
    FROM_MISSING = 2.0, "No From field, or an empty one (RFC 5322 §3.6).";
    FROM_SEVERAL = 2.0, "From names several authors: each program may show another one.";
    FROM_INVALID = 1.5, "What stands in From is no mail address.";
    TO_UNDISCLOSED = 0.5, "To is \"undisclosed recipients\" or an empty group.";
    SUBJECT_MISSING = 0.6, "No subject, or an empty one.";
    HEADER_DUPLICATED = 1.2, "From, Subject, Date, Message-ID or To stands twice (RFC 5322 §3.6).";
    HEADER_EIGHT_BIT = 0.6, "Raw octets above 127 in the header, where RFC 2047 wants encoded words.";
    HEADER_BROKEN_LINE = 0.8, "A line in the header that is no field.";
    RECIPIENTS_SORTED = 1.0, "Five or more recipients in alphabetical order: an address list worked off.";
    RECIPIENTS_SIMILAR = 1.0, "Five or more recipients whose names begin alike: a guessed list.";
    RECIPIENTS_HIDDEN = 0.3, "The envelope's recipient stands neither in To nor in Cc, and it is no mailing list.";
    TO_IS_SENDER = 0.8, "Addressed to the sender himself; the real recipients are hidden.";
    FROM_IS_RECIPIENT = 1.5, "From is the recipient's own address, and nothing confirms it.";
    PRIORITY_HIGH = 0.4, "Marked as of high priority.";
    BULK_WITHOUT_EXIT = 0.5, "Precedence bulk or junk, but no List-Unsubscribe.";
    HEADER_NONSENSE = 1.0, "An X- field whose name is a random string.";
    LIST_TRAITS = -0.8, "A mailing list's header fields that belong together.";
    REPLY_TRAITS = -0.8, "An answer that quotes what it answers.";
    SIGNED_MAIL = -0.8, "Signed or encrypted with OpenPGP or S/MIME.";
    NEWSLETTER_ONE_CLICK = -0.2, "One-click unsubscription (RFC 8058).";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    presence(view, found);
    recipients(view, found);
    form(view, found);
    traits(view, found);
}

fn presence(view: &View<'_>, found: &mut Findings) {
    match view.mail.from.as_slice() {
        [] => found.add(&FROM_MISSING, view.value("From")),
        [one] if one.domain().is_none_or(is_no_domain) || one.address.contains(char::is_whitespace) => {
            found.add(&FROM_INVALID, &one.address)
        }
        [_] => {}
        [first, second, ..] => {
            found.add(&FROM_SEVERAL, format!("{}, {}", first.address, second.address));
            if view.from_domain.is_empty() {
                found.add(&FROM_INVALID, view.value("From"));
            }
        }
    }
    let is_addressed = view.header("To").is_some() || view.header("Cc").is_some();
    if is_addressed && view.mail.to.is_empty() && view.mail.cc.is_empty() && !view.is_list {
        found.add(&TO_UNDISCLOSED, view.value("To"));
    }
    if view.subject.trim().is_empty() {
        found.add(&SUBJECT_MISSING, "");
    }
    for name in ["From", "Subject", "Date", "Message-ID", "To"] {
        if view.count(name) > 1 {
            found.add(&HEADER_DUPLICATED, format!("{name}, {} times", view.count(name)));
        }
    }
}

/// Signs that no host name has, not even one in another script.
fn is_no_domain(domain: &str) -> bool {
    !domain.starts_with('[') && domain.contains(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_'))
}

fn recipients(view: &View<'_>, found: &mut Findings) {
    let mail = view.mail;
    let listed = || mail.to.iter().chain(&mail.cc);
    let addresses: Vec<String> = listed().take(200).map(|m| m.address.to_lowercase()).filter(|a| a.contains('@')).collect();
    if addresses.len() >= 5 {
        if addresses.windows(2).all(|w| w[0] < w[1]) {
            found.add(&RECIPIENTS_SORTED, format!("{} … {}", addresses[0], addresses[addresses.len() - 1]));
        }
        let heads = addresses.iter().filter(|a| a.get(..3) == addresses[0].get(..3)).count();
        let apart = addresses.iter().filter_map(|a| a.split_once('@')).map(|(_, d)| d).collect::<std::collections::HashSet<_>>().len();
        if heads == addresses.len() && apart >= 2 {
            found.add(&RECIPIENTS_SIMILAR, format!("{} … {}", addresses[0], addresses[addresses.len() - 1]));
        }
    }
    if view.from_outside && !view.recipients.is_empty() && !addresses.is_empty() && !view.is_list && !view.is_newsletter {
        let named = view
            .recipients
            .iter()
            .any(|(l, d)| addresses.iter().any(|a| a.strip_prefix(l.as_str()).is_some_and(|r| r.strip_prefix('@') == Some(d))));
        if !named && addresses.contains(&view.from_address) {
            found.add(&TO_IS_SENDER, &view.from_address);
        } else if !named {
            found.add(&RECIPIENTS_HIDDEN, &addresses[0]);
        }
    }
    let to_self = view.recipients.iter().any(|(l, d)| view.from_address.split_once('@') == Some((l, d)));
    if view.from_outside && to_self && view.from_is_authentic() != Some(true) {
        found.add(&FROM_IS_RECIPIENT, &view.from_address);
    }
}

fn form(view: &View<'_>, found: &mut Findings) {
    use postern_mail::message::DefectKind;
    for defect in &view.mail.defects {
        match defect.kind {
            DefectKind::BadHeaderLine if defect.part == 0 => found.add(&HEADER_BROKEN_LINE, &defect.evidence),
            DefectKind::EightBitHeader if defect.part == 0 => found.add(&HEADER_EIGHT_BIT, &defect.evidence),
            _ => {}
        }
    }
    let priority = view.value("X-Priority");
    let importance = view.value("Importance");
    if priority.starts_with('1') || importance.eq_ignore_ascii_case("high") || view.value("X-MSMail-Priority").eq_ignore_ascii_case("high")
    {
        found.add(&PRIORITY_HIGH, if priority.is_empty() { importance } else { priority });
    }
    let precedence = view.value("Precedence").to_ascii_lowercase();
    if matches!(precedence.as_str(), "bulk" | "junk") && !view.is_newsletter && !view.is_list && view.header("Auto-Submitted").is_none() {
        found.add(&BULK_WITHOUT_EXIT, precedence);
    }
    for h in &view.mail.headers {
        let Some(name) = h.name.strip_prefix("X-").or_else(|| h.name.strip_prefix("x-")) else { continue };
        if !name.contains('-')
            && name.len() >= 7
            && name.bytes().all(|b| b.is_ascii_alphanumeric())
            && crate::lookalike::is_random(&name.to_ascii_lowercase())
        {
            let upper = name.bytes().skip(1).filter(u8::is_ascii_uppercase).count();
            // Abbreviations in capitals and CamelCase names are chosen by people.
            if upper == 0 {
                found.add(&HEADER_NONSENSE, &h.name);
            }
        }
    }
}

fn traits(view: &View<'_>, found: &mut Findings) {
    // One field is quickly forged; the set of a list manager less so, and it gains little.
    let list_fields = [
        "List-Id",
        "List-Post",
        "List-Help",
        "List-Archive",
        "List-Subscribe",
        "X-Mailman-Version",
        "X-BeenThere",
        "Mailing-List",
        "Errors-To",
        "Sender",
    ];
    let present = list_fields.iter().filter(|n| view.header(n).is_some()).count();
    if view.is_list && present >= 3 && !view.is_credential_lure() {
        found.add(&LIST_TRAITS, view.value("List-Id"));
    }
    let quotes = view.mail.text.lines().take(400).filter(|l| l.starts_with('>')).count();
    let re = view.folded_subject.text.starts_with("re:")
        || view.folded_subject.text.starts_with("aw:")
        || view.folded_subject.text.contains("] re:");
    if view.is_reply && re && quotes >= 2 && !view.themes.has(Theme::Urgency) && !view.is_credential_lure() {
        found.add(&REPLY_TRAITS, format!("{quotes} quoted lines"));
    }
    let top = view.mail.parts.first().map_or("", |p| p.content_type.as_str());
    let smime = view.leaves().any(|p| matches!(p.content_type.as_str(), "application/pkcs7-mime" | "application/x-pkcs7-mime"));
    if matches!(top, "multipart/signed" | "multipart/encrypted") || smime || view.mail.text.contains("-----BEGIN PGP SIGN") {
        found.add(&SIGNED_MAIL, top);
    }
    if view.is_newsletter && view.value("List-Unsubscribe-Post").eq_ignore_ascii_case("List-Unsubscribe=One-Click") {
        found.add(&NEWSLETTER_ONE_CLICK, "");
    }
}
