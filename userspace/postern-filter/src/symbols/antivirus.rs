//! What the antivirus engine says. A named virus decides whatever the score (`judge.rs`).

use crate::facts::{Asked, Scan};
use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Antivirus:
    VIRUS = 100.0, "The antivirus engine names a virus.";
    ANTIVIRUS_UNAVAILABLE = 0.01, "The antivirus engine gave no answer: the mail was not scanned.";
    ANTIVIRUS_TOO_LARGE = 0.01, "The mail is larger than the antivirus engine takes: it was not scanned.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    match &view.facts.antivirus {
        Asked::Yes(Scan::Infected(name)) => found.add(&VIRUS, name),
        Asked::Yes(Scan::TooLarge) => found.add(&ANTIVIRUS_TOO_LARGE, ""),
        Asked::Failed => found.add(&ANTIVIRUS_UNAVAILABLE, ""),
        Asked::Yes(Scan::Clean) | Asked::No => {}
    }
}
