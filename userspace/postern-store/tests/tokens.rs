//! Learned mails on a real file: never twice, taken back exactly, the same after folding.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;

use postern_model::time::Timestamp;
use postern_store::database::Database;
use postern_store::database::tokens::{LearnedMails, Lesson, Outcome};

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn lesson(n: u8, is_spam: bool, features: &[u64]) -> Lesson {
    Lesson { mail: [n; 16], is_spam, features: features.to_vec() }
}

async fn counts(database: &Database) -> (BTreeMap<u64, (i64, i64)>, LearnedMails) {
    let mut all = BTreeMap::new();
    let learned = database
        .tokens()
        .load(|feature, spam, ham| {
            let slot: &mut (i64, i64) = all.entry(feature).or_default();
            *slot = (slot.0 + spam, slot.1 + ham);
        })
        .await
        .unwrap();
    all.retain(|_, c| *c != (0, 0));
    (all, learned)
}

#[tokio::test]
async fn a_mail_counts_once_and_can_change_its_class() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("postern.db")).await.unwrap();
    let tokens = database.tokens();
    let big = u64::MAX - 5;
    let first = [lesson(1, true, &[1, 2, big]), lesson(2, false, &[2, 3]), lesson(1, true, &[1, 2, big])];
    assert_eq!(tokens.learn(&first, NOW).await.unwrap(), [Outcome::New, Outcome::New, Outcome::Known]);
    assert_eq!(
        counts(&database).await,
        (BTreeMap::from([(1, (1, 0)), (2, (1, 1)), (3, (0, 1)), (big, (1, 0))]), LearnedMails { spam: 1, ham: 1 })
    );
    assert_eq!(tokens.learn(&[lesson(1, false, &[1, 2, big])], NOW).await.unwrap(), [Outcome::Changed]);
    let changed = (BTreeMap::from([(1, (0, 1)), (2, (0, 2)), (3, (0, 1)), (big, (0, 1))]), LearnedMails { spam: 0, ham: 2 });
    assert_eq!(counts(&database).await, changed);
    assert_eq!(tokens.fold(100).await.unwrap(), 4);
    assert_eq!(counts(&database).await, changed, "folding changes no count");
    assert_eq!(tokens.learn(&[lesson(2, false, &[2, 3])], NOW).await.unwrap(), [Outcome::Known], "folded mails are still known");
    assert_eq!(tokens.learn(&[lesson(2, true, &[2, 3])], NOW).await.unwrap(), [Outcome::Changed]);
    let after = (BTreeMap::from([(1, (0, 1)), (2, (1, 1)), (3, (1, 0)), (big, (0, 1))]), LearnedMails { spam: 1, ham: 1 });
    assert_eq!(counts(&database).await, after);
    database.close().await;
    let again = Database::open(&dir.path().join("postern.db")).await.unwrap();
    assert_eq!(counts(&again).await, after);
}

#[tokio::test]
async fn the_rarest_tokens_are_forgotten_first() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(&dir.path().join("postern.db")).await.unwrap();
    let tokens = database.tokens();
    let lessons: Vec<Lesson> = (0..50u8).map(|n| lesson(n, n % 2 == 0, &[7, 8, 1000 + u64::from(n)])).collect();
    tokens.learn(&lessons, NOW).await.unwrap();
    assert!(!tokens.needs_folding().await.unwrap());
    assert_eq!(tokens.fold(20).await.unwrap(), 18);
    let (left, learned) = counts(&database).await;
    assert_eq!((left.get(&7), left.get(&8), left.len()), (Some(&(25, 25)), Some(&(25, 25)), 18));
    assert_eq!(learned, LearnedMails { spam: 25, ham: 25 });
}
