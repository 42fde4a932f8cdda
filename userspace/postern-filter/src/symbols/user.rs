//! The operator's own lists of senders. They decide by themselves (`judge.rs`); the weights show in the score
//! which one it was.

use postern_mail::authentication::AuthResult;

use crate::domain_lists::related;
use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { User:
    SENDER_ALLOWED = -20.0, "The sender is on the operator's allow list, and SPF or DKIM agrees.";
    SENDER_BLOCKED = 20.0, "The sender is on the operator's block list.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let envelope = view.facts.mail_from.address().map(ToString::to_string).unwrap_or_default();
    let blocked = view.policy.blocks_sender(&view.from_address).or_else(|| view.policy.blocks_sender(&envelope));
    if let Some(entry) = blocked {
        found.add(&SENDER_BLOCKED, entry);
        return;
    }
    // An allow list without authentication would be a key under the mat: anybody can write an address.
    if let Some(entry) =
        view.policy.allows_sender(&view.from_address).filter(|_| !view.from_outside || view.from_is_authentic() == Some(true))
    {
        found.add(&SENDER_ALLOWED, entry);
    } else if let (Some(entry), Some(auth)) = (view.policy.allows_sender(&envelope), view.auth) {
        let domain = envelope.rsplit_once('@').map_or("", |(_, d)| d);
        if auth.spf == AuthResult::Pass && related(&auth.spf_domain, domain) {
            found.add(&SENDER_ALLOWED, entry);
        }
    }
}
