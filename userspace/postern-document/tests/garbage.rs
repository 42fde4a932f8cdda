//! Messages that are broken, forged or of others: refused whole, and nothing changes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod nodes;

use nodes::{CLUSTER, NOW, by, cluster, set, sync, writer};
use postern_document::{ClusterId, Document, ReceiveError, Received, SyncSession};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Every message of an exchange in which both sides have news, and the states before it.
fn recorded() -> (Document, Document, Vec<Vec<u8>>) {
    let mut all = cluster(2);
    for n in 0..6 {
        set(&mut all[0], "/smtp/limits/max_hops", 30 + n, "ada");
        set(&mut all[1], "/smtp/limits/max_errors", 5 + n, "bob with a message long enough to be compressed");
    }
    let (mut a, mut b) = (all[0].clone(), all[1].clone());
    let messages = sync(&mut a, &mut b);
    assert!(messages.len() >= 4);
    let mut b = all.pop().unwrap();
    let a = all.pop().unwrap();
    set(&mut b, "/greylist/enabled", false, "bob");
    (a, b, messages)
}

#[test]
fn broken_messages_change_nothing_or_only_what_is_whole_in_them() {
    let (_, b, messages) = recorded();
    let mut dice = StdRng::seed_from_u64(1);
    let heads = b.heads();
    let mut refused = 0;
    for round in 0..600 {
        let mut octets = messages[round % messages.len()].clone();
        match round % 3 {
            0 => octets.truncate(dice.random_range(0..octets.len())),
            1 => {
                for _ in 0..dice.random_range(1..4) {
                    let at = dice.random_range(0..octets.len());
                    octets[at] ^= 1 << dice.random_range(0..8);
                }
            }
            _ => {
                let from = dice.random_range(49..octets.len());
                octets[from..].iter_mut().for_each(|o| *o = dice.random());
            }
        }
        let (mut doc, mut session) = (b.clone(), SyncSession::new());
        match session.receive(&mut doc, &octets) {
            Ok(Received::News) => assert_ne!(doc.heads(), heads),
            Ok(Received::Nothing) => assert_eq!(doc.heads(), heads),
            Err(_) => {
                refused += 1;
                assert_eq!((doc.heads(), doc.settings()), (heads.clone(), b.settings()));
            }
        }
        // Whatever was taken can be answered, saved and read again.
        session.generate(&doc);
        let saved = doc.save();
        assert_eq!(Document::open(&saved, Some(CLUSTER), writer(2)).unwrap().settings(), doc.settings());
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn octets_of_chance_are_refused() {
    let (_, b, _) = recorded();
    let mut dice = StdRng::seed_from_u64(2);
    for round in 0..300 {
        let mut octets: Vec<u8> = (0..dice.random_range(0..400)).map(|_| dice.random()).collect();
        if round % 2 == 0 {
            // Behind a right beginning, so that the engine gets to see them.
            let real = SyncSession::new().generate(&b).unwrap();
            octets.splice(0..0, real[..50].iter().copied());
        }
        let mut doc = b.clone();
        let mut session = SyncSession::new();
        assert!(!matches!(session.receive(&mut doc, &octets), Ok(Received::News)), "news from noise");
        assert_eq!(doc.heads(), b.heads());
        session.generate(&doc);
        assert!(Document::open(&octets, None, writer(1)).is_err());
    }
}

#[test]
fn a_saved_document_with_a_flipped_bit_does_not_open_as_another() {
    let (mut a, _, _) = recorded();
    let saved = a.save();
    let mut dice = StdRng::seed_from_u64(3);
    for _ in 0..200 {
        let mut octets = saved.clone();
        let at = dice.random_range(0..octets.len());
        octets[at] ^= 1 << dice.random_range(0..8);
        if let Ok(read) = Document::open(&octets, None, writer(1)) {
            assert_eq!(read.settings(), a.settings());
        }
    }
}

#[test]
fn another_cluster_is_refused_before_anything_is_read() {
    let mut ours = cluster(1).remove(0);
    let before = ours.heads();
    let theirs = Document::create(ClusterId([8; 16]), "theirs", writer(5), by("mallory")).unwrap();
    let message = SyncSession::new().generate(&theirs).unwrap();
    assert!(matches!(SyncSession::new().receive(&mut ours, &message), Err(ReceiveError::Foreign(id)) if id == theirs.cluster()));
    assert!(matches!(ours.merge(&theirs), Err(ReceiveError::Foreign(_))));
    // One that claims our id was still founded by itself.
    let twin = Document::create(CLUSTER, "twin", writer(5), by("mallory")).unwrap();
    let message = SyncSession::new().generate(&twin).unwrap();
    assert!(matches!(SyncSession::new().receive(&mut ours, &message), Err(ReceiveError::OtherBeginning)));
    assert!(matches!(ours.merge(&twin), Err(ReceiveError::OtherBeginning)));
    // And when the beginning is a lie too, whoever first sees what the other carries finds it out.
    let head = SyncSession::new().generate(&ours).unwrap()[..49].to_vec();
    let (mut to_us, mut to_them) = (SyncSession::new(), SyncSession::new());
    let mut found_out = false;
    let mut twin = twin;
    for _ in 0..6 {
        if let Some(mut message) = to_us.generate(&twin) {
            message[..49].copy_from_slice(&head);
            match to_them.receive(&mut ours, &message) {
                Err(e) => found_out |= matches!(e, ReceiveError::Breaks(_)),
                Ok(received) => assert_eq!(received, Received::Nothing),
            }
        }
        if let Some(mut back) = to_them.generate(&ours) {
            let real = SyncSession::new().generate(&twin).unwrap()[..49].to_vec();
            back[..49].copy_from_slice(&real);
            found_out |= matches!(to_us.receive(&mut twin, &back), Err(ReceiveError::Breaks(_)));
        }
    }
    assert!(found_out);
    assert_eq!((ours.heads(), ours.history(None, 9, NOW).len()), (before, 1));
}

#[test]
fn a_message_that_comes_twice_or_to_a_later_session_does_no_harm() {
    let (a, b, messages) = recorded();
    let (mut one, mut two) = (a.clone(), b.clone());
    let mut session = SyncSession::new();
    for message in messages.iter().chain(&messages).rev() {
        let _ = session.receive(&mut two, message);
    }
    sync(&mut one, &mut two);
    let (mut x, mut y) = (a, b);
    sync(&mut x, &mut y);
    assert_eq!((one.settings(), one.heads()), (x.settings(), x.heads()));
}

#[test]
fn a_form_of_a_later_version_is_named() {
    let mut doc = cluster(1).remove(0);
    let mut message = SyncSession::new().generate(&doc).unwrap();
    message[0] = 2;
    assert!(matches!(SyncSession::new().receive(&mut doc, &message), Err(ReceiveError::Form(2))));
}
