//! Who the mail pretends to be from: a brand, ourselves, one of our people.
//!
//! Attackers seldom forge an address that DMARC guards. They write a known name before an address
//! of their own, register a name that looks alike, or borrow a free mailer. So names are compared
//! with the domain that really speaks.

use super::{Findings, attachment, lure};
use crate::brands::Resemblance;
use crate::domain_lists::{Kind, registrable, related, within};
use crate::fold::fold;
use crate::lookalike::{looks_like, one_edit_apart};
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Impersonation:
    BRAND_IN_NAME = 3.0, "The display name is a known brand's, the address is not.";
    BRAND_LOOKALIKE_NAME = 4.0, "The display name is written to be read as a known brand's: Iedger, Trust WaIIet.";
    BRAND_IN_LOCAL_PART = 1.5, "The brand is in the local part, before somebody else's domain: paypal@example.org.";
    BRAND_IN_FROM_DOMAIN = 2.5, "The author's domain has a brand's name as a piece: paypal-service.example.";
    BRAND_LOOKALIKE_FROM = 4.0, "The author's domain looks like a brand's: paypa1.com, rnicrosoft.com.";
    BRAND_IN_SUBJECT = 1.2, "The subject names a brand that neither the author nor the links belong to, and the text is a lure.";
    BRAND_IN_TEXT = 1.2, "The text speaks for a brand that neither the author nor the links belong to, and is a lure.";
    BRAND_IN_URL = 2.0, "A link's host has a brand's name as a piece, but is not the brand's.";
    BRAND_LOOKALIKE_URL = 3.0, "A link's host looks like a brand's.";
    OWN_DOMAIN_FORGED = 2.0, "From is one of our own domains, but the mail comes from outside and nothing confirms it.";
    OWN_DOMAIN_LOOKALIKE = 4.5, "The author's domain looks like one of ours.";
    OWN_DOMAIN_LOOKALIKE_URL = 3.0, "A link's host looks like one of our domains, or carries our name.";
    OWN_DOMAIN_IN_NAME = 2.0, "The display name holds our domain or organisation, the address is elsewhere.";
    NAME_HAS_OTHER_ADDRESS = 2.5, "The display name is a mail address of another domain.";
    NAME_HAS_OTHER_DOMAIN = 1.0, "The display name holds a known domain that is not the author's.";
    PERSON_FORGED = 3.5, "The display name is that of one of our people, the address is not ours.";
    EXECUTIVE_TITLE = 1.5, "The display name has a title such as CEO, the address is at a free mailer.";
    HELPDESK_FROM_OUTSIDE = 1.8, "The display name is that of a help desk, mail administrator or personnel office without a firm.";
    FROM_CONFUSABLE = 3.5, "The author's domain mixes letters of several scripts.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    // Without an address a name can still pretend to be somebody's.
    if view.from_domain.is_empty() && view.from_name.is_empty() {
        return;
    }
    brand_in_from(view, found);
    urls(view, found);
    brand_in_content(view, found);
    ourselves(view, found);
    names(view, found);
}

fn brand_in_from(view: &View<'_>, found: &mut Findings) {
    let brands = &view.policy.brands;
    let domain = view.from_domain;
    if view.is_own(domain) {
        return;
    }
    let via = view.is_list || view.folded_name.text.contains(" via ");
    // A short brand may be part of a longer one's name ("Amazon" in "Amazon Pay"): any owner may speak.
    let named: Vec<usize> = brands.in_name(&view.folded_name.text).collect();
    if !via && !named.is_empty() && !named.iter().any(|id| view.speaks_for(*id, domain)) {
        found.add(
            &BRAND_IN_NAME,
            format!(
                "\"{}\" <{}>: {} mails from {}",
                view.from_name,
                view.from_address,
                brands.get(named[0]).name,
                brands.get(named[0]).domains[0]
            ),
        );
    }
    if let Some(id) = brands.in_name_by_look(&view.folded_name.text).filter(|id| !via && !view.speaks_for(*id, domain)) {
        found.add(&BRAND_LOOKALIKE_NAME, format!("\"{}\" for {}", view.from_name, brands.get(id).name));
    }
    match brands.resembles(domain) {
        Some((id, Resemblance::Lookalike)) => found.add(&BRAND_LOOKALIKE_FROM, format!("{domain} for {}", brands.get(id).name)),
        Some((id, Resemblance::Piece)) => found.add(&BRAND_IN_FROM_DOMAIN, format!("{domain} for {}", brands.get(id).name)),
        None => {}
    }
    if !via {
        let local = view.from_address.rsplit_once('@').map_or("", |(l, _)| l);
        // WordPress sends the forms of a site as wordpress@ its domain.
        let pieces = local.split(['.', '-', '_', '+']).filter(|p| p.len() >= 4 && *p != "wordpress").take(8);
        for piece in pieces {
            if let Some(id) = brands.in_text(piece).next().filter(|id| !view.speaks_for(*id, domain)) {
                found.add(&BRAND_IN_LOCAL_PART, format!("{} for {}", view.from_address, brands.get(id).name));
            }
        }
    }
    let has_confusable = domain.split('.').filter(|l| l.starts_with("xn--")).any(|l| {
        let shown = idna::domain_to_unicode(l).0;
        fold(&shown, 200).mixed_words > 0 || (!shown.is_ascii() && looks_like(l).is_ascii() && fold(&shown, 200).ascii_letters == 0)
    });
    if has_confusable {
        found.add(&FROM_CONFUSABLE, format!("{domain} is {}", idna::domain_to_unicode(domain).0));
    }
}

fn urls(view: &View<'_>, found: &mut Findings) {
    let brands = &view.policy.brands;
    let mut last = "";
    for url in view.links().filter(|u| !related(&u.host, view.from_domain)) {
        let host = url.host.as_str();
        if host == last || view.is_own(host) || url.ip.is_some() || view.policy.lists.is(Kind::Esp, host) {
            continue;
        }
        last = host;
        match brands.resembles(host) {
            Some((id, Resemblance::Lookalike)) => found.add(&BRAND_LOOKALIKE_URL, format!("{host} for {}", brands.get(id).name)),
            Some((id, Resemblance::Piece)) if !view.is_list => found.add(&BRAND_IN_URL, format!("{host} for {}", brands.get(id).name)),
            _ => {}
        }
        if let Some(own) = own_lookalike(view, host) {
            found.add(&OWN_DOMAIN_LOOKALIKE_URL, format!("{host} for {own}"));
        } else if let Some(own) = own_name_inside(view, host) {
            found.add(&OWN_DOMAIN_LOOKALIKE_URL, format!("{host} for {own}"));
        }
    }
}

fn brand_in_content(view: &View<'_>, found: &mut Findings) {
    if view.is_list || view.is_reply || view.is_from_brand() || view.is_own(view.from_domain) {
        return;
    }
    let is_lure = view.is_credential_lure()
        || view
            .themes
            .first_of(&[
                Theme::RefundTax,
                Theme::RewardPoints,
                Theme::Prize,
                Theme::SubscriptionCallback,
                Theme::TechSupport,
                Theme::Crypto,
                Theme::CryptoGift,
                Theme::Gambling,
                Theme::LegalThreat,
                Theme::DocumentShare,
            ])
            .is_some();
    if !is_lure {
        return;
    }
    let brands = &view.policy.brands;
    // A shop that takes PayPal links to PayPal; a phisher's links lead elsewhere.
    let leads_to = |id: usize| view.links().any(|u| brands.owns(id, &u.host));
    let foreign = |id: &usize| !view.speaks_for(*id, view.from_domain) && !leads_to(*id);
    if let Some(id) = brands.in_text(&view.folded_subject.text).find(foreign) {
        found.add(&BRAND_IN_SUBJECT, format!("{} in \"{}\"", brands.get(id).name, view.subject));
    }
    let strong = view.is_credential_lure()
        || found.in_group(postern_model::symbol::Group::Impersonation)
        || view.themes.has(Theme::SubscriptionCallback);
    let beginning = view.text.text.get(..view.text.text.floor_char_boundary(3000)).unwrap_or_default();
    if strong
        && !view.is_newsletter
        && let Some(id) = brands.in_text(beginning).find(foreign)
    {
        found.add(&BRAND_IN_TEXT, &brands.get(id).name);
    }
}

fn ourselves(view: &View<'_>, found: &mut Findings) {
    let domain = view.from_domain;
    if view.is_own(domain) {
        if view.from_is_authentic() == Some(false) && !view.arc_vouches() && !view.is_list {
            found.add(&OWN_DOMAIN_FORGED, &view.from_address);
        }
        return;
    }
    if let Some(own) = own_lookalike(view, domain) {
        found.add(&OWN_DOMAIN_LOOKALIKE, format!("{domain} for {own}"));
    }
    if view.is_list || view.folded_name.text.contains(" via ") {
        return;
    }
    let name = &view.folded_name.text;
    for own in &view.facts.own_domains {
        let label = registrable(own.as_str()).split('.').next().unwrap_or_default();
        let words = || name.split(|c: char| !c.is_alphanumeric() && c != '-');
        let whole = name.contains(own.as_str()) && !name.contains('@');
        let service = [
            "support",
            "admin",
            "it",
            "helpdesk",
            "mail",
            "server",
            "hr",
            "payroll",
            "notification",
            "service",
            "webmail",
            "security",
            "team",
            "desk",
            "alert",
            "voicemail",
            "scanner",
            "docs",
        ];
        if whole || (label.len() >= 4 && words().any(|w| w == label) && words().any(|w| service.contains(&w))) {
            found.add(&OWN_DOMAIN_IN_NAME, format!("\"{}\" <{}>", view.from_name, view.from_address));
        }
    }
}

/// One of our domains that `host` is made to be mistaken for.
fn own_lookalike<'a>(view: &'a View<'_>, host: &str) -> Option<&'a str> {
    let site = registrable(host);
    let label = site.split('.').next().unwrap_or_default();
    view.facts.own_domains.iter().map(|d| d.as_str()).find(|own| {
        let own_site = registrable(own);
        let own_label = own_site.split('.').next().unwrap_or_default();
        if own_label.len() < 5 || within(host, own) || site == own_site {
            return false;
        }
        // The same name in another zone, look-alike letters, one letter more or less, a hyphen.
        let same_name = label == own_label && site != own_site && !is_public_name(own_label);
        let (look, own_look) = (looks_like(label), looks_like(own_label));
        same_name
            || (look == own_look && label != own_label)
            || (own_label.len() >= 7 && one_edit_apart(&look, &own_look))
            || label
                .strip_prefix(own_label)
                .or_else(|| label.strip_suffix(own_label))
                .is_some_and(|rest| rest.starts_with('-') || rest.ends_with('-'))
    })
}

/// Our domain inside another host: `example.org.login.example`, `mail-example.web.app`.
fn own_name_inside<'a>(view: &'a View<'_>, host: &str) -> Option<&'a str> {
    view.facts.own_domains.iter().map(|d| d.as_str()).find(|own| {
        let own_label = registrable(own).split('.').next().unwrap_or_default();
        let dashed = own.replace('.', "-");
        host.contains(&format!("{own}."))
            || host.contains(&format!("{dashed}."))
            || (own_label.len() >= 6
                && !is_public_name(own_label)
                && view.policy.lists.is_shared_ground(host)
                && host.split(['.', '-']).any(|p| p == own_label))
    })
}

/// Names so common that a namesake is no attack.
fn is_public_name(label: &str) -> bool {
    matches!(
        label,
        "example" | "mail" | "company" | "school" | "hotel" | "office" | "service" | "online" | "group" | "media" | "museum" | "travel"
    )
}

const EXECUTIVES: &[&str] = &[
    "ceo",
    "cfo",
    "coo",
    "cto",
    "president",
    "chairman",
    "managing director",
    "executive director",
    "chief executive",
    "chief financial",
    "geschaftsfuhrer",
    "geschaftsfuhrung",
    "geschaftsleitung",
    "vorstand",
    "direktor",
    "pdg",
    "directeur general",
    "director general",
    "amministratore delegato",
    "principal",
    "pastor",
];

const HELPDESKS: &[&str] = &[
    "it support",
    "it service",
    "it services",
    "it helpdesk",
    "it help desk",
    "it desk",
    "it team",
    "it department",
    "it admin",
    "it administrator",
    "it security",
    "help desk",
    "helpdesk",
    "service desk",
    "servicedesk",
    "system administrator",
    "system admin",
    "sysadmin",
    "mail administrator",
    "mail admin",
    "email administrator",
    "email admin",
    "mail server",
    "email server",
    "mail delivery system",
    "mail system",
    "mail service",
    "webmail",
    "webmail admin",
    "webmail support",
    "webmail team",
    "email support",
    "mail support",
    "email service",
    "mailbox administrator",
    "mailbox support",
    "mailbox team",
    "server admin",
    "server administrator",
    "account team",
    "account support",
    "account security",
    "account services",
    "security team",
    "cpanel",
    "postmaster",
    "hr department",
    "hr team",
    "human resources",
    "human resource",
    "payroll",
    "payroll department",
    "voicemail",
    "voice mail",
    "voicemail service",
    "e-fax",
    "efax",
    "fax service",
    "scanner",
    "quarantine",
    "e-mail admin",
    "it-support",
    "it-abteilung",
    "systemadministrator",
    "e-mail-administrator",
    "mailadministrator",
    "personalabteilung",
    "it-service",
    "it-helpdesk",
    "support technique",
    "service informatique",
    "administrador de correo",
    "soporte tecnico",
    "supporto tecnico",
    "suporte tecnico",
    "document delivery",
    "docs",
    "e-signature",
    "esignature",
    "office admin",
    "message center",
    "notification center",
    "mail notification",
    "email notification",
    "no-reply notification",
    "secure message",
];

fn names(view: &View<'_>, found: &mut Findings) {
    let name = &view.folded_name.text;
    let domain = view.from_domain;
    if name.is_empty() {
        return;
    }
    let shown = || format!("\"{}\" <{}>", view.from_name, view.from_address);
    let via = view.is_list || name.contains(" via ");
    for word in name.split([' ', '<', '>', '(', ')', '"', ',', ';', '[', ']']).filter(|w| w.contains('.') || w.contains('@')).take(10) {
        let word = word.trim_matches(['.', '\'', ':', '/', '|']);
        if let Some((local, other)) = word.rsplit_once('@') {
            if !local.is_empty() && other.contains('.') && !related(other, domain) && !via {
                found.add(&NAME_HAS_OTHER_ADDRESS, shown());
            }
        } else if postern_suffix::has_known_suffix(word)
            && word.split('.').count() >= 2
            && word.split('.').all(|l| l.len() >= 2)
            && !related(word, domain)
            && !via
        {
            // Firms with a domain for a name send from sister domains; a brand's or our own is counted above.
            let label = registrable(word).split('.').next().unwrap_or_default();
            let claims =
                view.policy.brands.owner(word).is_some() || view.is_own(word) || view.is_free_mailer(domain) || view.is_credential_lure();
            if claims && !registrable(domain).contains(label) {
                found.add(&NAME_HAS_OTHER_DOMAIN, shown());
            }
        }
    }
    if !view.is_own(domain) && !via && view.policy.is_own_person(view.from_name) {
        found.add(&PERSON_FORGED, shown());
    }
    if view.is_free_mailer(domain) {
        let has =
            |title: &str| name.split(|c: char| !c.is_alphanumeric()).any(|w| w == title) || (title.contains(' ') && name.contains(title));
        if EXECUTIVES.iter().any(|t| has(t)) {
            found.add(&EXECUTIVE_TITLE, shown());
        }
    }
    let bare = name.trim_matches(|c: char| !c.is_alphanumeric());
    let is_desk = HELPDESKS.iter().any(|h| {
        bare == *h
            || bare.strip_prefix(h).is_some_and(|r| {
                r.starts_with([' ', '-', ':', '|', '@', '(']) && !r.contains(" at ") && view.themes.first_of(lure::CREDENTIAL).is_some()
            })
    });
    // A note without anything to follow, open or answer elsewhere is a machine's: a telephone system, a scanner.
    let hooks =
        [&attachment::ATTACHMENT_HTML, &attachment::ATTACHMENT_SVG, &attachment::ATTACHMENT_ARCHIVE, &attachment::ATTACHMENT_ENCRYPTED];
    let has_hook = view.foreign_links().next().is_some() || found.any_of(&hooks) || !view.mail.reply_to.is_empty();
    if is_desk && has_hook && !view.is_own(domain) && !via && !view.is_reply && !view.is_from_brand() {
        found.add(&HELPDESK_FROM_OUTSIDE, shown());
    }
}
