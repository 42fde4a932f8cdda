//! Where an answer would go: boss fraud and advance-fee fraud live by answers.

use postern_mail::message::Mailbox;

use super::Findings;
use super::lure::CREDENTIAL;
use crate::brands::Resemblance;
use crate::domain_lists::{Kind, related};
use crate::lookalike::{looks_like, one_edit_apart};
use crate::symbols;
use crate::themes::Theme;
use crate::view::View;

symbols! { Impersonation:
    REPLY_TO_FREE_MAILER = 1.5, "Answers go to a free mailer, but the author is elsewhere.";
    REPLY_TO_OTHER_FREE_MAILER = 1.2, "From and Reply-To are different addresses at free mailers.";
    REPLY_TO_OTHER_DOMAIN = 0.3, "Answers go to another domain than the author's.";
    REPLY_TO_WITH_DEMAND = 1.5, "Answers go elsewhere, and the mail presses or demands.";
    REPLY_TO_LOOKALIKE = 3.5, "Answers go to a domain that looks like the author's, a brand's or ours.";
    REPLY_TO_SAME_NAME = 1.0, "Answers go to another domain under the same display name.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(reply) = view.mail.reply_to.first() else { return };
    let Some(domain) = reply.domain() else { return };
    let from = view.from_domain;
    if from.is_empty() || view.is_list || reply.address.eq_ignore_ascii_case(&view.from_address) {
        return;
    }
    let shown = || format!("From {}, Reply-To {}", view.from_address, reply.address);
    let (free_reply, free_from) = (view.is_free_mailer(domain), view.is_free_mailer(from));
    if related(domain, from) && !(free_reply && free_from) {
        return;
    }
    if free_reply && !free_from {
        // Web forms and small shops send in the name of a firm and take answers at its free address; their
        // system writes List-Unsubscribe or is known. The rest is fraud.
        if !view.is_newsletter && !view.is_from_brand() {
            found.add(&REPLY_TO_FREE_MAILER, shown());
        }
    } else if free_reply && free_from {
        found.add(&REPLY_TO_OTHER_FREE_MAILER, shown());
    } else if !view.is_newsletter && !view.policy.lists.is(Kind::Esp, from) {
        found.add(&REPLY_TO_OTHER_DOMAIN, shown());
    }
    let demands =
        [Theme::Urgency, Theme::BecOpening, Theme::PaymentChange, Theme::GiftCard, Theme::Inheritance, Theme::Lottery, Theme::Investment];
    if !view.is_newsletter
        && !view.is_reply
        && (view.themes.first_of(&demands).is_some() || view.themes.first_of(CREDENTIAL).is_some())
        && !view.is_from_brand()
    {
        found.add(&REPLY_TO_WITH_DEMAND, shown());
    }
    let label = |d: &str| looks_like(crate::domain_lists::registrable(d).split('.').next().unwrap_or_default());
    let (look, from_look) = (label(domain), label(from));
    let near_from = !free_from
        && from_look.len() >= 5
        && (look == from_look && !free_reply || one_edit_apart(&look, &from_look) && from_look.len() >= 7);
    let near_own = view.facts.own_domains.iter().any(|own| {
        let own_look = label(own.as_str());
        own_look.len() >= 5
            && own_look != "example"
            && !view.is_own(domain)
            && (own_look == look || (own_look.len() >= 7 && one_edit_apart(&own_look, &look)))
    });
    let near_brand = matches!(view.policy.brands.resembles(domain), Some((_, Resemblance::Lookalike)));
    let sister = near_from
        && look == from_look
        && view.from_is_authentic().or(view.can_be_confirmed) == Some(true)
        && crate::domain_lists::registrable(domain).split('.').next() == crate::domain_lists::registrable(from).split('.').next();
    if (near_from && !sister) || near_own || near_brand {
        found.add(&REPLY_TO_LOOKALIKE, shown());
    }
    let name = |m: &Mailbox| m.name.as_deref().unwrap_or("").trim().to_lowercase();
    if !name(reply).is_empty() && name(reply) == view.from_name.to_lowercase() && free_reply && !view.is_newsletter {
        found.add(&REPLY_TO_SAME_NAME, shown());
    }
}
