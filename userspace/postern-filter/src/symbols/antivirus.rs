//! What the antivirus engine says. A named virus refuses the mail whatever its score (`judge.rs`).

use crate::facts::Asked;
use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Antivirus:
    VIRUS = 100.0, "The antivirus engine names a virus.";
    ANTIVIRUS_UNAVAILABLE = 0.01, "The antivirus engine gave no answer: the mail was not scanned.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    match &view.facts.antivirus {
        Asked::Yes(Some(name)) => found.add(&VIRUS, name),
        Asked::Failed => found.add(&ANTIVIRUS_UNAVAILABLE, ""),
        Asked::Yes(None) | Asked::No => {}
    }
}
