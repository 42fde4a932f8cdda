//! What the classifier says.

use crate::symbols;
use crate::symbols::Findings;
use crate::view::View;

symbols! { Bayes:
    BAYES_SPAM = 5.0, "The classifier takes the mail for spam; counts more the surer it is.";
    BAYES_HAM = -3.0, "The classifier takes the mail for wanted; counts more the surer it is.";
}

pub fn check(view: &View<'_>, found: &mut Findings) {
    let Some(bayes) = &view.facts.bayes else { return };
    let evidence = format!("{:.4}: {}", bayes.probability, bayes.evidence.join(", "));
    if bayes.probability > 0.6 {
        found.add_scaled(&BAYES_SPAM, (bayes.probability - 0.6) / 0.4, evidence);
    } else if bayes.probability < 0.4 {
        found.add_scaled(&BAYES_HAM, (0.4 - bayes.probability) / 0.4, evidence);
    }
}
