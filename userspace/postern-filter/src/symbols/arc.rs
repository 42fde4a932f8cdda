//! ARC (RFC 8617): what forwarders say they saw.

use postern_mail::authentication::AuthResult;

use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Arc:
    ARC_TRUSTED = -0.5, "A forwarder the operator trusts vouches that DMARC passed there.";
    ARC_FAIL = 0.5, "The chain of forwarders' seals is broken.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(auth) = view.auth else { return };
    if view.arc_vouches() {
        found.add(&ARC_TRUSTED, &auth.arc_sealer);
    } else if auth.arc == AuthResult::Fail {
        found.add(&ARC_FAIL, &auth.arc_sealer);
    }
}
