//! What we knew of the sender before.

use crate::symbols;
use crate::symbols::Findings;
use crate::themes::Theme;
use crate::view::View;

symbols! { Reputation:
    KNOWN_SENDER = -1.0, "At least three mails of this sender were accepted before, and SPF or DKIM agrees that it is the same.";
    FIRST_CONTACT = 0.1, "Nobody here had a mail from this sender before.";
    FIRST_CONTACT_WITH_DEMAND = 1.0, "The very first mail of a sender asks for money, access or haste.";
}

const DEMANDS: &[Theme] = &[
    Theme::BecOpening,
    Theme::PaymentChange,
    Theme::GiftCard,
    Theme::VerifyAccount,
    Theme::AccountSuspended,
    Theme::PasswordExpiry,
    Theme::MailboxQuota,
    Theme::Extortion,
    Theme::Inheritance,
];

pub fn check(view: &View<'_>, found: &mut Findings) {
    match view.facts.history.mails_from_sender {
        Some(n) if n >= 3 && view.from_is_authentic() == Some(true) => {
            found.add(&KNOWN_SENDER, format!("{n} mails from {}", view.from_address))
        }
        Some(0) => {
            found.add(&FIRST_CONTACT, &view.from_address);
            if let Some(theme) = view.themes.first_of(DEMANDS) {
                found.add(&FIRST_CONTACT_WITH_DEMAND, view.themes.evidence(theme));
            }
        }
        Some(_) | None => {}
    }
}
