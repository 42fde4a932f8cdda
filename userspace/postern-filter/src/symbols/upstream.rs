//! What hosts before us wrote into the header about this mail. Praise can be forged and is not
//! believed; nobody forges blame.

use super::Findings;
use crate::symbols;
use crate::view::View;

symbols! { Headers:
    UPSTREAM_SPAM = 2.5, "A filter on the way marked the mail as spam.";
    UPSTREAM_AUTH_FAILED = 1.5, "A host on the way found that SPF, DKIM or DMARC failed.";
    UPSTREAM_UNAUTHENTICATED = 1.0, "A host on the way found neither SPF nor DKIM nor DMARC to confirm the sender.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    for h in &view.mail.headers {
        let value = || h.value.to_ascii_lowercase();
        let name = h.name.to_ascii_lowercase();
        let is_blame = match name.as_str() {
            "x-spam-flag" | "x-spam" | "x-rspamd-spam" => value().starts_with("yes") || value().starts_with("true"),
            "x-spam-status" => value().starts_with("yes"),
            "x-forefront-antispam-report" | "x-forefront-antispam-report-untrusted" => {
                let v = value();
                [
                    "sfv:spm",
                    "cat:phsh",
                    "cat:hphsh",
                    "cat:hphish",
                    "cat:malw",
                    "cat:spoof",
                    "cat:hspm",
                    "cat:spm",
                    "cat:uimp",
                    "cat:dimp",
                    "cat:bimp",
                ]
                .iter()
                .any(|m| v.contains(m))
            }
            "x-ms-exchange-organization-scl" => value().trim().parse::<i32>().is_ok_and(|n| n >= 5),
            "x-gmx-antispam" | "x-ui-filterresults" => value().contains("junk"),
            _ => false,
        };
        if is_blame {
            found.add(&UPSTREAM_SPAM, format!("{}: {}", h.name, h.value));
        }
        // Lists and forwarders break SPF and DKIM; what their first host saw is no blame on the author.
        if matches!(name.as_str(), "authentication-results" | "received-spf") && view.auth.is_none() && !view.is_list {
            let v = value();
            let failed = ["spf=fail", "spf=softfail", "dkim=fail", "dmarc=fail", "compauth=fail"].iter().any(|m| v.contains(m))
                || (name == "received-spf" && (v.starts_with("fail") || v.starts_with("softfail")));
            let passed = ["dmarc=pass", "dkim=pass", "dmarc=bestguesspass"].iter().any(|m| v.contains(m));
            if failed && !passed {
                found.add(&UPSTREAM_AUTH_FAILED, format!("{}: {}", h.name, h.value));
            } else if v.contains("spf=none") && (v.contains("dmarc=none") || v.contains("dkim=none")) {
                found.add(&UPSTREAM_UNAUTHENTICATED, format!("{}: {}", h.name, h.value));
            }
        }
    }
}
