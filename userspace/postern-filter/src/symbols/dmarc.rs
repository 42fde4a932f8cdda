//! DMARC (RFC 7489): does what was authenticated belong to the author's domain?
//!
//! Enforcement of `p=reject` and `p=quarantine` is the judgement's (`judge.rs`); the symbols weigh what
//! enforcement leaves: `p=none`, enforcement switched off, no record at all.

use postern_mail::authentication::{AuthResult, DmarcPolicy};

use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Dmarc:
    DMARC_PASS = -0.3, "The author's domain is confirmed by SPF or DKIM.";
    DMARC_FAIL_REJECT = 4.5, "The author's domain is not confirmed and wants such mail refused.";
    DMARC_FAIL_QUARANTINE = 3.5, "The author's domain is not confirmed and wants such mail set aside.";
    DMARC_FAIL_NONE = 1.2, "The author's domain is not confirmed; its policy asks for nothing.";
    DMARC_ERROR = 0.3, "The author's domain publishes a DMARC record that cannot be used.";
    FROM_UNCONFIRMED = 0.6, "The author's domain has no DMARC record, and neither SPF nor DKIM confirms it.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(auth) = view.auth else { return };
    match auth.dmarc {
        AuthResult::Pass => found.add(&DMARC_PASS, &auth.dmarc_domain),
        AuthResult::Fail if view.arc_vouches() => {}
        AuthResult::Fail => {
            let symbol = match auth.dmarc_policy {
                DmarcPolicy::Reject => &DMARC_FAIL_REJECT,
                DmarcPolicy::Quarantine => &DMARC_FAIL_QUARANTINE,
                DmarcPolicy::None | DmarcPolicy::Unspecified => &DMARC_FAIL_NONE,
            };
            found.add(symbol, &auth.dmarc_domain);
        }
        AuthResult::PermError => found.add(&DMARC_ERROR, &auth.dmarc_domain),
        _ if view.from_is_authentic() == Some(false) && !view.from_domain.is_empty() && !view.arc_vouches() => {
            found.add(&FROM_UNCONFIRMED, view.from_domain);
        }
        _ => {}
    }
}
