//! SPF (RFC 7208): may this client send for the envelope sender's domain?

use postern_mail::authentication::AuthResult;

use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Spf:
    SPF_PASS = -0.1, "The envelope sender's domain allows this client.";
    SPF_FAIL = 2.5, "The envelope sender's domain forbids this client (-all).";
    SPF_SOFTFAIL = 1.2, "The envelope sender's domain doubts this client (~all).";
    SPF_NEUTRAL = 0.4, "The envelope sender's domain says nothing about this client (?all).";
    SPF_NONE = 0.5, "The envelope sender's domain publishes no SPF record.";
    SPF_ERROR = 0.4, "The SPF record of the envelope sender's domain cannot be understood.";
    SPF_HELO_FAIL = 1.2, "The domain in HELO forbids this client.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(auth) = view.auth else { return };
    let symbol = match auth.spf {
        AuthResult::Pass => &SPF_PASS,
        AuthResult::Fail => &SPF_FAIL,
        AuthResult::SoftFail => &SPF_SOFTFAIL,
        AuthResult::Neutral => &SPF_NEUTRAL,
        AuthResult::PermError => &SPF_ERROR,
        AuthResult::None if !auth.spf_domain.is_empty() => &SPF_NONE,
        AuthResult::None | AuthResult::Policy | AuthResult::TempError => {
            helo(auth, found);
            return;
        }
    };
    // A forwarder that is believed breaks SPF by design.
    if !(view.arc_vouches() && symbol.weight > 0.0) {
        found.add(symbol, &auth.spf_domain);
    }
    helo(auth, found);
}

fn helo(auth: &postern_mail::authentication::Authentication, found: &mut Findings) {
    if auth.spf_helo == AuthResult::Fail {
        found.add(&SPF_HELO_FAIL, "");
    }
}
