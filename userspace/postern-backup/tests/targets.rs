//! The three kinds of target: what comes there, what is kept, and what is said when it does not work.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "world/s3.rs"]
mod s3;
#[path = "world/sshd.rs"]
mod sshd;
mod world;

use std::sync::Arc;
use std::time::Duration;

use postern_backup::create::create;
use postern_backup::name::BackupName;
use postern_backup::schedule::{BeginError, Keeper, Node};
use postern_backup::target::{Retry, Target, blocking};
use postern_backup::verify::verify;
use postern_model::settings::Settings;
use postern_model::settings::backup::{BackupS3, BackupSettings, BackupSftp, BackupTarget, QuarantineBodies, Schedule};
use postern_model::time::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use world::{AT, World, files, noise, put};

fn later(n: u64) -> Timestamp {
    AT + Duration::from_secs(n * 3600)
}

/// Reads it back from the target, and verifies it; its members.
async fn read_back(world: &World, target: &Target, name: &BackupName) -> u64 {
    let input = blocking(target.read(name).await.unwrap());
    let (key, scratch) = (world.key.clone(), world.folder.path().to_owned());
    tokio::task::spawn_blocking(move || verify(input, &key, &scratch, &mut |_| {}).unwrap().members).await.unwrap()
}

/// Makes four backups where three are kept, next to another node's, and reads the newest back.
async fn keeps_three(world: &World, target: &Target) {
    let mut other = world.source(QuarantineBodies::LeftOut);
    other.host = "mx2.example.org".into();
    create(other, &world.lock, target, 1, AT).await.unwrap();
    let mut last = None;
    for n in 0..4 {
        let created = create(world.source(QuarantineBodies::Included), &world.lock, target, 3, later(n)).await.unwrap();
        assert!(created.not_removed.is_none(), "{:?}", created.not_removed);
        assert_eq!(created.removed.len(), usize::from(n == 3), "{:?}", created.removed);
        last = Some(created);
    }
    let listed = target.list().await.unwrap();
    let shown: Vec<(&str, Timestamp)> = listed.iter().map(|s| (s.name.host(), s.name.at())).collect();
    let own = |n| ("mx1.example.org", later(n));
    assert_eq!(shown, [own(1), own(2), own(3), ("mx2.example.org", AT)]);
    let last = last.unwrap();
    assert!(listed.contains(&last.stored), "{listed:?} has not {:?}", last.stored);
    assert_eq!(read_back(world, target, &last.stored.name).await, last.head.members);
    let gone = BackupName::new("mx1.example.org", later(0));
    let error = target.read(&gone).await.map(drop).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no backup {gone} at the target"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_so_many_of_each_node() {
    let world = World::new().await;
    let target = Target::directory(&world.target);
    put(&world.target.join("notes.txt"), b"not ours", 0o600);
    put(&world.target.join(format!(".{}.new", BackupName::new("mx1.example.org", AT))), b"of a crash", 0o600);
    let others = format!(".{}.new", BackupName::new("mx9.example.org", AT));
    put(&world.target.join(&others), b"under way", 0o600);
    keeps_three(&world, &target).await;
    let all = files(&world.target);
    let names: Vec<&String> = all.keys().collect();
    assert!(names.len() == 6 && all.contains_key("notes.txt") && all.contains_key(&others), "{names:?}");
    assert!(all.iter().filter(|(name, _)| name.starts_with("postern-")).all(|(_, (_, mode))| *mode == 0o600));

    let nowhere = Target::directory(world.folder.path().join("not-mounted"));
    let error = create(world.source(QuarantineBodies::LeftOut), &world.lock, &nowhere, 3, AT).await.unwrap_err();
    assert!(error.to_string().contains("not-mounted"), "{error}");
}

fn s3(address: std::net::SocketAddr) -> BackupS3 {
    BackupS3 {
        endpoint: format!("http://{address}"),
        region: "eu-central-1".into(),
        bucket: "bucket".into(),
        prefix: "mail/backups".into(),
        access_key: s3::ACCESS_KEY.into(),
        secret: s3::SECRET.into(),
        ..BackupS3::default()
    }
}

fn target(settings: BackupS3) -> Target {
    Target::from_settings(&BackupSettings { target: BackupTarget::S3, s3: settings, ..BackupSettings::default() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_store_gets_parts_that_are_signed() {
    let world = World::new().await;
    put(&world.data.join("spool/quarantine/zz/01large"), &noise(20 << 20), 0o600);
    let store = s3::Store::default();
    let address = store.serve().await;
    // What lies below is somebody else's.
    let below = format!("mail/backups/old/{}", BackupName::new("mx1.example.org", AT));
    store.0.lock().unwrap().objects.insert(below.clone(), b"x".to_vec());
    let target = target(s3(address));
    keeps_three(&world, &target).await;
    assert!(store.0.lock().unwrap().uploads.is_empty() && store.0.lock().unwrap().objects.contains_key(&below));
    let log = store.log();
    let delete = format!("delete mail/backups/{}", BackupName::new("mx1.example.org", later(0)));
    assert!(log.contains(&delete) && !log.contains(&"refused".to_owned()), "{log:?}");
    assert!(log.windows(5).any(|w| w == ["begin", "part 1", "part 2", "part 3", "complete"]), "{log:?}");

    // A part that does not go through is sent again.
    store.0.lock().unwrap().failing_parts = 2;
    create(world.source(QuarantineBodies::Included), &world.lock, &target, 3, later(9)).await.unwrap();
    let log = store.log();
    assert_eq!(log[..6], ["begin", "part 1 failed", "part 1 failed", "part 1", "part 2", "part 3"].map(str::to_owned), "{log:?}");

    // One that is refused ends it, and leaves no parts.
    let before: Vec<String> = store.0.lock().unwrap().objects.keys().cloned().collect();
    store.0.lock().unwrap().broken_from = Some(2);
    let error = create(world.source(QuarantineBodies::Included), &world.lock, &target, 3, later(10)).await.unwrap_err().to_string();
    assert!(error.contains("cannot write in the bucket bucket"), "{error}");
    assert_eq!(store.log(), ["begin", "part 1", "abort"]);
    let inner = store.0.lock().unwrap();
    assert!(inner.uploads.is_empty() && inner.objects.keys().eq(before.iter()), "a refused backup is there, or took another's place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_said_at_once() {
    let world = World::new().await;
    let store = s3::Store::default();
    let address = store.serve().await;
    let wrong = target(BackupS3 { secret: "wrong".into(), ..s3(address) });
    let error = create(world.source(QuarantineBodies::LeftOut), &world.lock, &wrong, 3, AT).await.unwrap_err().to_string();
    assert!(error.contains("SignatureDoesNotMatch"), "{error}");
    assert_eq!(store.log(), ["refused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_it_by_sftp_if_its_host_key_is_the_known_one() {
    let world = World::new().await;
    let ssh = world.folder.path().join("ssh");
    std::fs::create_dir(&ssh).unwrap();
    let Some(server) = sshd::start(&ssh) else {
        eprintln!("SKIPPED: openssh-server is not installed: nothing of SFTP was tried");
        return;
    };
    put(&world.data.join("spool/quarantine/zz/01large"), &noise(20 << 20), 0o600);
    put(&world.target.join(format!(".{}.new", BackupName::new("mx1.example.org", AT))), b"of a crash", 0o600);
    let settings = BackupSftp {
        host: "127.0.0.1".into(),
        port: server.address.port(),
        username: sshd::username(),
        private_key: std::fs::read_to_string(&server.key).unwrap(),
        host_key: server.fingerprint.clone(),
        path: world.target.display().to_string(),
        ..BackupSftp::default()
    };
    let target = |s: &BackupSftp| {
        Target::from_settings(&BackupSettings { target: BackupTarget::Sftp, sftp: s.clone(), ..BackupSettings::default() })
    };
    keeps_three(&world, &target(&settings).unwrap()).await;
    let all = files(&world.target);
    assert_eq!(all.len(), 4, "{:?}", all.keys());
    assert!(all.values().all(|(_, mode)| *mode == 0o600));

    // By the whole key, too: then the server is asked for that one of its keys.
    let whole = BackupSftp { host_key: server.host_key.clone(), ..settings.clone() };
    assert_eq!(target(&whole).unwrap().list().await.unwrap().len(), 4);
    let ecdsa = std::fs::read_to_string(ssh.join("host_ecdsa.pub")).unwrap();
    let ecdsa = BackupSftp { host_key: ecdsa.trim().to_owned(), ..settings.clone() };
    assert_eq!(target(&ecdsa).unwrap().list().await.unwrap().len(), 4);

    let other = BackupSftp { host_key: "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(), ..settings.clone() };
    let error = target(&other).unwrap().list().await.unwrap_err();
    assert!(error.retry() == Retry::Useless && error.to_string().contains(&server.fingerprint), "{error}");
    let stranger = BackupSftp { username: "nobody-of-that-name".into(), ..settings.clone() };
    let error = target(&stranger).unwrap().list().await.unwrap_err();
    assert!(error.retry() == Retry::Useless && error.to_string().contains("refuses the login"), "{error}");
    let elsewhere = BackupSftp { path: "/no/such/folder".into(), ..settings.clone() };
    let elsewhere = target(&elsewhere).unwrap();
    let error = create(world.source(QuarantineBodies::LeftOut), &world.lock, &elsewhere, 3, AT).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1"), "{error}");
    for bad in ["", "SHA256:", "ssh-ed25519", "trust me"] {
        let bad = BackupSftp { host_key: bad.into(), ..settings.clone() };
        assert!(target(&bad).unwrap_err().to_string().contains("host_key"));
    }
    let cut = BackupSftp { private_key: settings.private_key[..200].to_owned(), ..settings };
    assert!(target(&cut).unwrap_err().to_string().starts_with("backup.sftp.private_key"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_makes_one_at_once_and_the_next_in_time() {
    let world = World::new().await;
    let mut settings = Settings::default();
    settings.node.data_dir = world.data.clone();
    settings.backup = BackupSettings {
        target: BackupTarget::Directory,
        passphrase: "correct horse".into(),
        schedule: Schedule::Off,
        ..BackupSettings::default()
    };
    settings.backup.directory.path = world.folder.path().join("later");
    let (change, settings_seen) = watch::channel(Arc::new(settings.clone()));
    let stop = CancellationToken::new();
    let node = Node {
        host: "mx1.example.org".into(),
        identity: Arc::new(|| None),
        version: "0.1.0".into(),
        settings_file: world.data.join("postern.toml"),
        outside: Vec::new(),
    };
    let keeper = Keeper::start(settings_seen, node, stop.clone());
    let mut seen = keeper.watch();
    settings.backup.schedule = "6h".parse().unwrap();
    change.send_replace(Arc::new(settings.clone()));
    // The folder is not there: it says so, and when it tries again.
    let limit = Duration::from_secs(60);
    let trouble = tokio::time::timeout(limit, seen.wait_for(|s| s.trouble.is_some())).await.unwrap().unwrap().clone();
    assert!(trouble.trouble.unwrap().why.contains("later") && trouble.last.is_none() && trouble.next.is_some());

    std::fs::create_dir(&settings.backup.directory.path).unwrap();
    settings.backup.keep = 2;
    change.send_replace(Arc::new(settings.clone()));
    let made = tokio::time::timeout(
        limit,
        seen.wait_for(|s| s.last.zip(s.next).is_some_and(|(last, next)| next.since(last) > Duration::from_secs(60))),
    )
    .await
    .unwrap()
    .unwrap()
    .clone();
    assert!(made.trouble.is_none() && made.next.unwrap().since(made.last.unwrap()) == Duration::from_secs(6 * 3600), "{made:?}");
    let stored = Target::directory(&settings.backup.directory.path).list().await.unwrap();
    assert_eq!(stored.iter().map(|s| s.name.at()).collect::<Vec<_>>(), [made.last.unwrap()]);

    // By hand, the schedule being off: made at once, and not a second one beside it.
    settings.backup.schedule = Schedule::Off;
    change.send_replace(Arc::new(settings.clone()));
    tokio::time::timeout(limit, seen.wait_for(|s| s.next.is_none())).await.unwrap().unwrap();
    keeper.begin().unwrap();
    assert!(matches!(keeper.begin(), Err(BeginError::Running(_))));
    let is_done =
        |s: &postern_backup::schedule::State| s.running.is_none() && s.made.as_ref().is_some_and(|m| Some(m.stored.name.at()) == s.last);
    let made = tokio::time::timeout(limit, seen.wait_for(is_done)).await.unwrap().unwrap().clone();
    assert!(made.trouble.is_none() && made.next.is_none() && made.made.unwrap().members > 0);

    // Asked for in the same moment as the settings change: made by the new ones.
    settings.backup.keep = 1;
    change.send_replace(Arc::new(settings.clone()));
    keeper.begin().unwrap();
    let made = tokio::time::timeout(limit, seen.wait_for(is_done)).await.unwrap().unwrap().clone();
    assert!(made.trouble.is_none(), "{made:?}");
    assert_eq!(Target::directory(&settings.backup.directory.path).list().await.unwrap(), [made.made.unwrap().stored]);

    // What cannot be made is said at once.
    settings.backup.target = BackupTarget::None;
    change.send_replace(Arc::new(settings.clone()));
    assert!(keeper.begin().unwrap_err().to_string().contains("backup.target"));
    stop.cancel();
}
