//! The classifier as a whole, on mails made up here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use postern_mail::message::{Header, Mailbox, Message};

use super::features::{self, MAX_FEATURES, Tier};
use super::tokens::{Class, Tokens};
use super::*;

fn mail(subject: &str, text: &str) -> Message {
    Message {
        subject: Some(subject.to_owned()),
        text: text.to_owned(),
        from: vec![Mailbox { name: Some("Erika".into()), address: "erika@shop.example".into() }],
        headers: vec![Header { name: "Subject".into(), value: subject.into(), raw: subject.into(), ..Header::default() }],
        ..Message::default()
    }
}

/// Counts that tell apart two ways of talking.
fn taught(mails: usize) -> Tokens {
    let mut tokens = Tokens::new();
    for i in 0..mails {
        let spam = mail(&format!("Cheap pills {i}"), &format!("Order your cheap pills now, satisfaction guaranteed number {}", i * 7));
        let ham = mail(&format!("Build {i} is green"), &format!("The nightly build passed on all branches, see log {}", i * 13));
        tokens.learn(&features::features(&spam, None), Class::Spam);
        tokens.learn(&features::features(&ham, None), Class::Ham);
    }
    tokens
}

#[test]
fn features_are_sorted_single_and_bounded() {
    let words: String = (0..50_000).map(|i| format!("word{i} ")).collect();
    let all = features::features(&mail("a b c", &words), None);
    assert!(all.len() <= MAX_FEATURES);
    assert!(all.windows(2).all(|w| w[0] < w[1]));
    // The mail has no URL and no trace.
    let expected = Tier::ALL.iter().filter(|t| !matches!(t, Tier::Url | Tier::Route));
    assert!(expected.into_iter().all(|t| all.iter().any(|f| Tier::of(*f) == Some(*t))));
}

#[test]
fn what_delivery_adds_is_no_feature() {
    let plain = mail("Hello", "How are you");
    let mut delivered = plain.clone();
    for name in ["Received", "Return-Path", "Delivered-To", "X-Spam-Status", "X-Postern-Score", "Authentication-Results", "X-Spam-Flag"] {
        delivered.headers.insert(0, Header { name: name.into(), value: "YES".into(), raw: "YES".into(), ..Header::default() });
    }
    assert_eq!(features::features(&plain, None), features::features(&delivered, None));
}

#[test]
fn own_counts_tell_spam_from_ham_and_say_why() {
    let classifier = Classifier::new(taught(60), 10).with_start(None);
    let spam = classifier.fact_with_evidence(&mail("pills", "cheap pills, satisfaction guaranteed"), None).unwrap();
    let ham = classifier.fact_with_evidence(&mail("log", "the nightly build passed"), None).unwrap();
    assert!(spam.probability > ham.probability, "{spam:?} {ham:?}");
    assert!(spam.evidence.iter().any(|e| e.contains("pills")), "{:?}", spam.evidence);
    assert!(ham.evidence.iter().any(|e| e.contains("build")), "{:?}", ham.evidence);
}

#[test]
fn too_few_learned_mails_leave_it_to_the_starting_model() {
    assert_eq!(Classifier::new(taught(9), 10).own_share(), 0.0);
    assert!(Classifier::new(taught(9), 10).with_start(None).judge(&[1]).is_none());
    let half = Classifier::new(taught(20), 10).own_share();
    assert!(half > 0.0 && half < 1.0, "{half}");
    assert_eq!(Classifier::new(taught(40), 10).own_share(), 1.0);
}

#[test]
fn probabilities_turn_back_into_log_odds() {
    for z in [-20.0, -3.0, 0.0, 0.5, 8.0, 20.0] {
        assert!((log_odds(probability(z)) - z).abs() < 1e-3, "{z}");
    }
}

#[test]
fn the_shipped_models_are_readable() {
    assert!(starting_model().is_some());
    assert!(own_combiner().is_some());
}
