//! DNS lists that answered (RFC 5782). Each list brings its own weight from the settings; the
//! symbols' weights are factors on it.

use postern_model::score::Score;

use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Lists:
    LISTED_BAD = 1.0, "A block list has the client's address or a domain of the mail; counts the list's own weight.";
    LISTED_GOOD = 1.0, "An allow list has the client's address; counts the list's own (negative) weight.";
}

/// Answers that are counted in one mail.
const LIMIT: usize = 20;

pub fn check(view: &View<'_>, found: &mut Findings) {
    for hit in view.facts.lists.iter().filter(|h| h.weight != Score::ZERO).take(LIMIT) {
        let symbol = if hit.weight > Score::ZERO { &LISTED_BAD } else { &LISTED_GOOD };
        found.add_again(symbol, hit.weight.get(), format!("{} is in {} ({})", hit.subject, hit.zone, hit.answer));
    }
}
