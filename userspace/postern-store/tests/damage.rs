//! A database whose file is damaged, deleted or closed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod database_fixture;

use std::time::{Duration, Instant};

use database_fixture::{Place, START, ask, mail, seed};
use postern_model::role::Rights;
use postern_model::time::Timestamp;
use postern_store::database::journeys::JourneySearch;

fn moved_aside(place: &Place) -> usize {
    let names = std::fs::read_dir(place.dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n.contains(".damaged-") && !n.ends_with("-wal") && !n.ends_with("-shm")).count()
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_at_opening() {
    let place = Place::new();
    std::fs::write(place.file(), vec![0x55; 100_000]).unwrap();
    let d = place.open().await;
    seed(&d, 0..10).await;
    assert!(d.journeys().one(mail(3).mail).await.unwrap().is_some());
    assert_eq!(moved_aside(&place), 1);
}

#[tokio::test]
async fn a_closed_database_does_not_make_its_file_anew() {
    let place = Place::new();
    let database = place.open().await;
    database.close().await;
    std::fs::remove_file(place.file()).unwrap();
    // The writer went round once more when this comes back.
    database.flush().await;
    assert!(!place.file().exists());
}

#[tokio::test]
async fn a_file_deleted_while_it_is_open_is_made_anew() {
    let place = Place::new();
    let d = place.open().await;
    seed(&d, 0..10).await;
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(place.dir.path().join(format!("postern.db{end}")));
    }
    seed(&d, 10..20).await;
    assert!(place.file().exists());
    assert!(d.journeys().one(mail(15).mail).await.unwrap().is_some());
    assert!(d.journeys().one(mail(5).mail).await.unwrap().is_none());
    assert!(d.admins().add("admin", "$x", true, &Rights::ALL, Timestamp(START)).await.unwrap(), "direct writes go to the new file too");
}

#[tokio::test]
async fn a_file_that_breaks_while_it_is_open_is_replaced() {
    let place = Place::new();
    let d = place.open().await;
    seed(&d, 0..20_000).await;
    let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
    checkpoint.execute(&d.writer_pool()).await.unwrap();
    // Everything but the header page turns to noise.
    let size = std::fs::metadata(place.file()).unwrap().len() as usize;
    let file = std::fs::OpenOptions::new().write(true).open(place.file()).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0xa5; size - 4096], 4096).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut n = 20_000;
    while moved_aside(&place) == 0 {
        assert!(Instant::now() < deadline, "damage was not noticed");
        let _ = d.journeys().search(&JourneySearch { subject: Some("invoice".into()), from: Some(Timestamp(START)), ..ask() }).await;
        let _ = d.senders().mails_from(&format!("s{n}@x.example")).await;
        seed(&d, n..n + 10).await;
        n += 10;
    }
    seed(&d, n..n + 10).await;
    assert!(d.journeys().one(mail(n + 5).mail).await.unwrap().is_some());
}
