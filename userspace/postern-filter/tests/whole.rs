//! Whole mails as they come today: `whole/phish` must be marked without any help from the network,
//! `whole/ham` must pass with it and without.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use postern_filter::facts::{Asked, Connection, Facts};
use postern_filter::policy::Policy;
use postern_filter::{explain, judge};

mod support;

fn mails(kind: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/whole").join(kind);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "eml")).collect();
    paths.sort();
    paths
}

fn without_network(facts: &Facts) -> Facts {
    Facts { authentication: Asked::No, lists: Vec::new(), connection: Connection { esmtp: true, ..Connection::default() }, ..facts.clone() }
}

#[test]
fn phishing_is_marked_without_the_network() {
    let mut missed = Vec::new();
    for path in mails("phish") {
        let case = support::load(&path);
        let policy = Policy::new(&case.settings);
        let verdict = judge(&without_network(&case.facts), &policy);
        if verdict.score < policy.thresholds.tag {
            missed.push(format!("{}\n{}", path.display(), explain::text(&verdict, &policy)));
        }
    }
    assert!(mails("phish").len() >= 25);
    assert!(missed.is_empty(), "{} missed\n{}", missed.len(), missed.join("\n"));
}

#[test]
fn honest_mail_passes_with_and_without_the_network() {
    let mut hit = Vec::new();
    for path in mails("ham") {
        let case = support::load(&path);
        let policy = Policy::new(&case.settings);
        for (how, facts) in [("as it came", case.facts.clone()), ("without network", without_network(&case.facts))] {
            let verdict = judge(&facts, &policy);
            if verdict.score >= policy.thresholds.tag {
                hit.push(format!("{} {how}\n{}", path.display(), explain::text(&verdict, &policy)));
            }
        }
    }
    assert!(mails("ham").len() >= 40);
    assert!(hit.is_empty(), "{} hit\n{}", hit.len(), hit.join("\n"));
}
