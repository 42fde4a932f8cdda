//! A backup of a node, restored, is that node.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod world;

use std::collections::BTreeSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use age::x25519;
use postern_backup::create::create;
use postern_backup::inventory::{self, Outside};
use postern_backup::lock::{Key, Lock};
use postern_backup::restore::{Membership, Occupied, Plan, restore};
use postern_backup::stage::{Source, clear_left_over};
use postern_backup::target::Target;
use postern_backup::verify::verify;
use postern_model::settings::Settings;
use postern_model::settings::backup::QuarantineBodies;
use postern_store::database::Database;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use world::{AT, World, files, noise, put, secret};

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_equals_the_one_that_was_backed_up() {
    let world = World::new().await;
    let (created, path) = world.back_up(QuarantineBodies::Included).await;
    assert_eq!(std::fs::metadata(&path).unwrap().len(), created.stored.size);
    assert_eq!(files(&world.data.join("backup-work")).into_keys().collect::<Vec<_>>(), ["lock"], "something was left behind");

    let plan = Plan { membership: Membership::Resume, ..world.plan("restored") };
    let done = restore(File::open(&path).unwrap(), &world.key, &plan).unwrap();
    assert_eq!((done.head.host.as_str(), done.head.node.as_deref(), done.head.at), ("mx1.example.org", Some("n1"), AT));
    assert!(done.aside.is_none() && done.outside.is_empty() && done.left_cluster == 0);

    let (before, after) = (files(&world.data), files(&plan.data));
    let kept: BTreeSet<&str> = after.keys().map(String::as_str).collect();
    let expected = [
        "cluster/document",
        "cluster/ledger.db",
        "cluster/node.key",
        "dkim/keys/2026.pem",
        "edge/bans.jsonl",
        "postern.db",
        "postern.toml",
        "spool/quarantine/7q/01body7q",
        "spool/quarantine/zz/01bodyzz",
        "tls/smtp.key",
    ];
    assert_eq!(kept.into_iter().collect::<Vec<_>>(), expected);
    for path in expected.iter().filter(|p| !p.ends_with(".db")) {
        assert!(after[*path] == before[*path], "{path} is another");
    }
    let left: BTreeSet<&str> = done.head.left_out.iter().map(|l| l.what.as_str()).collect();
    for path in
        ["spool/segment-1", "cluster/shadows", "cluster/invitations", "edge/feeds", "initial-password", "postern.db.damaged-17", "link"]
    {
        assert!(left.contains(path), "{path} is not named as left out: {left:?}");
    }
    let database = Database::open(&plan.data.join("postern.db")).await.unwrap();
    assert_eq!(database.admins().one("admin").await.unwrap().unwrap().password, "a hash");
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_a_restored_node_is_no_twin_and_has_no_bodies() {
    let world = World::new().await;
    let (_, path) = world.back_up(QuarantineBodies::LeftOut).await;
    let plan = world.plan("restored");
    let done = restore(File::open(&path).unwrap(), &world.key, &plan).unwrap();
    assert_eq!(done.left_cluster, 3, "node.key, document, ledger.db");
    let names: Vec<String> = files(&plan.data).into_keys().collect();
    assert_eq!(names, ["dkim/keys/2026.pem", "edge/bans.jsonl", "postern.db", "postern.toml", "tls/smtp.key"]);
    assert!(done.head.left_out.iter().any(|l| l.what == "spool/quarantine"), "{:?}", done.head.left_out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_locks_it_and_a_list_of_keys_does() {
    let world = World::new().await;
    let target = Target::directory(&world.target);
    let source = world.source(QuarantineBodies::LeftOut);
    let created = create(source.clone(), &Lock::passphrase("correct horse"), &target, 1, AT).await.unwrap();
    let path = world.target.join(created.stored.name.to_string());
    let open =
        |key: &Key| verify(File::open(&path).unwrap(), key, &world.target, &mut |_| {}).map(|h| h.members).map_err(|e| e.to_string());
    assert_eq!(open(&Key::passphrase("correct horse")), Ok(created.head.members));
    assert_eq!(open(&Key::passphrase("wrong horse")), Err("the passphrase is not the one this backup was locked with".into()));
    assert!(open(&world.key).unwrap_err().contains("is locked with a passphrase"));

    let (one, two) = (x25519::Identity::generate(), x25519::Identity::generate());
    let lock = Lock::recipients(&[one.to_public().to_string(), two.to_public().to_string()]).unwrap();
    create(source, &lock, &target, 1, AT).await.unwrap();
    for identity in [&one, &two] {
        let text = format!("# created: today\n{}\n", secret(identity));
        assert_eq!(open(&Key::identities(&text).unwrap()), Ok(created.head.members));
    }
    assert_eq!(open(&world.key), Err("none of the keys opens this backup".into()));
    assert!(open(&Key::passphrase("x")).unwrap_err().contains("is locked with public keys"));
}

/// Two tables that every transaction changes together: a copy that is not of one moment shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_copied_as_it_was_at_one_moment_while_it_is_written() {
    let world = World::new().await;
    let database = Database::open(&world.data.join("postern.db")).await.unwrap();
    let pool = database.writer_pool();
    sqlx::raw_sql("CREATE TABLE left_side (n INTEGER PRIMARY KEY, filler BLOB); CREATE TABLE right_side (n INTEGER PRIMARY KEY)")
        .execute(&pool)
        .await
        .unwrap();
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = tokio::spawn({
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        async move {
            let mut n = 0_i64;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
                sqlx::query("INSERT INTO left_side VALUES (?, randomblob(20000))").bind(n).execute(&mut *tx).await.unwrap();
                sqlx::query("INSERT INTO right_side VALUES (?)").bind(n).execute(&mut *tx).await.unwrap();
                sqlx::query("DELETE FROM left_side WHERE n = ? - 300").bind(n).execute(&mut *tx).await.unwrap();
                sqlx::query("DELETE FROM right_side WHERE n = ? - 300").bind(n).execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut newest = 0;
    for round in 0..4 {
        let before = written.load(Ordering::Relaxed);
        while written.load(Ordering::Relaxed) < before + 50 {
            tokio::task::yield_now().await;
        }
        let begun = written.load(Ordering::Relaxed);
        let (_, path) = world.back_up(QuarantineBodies::LeftOut).await;
        let plan = world.plan(&format!("restored-{round}"));
        restore(File::open(&path).unwrap(), &world.key, &plan).unwrap();
        let options = SqliteConnectOptions::new().filename(plan.data.join("postern.db")).read_only(true);
        let mut copy = options.connect().await.unwrap();
        let (left, right, last): (i64, i64, i64) =
            sqlx::query_as("SELECT (SELECT sum(n) FROM left_side), (SELECT sum(n) FROM right_side), (SELECT max(n) FROM left_side)")
                .fetch_one(&mut copy)
                .await
                .unwrap();
        let (sound,): (String,) = sqlx::query_as("PRAGMA integrity_check").fetch_one(&mut copy).await.unwrap();
        copy.close().await.unwrap();
        assert_eq!((left, sound.as_str()), (right, "ok"), "round {round}");
        assert!(last as u64 >= begun && last > newest, "round {round}: {last} was written, {begun} had been before");
        newest = last;
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_go_meanwhile_do_not_end_a_backup() {
    let world = World::new().await;
    let stop = Arc::new(AtomicBool::new(false));
    let churn = std::thread::spawn({
        let (stop, shard) = (Arc::clone(&stop), world.data.join("spool/quarantine/7q"));
        move || {
            for n in (0..400).cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                let (young, body) = (shard.join(format!("01c{n}.new")), shard.join(format!("01c{n}")));
                if std::fs::remove_file(&body).is_err() {
                    std::fs::write(&young, noise(5000)).unwrap();
                    std::fs::rename(&young, &body).unwrap();
                }
            }
        }
    });
    for round in 0..5 {
        let (_, path) = world.back_up(QuarantineBodies::Included).await;
        let plan = world.plan(&format!("restored-{round}"));
        restore(File::open(&path).unwrap(), &world.key, &plan).unwrap();
        let bodies: Vec<_> =
            files(&plan.data.join("spool/quarantine/7q")).into_iter().filter(|(name, _)| name.starts_with("01c")).collect();
        assert!(bodies.iter().all(|(name, (octets, _))| !name.ends_with(".new") && *octets == noise(5000)), "a body is not whole");
    }
    stop.store(true, Ordering::Relaxed);
    churn.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_outside_of_the_data_folder_come_along_and_are_not_put_there() {
    let world = World::new().await;
    let elsewhere = world.folder.path().join("etc");
    std::fs::create_dir(&elsewhere).unwrap();
    put(&elsewhere.join("postern.toml"), b"[log]\n", 0o640);
    put(&elsewhere.join("mx.key"), b"a key", 0o600);
    let mut settings = Settings::default();
    settings.node.data_dir = world.data.clone();
    settings.smtp.tls.key = elsewhere.join("mx.key");
    settings.smtp.tls.certificate = elsewhere.join("gone.pem");
    settings.console.key = world.data.join("tls/smtp.key");
    let mut source = world.source(QuarantineBodies::LeftOut);
    source.outside = inventory::outside(&settings, &elsewhere.join("postern.toml"));
    let named: Vec<&str> = source.outside.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(named, ["postern.toml", "smtp.tls.certificate", "smtp.tls.key"], "what lies in the data folder is not named twice");
    source.outside.push(Outside { name: "machine.toml".into(), path: elsewhere.clone() });

    let created = create(source, &world.lock, &Target::directory(&world.target), 3, AT).await.unwrap();
    let left: Vec<&str> = created.head.left_out.iter().map(|l| l.what.as_str()).filter(|w| w.starts_with('/')).collect();
    assert_eq!(left, [elsewhere.join("gone.pem").to_str().unwrap(), elsewhere.to_str().unwrap()]);
    std::fs::remove_dir_all(&elsewhere).unwrap();
    let plan = world.plan("restored");
    let done = restore(File::open(world.target.join(created.stored.name.to_string())).unwrap(), &world.key, &plan).unwrap();
    let expected = [("postern.toml", "postern.toml"), ("smtp.tls.key", "mx.key")]
        .map(|(name, file)| (plan.data.join("outside-20261127T035617Z").join(name), elsewhere.join(file).display().to_string()));
    assert_eq!(done.outside, expected);
    assert_eq!(std::fs::read(&done.outside[1].0).unwrap(), b"a key");
    assert!(!elsewhere.exists(), "a restore wrote outside of the data folder");

    // The restored node's own next backup has them as files of its data folder.
    put(&world.folder.path().join("postern.toml"), b"[dns]\n", 0o640);
    let outside = vec![Outside { name: "postern.toml".into(), path: world.folder.path().join("postern.toml") }];
    let source = Source { data: plan.data.clone(), outside, ..world.source(QuarantineBodies::LeftOut) };
    let created = create(source, &world.lock, &Target::directory(&world.target), 3, AT + Duration::from_secs(1)).await.unwrap();
    let again = world.plan("again");
    restore(File::open(world.target.join(created.stored.name.to_string())).unwrap(), &world.key, &again).unwrap();
    for (folder, text) in [("outside-20261127T035617Z", "[log]\n"), ("outside-20261127T035618Z", "[dns]\n")] {
        assert_eq!(std::fs::read_to_string(again.data.join(folder).join("postern.toml")).unwrap(), text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_in_use_is_replaced_only_when_asked_and_never_under_a_running_node() {
    let world = World::new().await;
    let (_, path) = world.back_up(QuarantineBodies::LeftOut).await;
    let before = files(&world.data);
    let plan = Plan { data: world.data.clone(), occupied: Occupied::Refuse, membership: Membership::Leave };
    let refused = restore(File::open(&path).unwrap(), &world.key, &plan).unwrap_err().to_string();
    assert!(refused.contains("is not empty") && refused.contains("--replace"), "{refused}");

    let plan = Plan { occupied: Occupied::MoveAside, ..plan };
    let running = File::options().write(true).open(world.data.join("spool/lock")).unwrap();
    running.lock().unwrap();
    let refused = restore(File::open(&path).unwrap(), &world.key, &plan).unwrap_err().to_string();
    assert!(refused.contains("a node runs on"), "{refused}");
    assert!(files(&world.data) == before, "a refused restore changed something");
    drop(running);

    let done = restore(File::open(&path).unwrap(), &world.key, &plan).unwrap();
    let aside = done.aside.unwrap();
    assert!(files(&aside) == before, "what was there is not kept as it was");
    assert_eq!(std::fs::read(world.data.join("tls/smtp.key")).unwrap(), b"a private key");
    let beside: BTreeSet<_> =
        std::fs::read_dir(world.folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    let aside = aside.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(beside, BTreeSet::from(["postern".to_owned(), "target".to_owned(), aside]));

    let empty = world.plan("empty");
    std::fs::create_dir(&empty.data).unwrap();
    assert!(restore(File::open(&path).unwrap(), &world.key, &empty).unwrap().aside.is_none());
    assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), 4, "an empty folder was kept aside");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_backups_at_once_are_one_too_many() {
    let world = World::new().await;
    let (_, _) = world.back_up(QuarantineBodies::LeftOut).await;
    let lock = File::options().write(true).open(world.data.join("backup-work/lock")).unwrap();
    lock.lock().unwrap();
    let target = Target::directory(&world.target);
    let refused = create(world.source(QuarantineBodies::LeftOut), &world.lock, &target, 3, AT).await.unwrap_err().to_string();
    assert!(refused.contains("another backup"), "{refused}");
    assert!(clear_left_over(&world.data).is_err());
    drop(lock);

    // A backup that was killed.
    put(&world.data.join("backup-work/m0"), b"a copy of a database", 0o600);
    clear_left_over(&world.data).unwrap();
    assert_eq!(files(&world.data.join("backup-work")).into_keys().collect::<Vec<_>>(), ["lock"]);
}

/// The appliance's edge is another user, whose unit does not start without its folder.
#[tokio::test(flavor = "multi_thread")]
async fn users_keep_their_folders() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root to give files away");
        return;
    }
    let world = World::new().await;
    let (_, path) = world.back_up(QuarantineBodies::LeftOut).await;
    // By hand, as root: the node has to make the next one.
    chown(&world.data, Some(1234), Some(1000)).unwrap();
    world.back_up(QuarantineBodies::LeftOut).await;
    let work = world.data.join("backup-work");
    assert!([work.join("lock"), work].iter().all(|p| std::fs::metadata(p).unwrap().uid() == 1234));

    let plan = Plan { occupied: Occupied::MoveAside, ..world.plan("restored") };
    let edge = plan.data.join("edge");
    std::fs::create_dir_all(&edge).unwrap();
    std::fs::set_permissions(&edge, std::fs::Permissions::from_mode(0o750)).unwrap();
    chown(&plan.data, Some(1234), Some(1000)).unwrap();
    chown(&edge, Some(1235), Some(1000)).unwrap();
    restore(File::open(&path).unwrap(), &world.key, &plan).unwrap();
    for (at, uid) in [("", 1234), ("postern.db", 1234), ("tls", 1234), ("edge", 1235), ("edge/bans.jsonl", 1235)] {
        let meta = std::fs::metadata(plan.data.join(at)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (uid, 1000), "{at}");
    }
    assert_eq!(std::fs::metadata(&edge).unwrap().mode() & 0o777, 0o750);
}
