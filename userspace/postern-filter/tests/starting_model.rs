//! The starting model is made of old mail: it must not speak for the phishing of today, and not
//! against honest mail of today.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use postern_filter::bayes::tokens::Tokens;
use postern_filter::bayes::{Classifier, log_odds};
use postern_filter::policy::Policy;
use postern_filter::{explain, judge};

mod support;

fn mails(kind: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/whole").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "eml"));
    paths.sort();
    paths
}

#[test]
fn phishing_of_today_is_marked_and_honest_mail_passes_with_the_starting_model() {
    let classifier = Classifier::new(Tokens::new(), 50);
    let mut wrong = Vec::new();
    let mut pulled = 0.0;
    for (kind, is_phish) in [("phish", true), ("ham", false)] {
        for path in mails(kind) {
            let mut case = support::load(&path);
            let policy = Policy::new(&case.settings);
            case.facts.bayes = classifier.fact_with_evidence(&case.facts.message, case.facts.client());
            let odds = case.facts.bayes.as_ref().map_or(0.0, |b| log_odds(b.probability));
            println!("{odds:+6.2} {kind} {}", path.file_name().unwrap().display());
            if is_phish && odds < 0.0 {
                pulled += odds;
            }
            let verdict = judge(&case.facts, &policy);
            if (verdict.score >= policy.thresholds.tag) != is_phish {
                wrong.push(format!("{} ({odds:+.2})\n{}", path.display(), explain::text(&verdict, &policy)));
            }
        }
    }
    println!("pull on phishing towards ham, in sum: {pulled:.2}");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}
