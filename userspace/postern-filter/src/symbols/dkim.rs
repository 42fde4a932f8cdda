//! DKIM (RFC 6376): which domains vouch for the content.

use postern_mail::authentication::AuthResult;

use crate::domain_lists::related;
use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Dkim:
    DKIM_ALIGNED = -0.4, "A valid signature of the domain in From.";
    DKIM_PASS = -0.1, "A valid signature of some other domain.";
    DKIM_FAIL = 0.8, "A signature is there and wrong, and none is right.";
    DKIM_ERROR = 0.4, "A signature cannot be checked: bad syntax, or no key in DNS.";
    DKIM_WEAK_KEY = 0.5, "The only valid signature is by an RSA key under 1024 bits (RFC 8301 §3.2).";
    DKIM_TESTING = 0.1, "The signing domain says it is only testing (t=y).";
    DKIM_MISSING_FROM_PROVIDER = 2.0, "From names a provider that signs everything, and there is no signature of it.";
}

/// Providers that sign all mail.
const ALWAYS_SIGN: &[&str] = &[
    "gmail.com",
    "googlemail.com",
    "google.com",
    "yahoo.com",
    "ymail.com",
    "aol.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "icloud.com",
    "me.com",
    "protonmail.com",
    "proton.me",
    "paypal.com",
    "amazon.com",
    "amazon.de",
    "facebookmail.com",
    "linkedin.com",
    "netflix.com",
    "ebay.com",
    "github.com",
    "apple.com",
    "gmx.net",
    "gmx.de",
    "web.de",
    "mail.ru",
    "yandex.ru",
    "docusign.net",
];

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(auth) = view.auth else { return };
    let passed: Vec<_> = auth.dkim.iter().filter(|d| d.result == AuthResult::Pass).collect();
    if let Some(own) = passed.iter().find(|d| related(&d.domain, view.from_domain)) {
        found.add(&DKIM_ALIGNED, &own.domain);
    } else if let Some(other) = passed.first() {
        found.add(&DKIM_PASS, &other.domain);
    }
    if let Some(weak) = passed.first().filter(|_| passed.iter().all(|d| d.key_bits.is_some_and(|bits| bits < 1024))) {
        found.add(&DKIM_WEAK_KEY, format!("{}: {} bits", weak.domain, weak.key_bits.unwrap_or_default()));
    }
    if let Some(testing) = passed.iter().find(|d| d.is_testing) {
        found.add(&DKIM_TESTING, &testing.domain);
    }
    if passed.is_empty() && !view.arc_vouches() {
        if let Some(bad) = auth.dkim.iter().find(|d| d.result == AuthResult::Fail) {
            found.add(&DKIM_FAIL, format!("{}: {}", bad.domain, bad.why));
        } else if let Some(bad) =
            auth.dkim.iter().find(|d| matches!(d.result, AuthResult::PermError | AuthResult::Neutral | AuthResult::Policy))
        {
            found.add(&DKIM_ERROR, format!("{}: {}", bad.domain, bad.why));
        }
    }
    let temporary = auth.dkim.iter().any(|d| d.result == AuthResult::TempError);
    if !view.is_list
        && !temporary
        && ALWAYS_SIGN.contains(&view.from_domain)
        && !auth.dkim.iter().any(|d| related(&d.domain, view.from_domain))
    {
        found.add(&DKIM_MISSING_FROM_PROVIDER, view.from_domain);
    }
}
