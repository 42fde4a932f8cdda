//! A node is lost and comes back from its backup, by the commands that an admin has; and what is said when it does not.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use postern_tests::backend::Backend;
use postern_tests::gateway::{Gateway, binary, wait_until};
use postern_tests::network::{alone, lacking};
use postern_tests::smtp::{plain_mail, send};

const LIMIT: Duration = Duration::from_secs(60);

/// As `age-keygen` prints them.
const RECIPIENT: &str = "age1s5dy7k0hzzzmk08sv0e0fmnasgpyqhxw7js378azqkluh5pq3vxqhhflzf";
const IDENTITY: &str = "AGE-SECRET-KEY-1WPHHXAR9WFHZWUEQW3JHXARN8GSXKETEYPHKVGRPYP3XZCMTW4CQR5Y6JP";
const SOMEBODY_ELSE: &str = "AGE-SECRET-KEY-1WPHHXAR9WFHZWUEQW3JHXARN8GS8XMMDV43X7EREYPJKCUM9YAES6XPQEN";

/// Takes every mail into its quarantine.
const SETTINGS: &str = "
[smtp]
listen = [\"127.0.0.1:2525\"]
trusted_listen = []
[console]
listen = []
[dns]
enabled = false
[greylist]
enabled = false
[edge]
allow = [\"127.0.0.0/8\"]
[filter.thresholds]
tag = -100.0
quarantine = -100.0
reject = 1000.0
[[domains]]
name = \"example.net\"
backends = [{ host = \"127.0.0.1\", port = 2524, tls = \"off\" }]
";

fn settings(target: &Path) -> String {
    format!(
        "{SETTINGS}\n[backup]\ntarget = \"directory\"\nquarantine = \"included\"\nrecipients = [\"{RECIPIENT}\"]\n\
         [backup.directory]\npath = {target:?}\n"
    )
}

struct World {
    folder: tempfile::TempDir,
    data: PathBuf,
    target: PathBuf,
    identity: PathBuf,
}

impl World {
    /// `None`, and why, where it cannot be.
    fn new() -> Option<Self> {
        if let Some(why) = lacking(&[]) {
            println!("skipped: {why}");
            return None;
        }
        alone().unwrap();
        // Mounts of a test are its own.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let world = Self { data: at("node"), target: at("target"), identity: at("postern.agekey"), folder };
        fs::create_dir(&world.target).unwrap();
        fs::write(&world.identity, format!("# created: today\n{IDENTITY}\n")).unwrap();
        Some(world)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `postern backup <arguments>` without a node; what it printed, or what it said instead.
    fn backup(&self, arguments: &[&str]) -> Result<String, String> {
        let said = Command::new(binary()).arg("backup").args(arguments).output().unwrap();
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        if said.status.success() { Ok(text(&said.stdout)) } else { Err(text(&said.stderr)) }
    }

    fn restore(&self, backup: &Path, data: &Path, more: &[&str]) -> Result<String, String> {
        let (backup, data) = (backup.to_str().unwrap(), data.to_str().unwrap());
        let identity = self.identity.to_str().unwrap();
        self.backup(&[&["restore", backup, "--data", data, "--identity", identity], more].concat())
    }

    /// The newest backup's file.
    fn newest(&self) -> PathBuf {
        let found = fs::read_dir(&self.target).unwrap().map(|e| e.unwrap().path());
        found.filter(|p| p.extension().is_some_and(|e| e == "age")).max().expect("a backup")
    }
}

fn deliver(subject: &str) {
    let server: SocketAddr = "127.0.0.1:2525".parse().unwrap();
    let said = send(server, "anna@example.org", &["erika@example.net"], &plain_mail(subject)).unwrap();
    assert!(said.starts_with("250 2.0.0"), "{said}");
}

/// Subjects in the quarantine and their mails' ids.
fn held(gateway: &Gateway) -> BTreeMap<String, String> {
    let list = gateway.ask(&["quarantine", "list"]).unwrap();
    let one = |m: &serde_json::Value| Some((m["subject"].as_str()?.to_owned(), m["mail"].as_str()?.to_owned()));
    list["mails"].as_array().into_iter().flatten().filter_map(one).collect()
}

/// Every file below a folder, and what is in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(&next).into_iter().flatten().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn errors(log: &str) -> Vec<&str> {
    log.lines().filter(|l| l.contains("ERROR") || l.contains("panicked")).collect()
}

#[test]
fn a_lost_node_comes_back() {
    let Some(world) = World::new() else { return };
    let gateway = Gateway::node(&binary(), &world.data, &settings(&world.target)).unwrap();
    let subjects = ["Prizes", "Pills", "Invoice"];
    subjects.iter().for_each(|s| deliver(s));
    wait_until("the mails in the quarantine", LIMIT, || held(&gateway).len() == subjects.len()).unwrap();
    gateway.ask(&["admin", "add", "erika"]).unwrap();

    // None by itself, until the settings say so; no restart is needed for that.
    let status = gateway.ask(&["backup", "status"]).unwrap();
    assert!(status["schedule"] == "off" && status["next"].is_null() && status["trouble"].is_null(), "{status}");
    gateway.ask(&["settings", "set", "backup.schedule", "6h"]).unwrap();
    wait_until("the schedule's first backup", LIMIT, || {
        let status = gateway.ask(&["backup", "status"]).unwrap();
        status["made"]["name"].is_string() && status["next"].as_i64() > status["last"].as_i64()
    })
    .unwrap_or_else(|e| panic!("{e}\n{}", gateway.log()));

    // And by hand.
    deliver("After the first backup");
    wait_until("one more mail in the quarantine", LIMIT, || held(&gateway).len() == 4).unwrap();
    let made = gateway.ask(&["backup", "now"]).unwrap();
    assert!(made["trouble"].is_null() && made["made"]["members"].as_u64() > Some(7), "{made}");
    let newest = world.newest();
    assert_eq!(newest.file_name().unwrap().to_str(), made["made"]["name"].as_str());
    let audit = gateway.ask(&["audit", "--action", "backup.create"]).unwrap();
    assert!(audit.to_string().contains("backup.create"), "{audit}");
    let before = held(&gateway);
    assert_eq!(errors(&gateway.log()), [""; 0]);

    // What an admin reads before the day comes.
    let settings = world.data.join("postern.toml");
    let (settings, identity) = (settings.to_str().unwrap(), world.identity.to_str().unwrap());
    let listed = world.backup(&["list", "--settings", settings]).unwrap();
    assert!(listed.contains(made["made"]["name"].as_str().unwrap()) && listed.contains("gateway.example"), "{listed}");
    let name = made["made"]["name"].as_str().unwrap();
    let verified = world.backup(&["verify", name, "--settings", settings, "--identity", identity]).unwrap();
    assert!(verified.contains("accepted mail waiting for delivery"), "it does not say what is left out: {verified}");

    // The node may not be replaced under its feet.
    let said = world.restore(&newest, &world.data, &["--replace"]).unwrap_err();
    assert!(said.contains("a node runs on") && said.contains("stop it first"), "{said}");

    // The machine is lost.
    drop(gateway);
    let lost = world.at("lost");
    fs::rename(&world.data, &lost).unwrap();
    let said = world.restore(&newest, &world.data, &[]).unwrap();
    assert!(said.contains("restored to"), "{said}");
    let (old, new) = (files(&lost), files(&world.data));
    let kept: Vec<&String> = old.keys().filter(|p| *p == "postern.toml" || p.starts_with("tls/")).collect();
    assert!(kept.len() >= 3, "{kept:?}");
    for path in kept {
        assert!(old[path] == new[path], "{path} is another");
    }
    assert!(!new.keys().any(|p| p.starts_with("spool/") && !p.starts_with("spool/quarantine/")), "{:?}", new.keys());

    // It runs with what it had: quarantine, logins, trail, schedule.
    let backend = Backend::smtp("127.0.0.1:2524".parse().unwrap()).unwrap();
    let gateway = Gateway::again(&binary(), &world.data).unwrap();
    assert_eq!(held(&gateway), before);
    assert!(gateway.ask(&["admin", "list"]).unwrap().to_string().contains("erika"));
    assert_eq!(gateway.ask(&["backup", "status"]).unwrap()["schedule"], "6h");
    assert!(gateway.ask(&["audit", "--action", "backup.create"]).unwrap().to_string().contains("backup.create"));
    gateway.ask(&["quarantine", "release", &before["Pills"]]).unwrap();
    let mails = backend.wait_for(1, LIMIT).unwrap_or_else(|e| panic!("{e}\n{}", gateway.log()));
    assert!(mails[0].data.contains("Subject: Pills"), "{}", mails[0].data);
    deliver("New mail");
    wait_until("a new mail in the quarantine", LIMIT, || held(&gateway).contains_key("New mail")).unwrap();
    assert_eq!(errors(&gateway.log()), [""; 0]);
}

/// Its peers would drop their copies of mails that it has forgotten, if it came back as itself.
#[test]
fn a_restored_member_is_outside_of_its_cluster() {
    let Some(world) = World::new() else { return };
    let gateway = Gateway::node(&binary(), &world.data, &settings(&world.target)).unwrap();
    gateway.ask(&["cluster", "init", "--name", "house"]).unwrap();
    let id = gateway.ask(&["cluster", "members"]).unwrap()["members"][0]["id"].clone();
    let invitation = gateway.ask(&["cluster", "invite"]).unwrap();
    assert!(invitation["token"].is_string(), "{invitation}");
    deliver("Prizes");
    wait_until("the mail in the quarantine", LIMIT, || held(&gateway).len() == 1).unwrap();
    gateway.ask(&["backup", "now"]).unwrap();
    drop(gateway);
    fs::rename(&world.data, world.at("lost")).unwrap();

    let said = world.restore(&world.newest(), &world.data, &[]).unwrap();
    assert!(said.contains("it is outside of its cluster") && said.contains("postern cluster remove"), "{said}");
    let gateway = Gateway::again(&binary(), &world.data).unwrap();
    assert_eq!(gateway.ask(&["cluster", "status"]).unwrap()["member"], false);
    assert_eq!(held(&gateway).len(), 1);
    // Nothing of the old membership is in its way.
    gateway.ask(&["cluster", "init"]).unwrap();
    assert!(gateway.ask(&["cluster", "members"]).unwrap()["members"][0]["id"] != id);
    assert_eq!(errors(&gateway.log()), [""; 0]);
    drop(gateway);

    // The whole cluster is lost: asked to, it is the old member again.
    fs::remove_dir_all(&world.data).unwrap();
    world.restore(&world.newest(), &world.data, &["--resume-membership"]).unwrap();
    let gateway = Gateway::again(&binary(), &world.data).unwrap();
    let members = gateway.ask(&["cluster", "members"]).unwrap();
    assert_eq!((&members["member"], &members["members"][0]["id"]), (&true.into(), &id));
    assert_eq!(gateway.ask(&["cluster", "invitations"]).unwrap()["invitations"].as_array().map(Vec::len), Some(0));
    assert_eq!((held(&gateway).len(), errors(&gateway.log())), (1, Vec::new()));
}

#[test]
fn what_a_target_refuses_is_said_and_shown() {
    let Some(world) = World::new() else { return };
    let gateway = Gateway::node(&binary(), &world.data, &settings(&world.target)).unwrap();
    deliver("Prizes");
    wait_until("the mail in the quarantine", LIMIT, || held(&gateway).len() == 1).unwrap();
    let mounted = |flags, size: &str| {
        let done = mount(Some("target"), &world.target, Some("tmpfs"), flags, Some(size));
        done.unwrap_or_else(|e| panic!("a small file system: {e}"));
    };
    let refused = |expected: &str| {
        let said = gateway.ask(&["backup", "now"]).unwrap_err().to_string();
        assert!(said.contains("no backup was made") && said.contains(expected), "{said}");
        for shown in [gateway.ask(&["backup", "status"]).unwrap(), gateway.ask(&["status"]).unwrap()] {
            assert!(shown.to_string().contains(expected), "{shown}");
        }
        assert_eq!(files(&world.target).into_keys().collect::<Vec<_>>(), [""; 0], "something was left at the target");
        assert!(fs::read_dir(world.data.join("backup-work")).unwrap().count() <= 1, "something was left at the node");
    };

    mounted(MsFlags::empty(), "size=4k");
    refused("No space left");
    mounted(MsFlags::MS_RDONLY, "size=1m");
    refused("Read-only file system");
    fs::remove_dir(world.at("not-mounted")).ok();
    gateway.ask(&["settings", "set", "backup.directory.path", world.at("not-mounted").to_str().unwrap()]).unwrap();
    refused("No such file");
    assert!(gateway.log().contains("NO BACKUP WAS MADE"), "{}", gateway.log());

    // Mended, it is made, and nothing is red any more.
    mounted(MsFlags::empty(), "size=64m");
    gateway.ask(&["settings", "set", "backup.directory.path", world.target.to_str().unwrap()]).unwrap();
    let made = gateway.ask(&["backup", "now"]).unwrap();
    assert!(made["trouble"].is_null() && made["last"].is_i64(), "{made}");
    assert!(gateway.ask(&["status"]).unwrap()["backup_trouble"].is_null());

    gateway.ask(&["settings", "set", "backup.target", "none"]).unwrap();
    let said = gateway.ask(&["backup", "now"]).unwrap_err().to_string();
    assert!(said.contains("write backup.target"), "{said}");
}

#[test]
fn a_backup_that_is_not_good_changes_nothing() {
    let Some(world) = World::new() else { return };
    let gateway = Gateway::node(&binary(), &world.data, &settings(&world.target)).unwrap();
    deliver("Prizes");
    wait_until("the mail in the quarantine", LIMIT, || held(&gateway).len() == 1).unwrap();
    gateway.ask(&["backup", "now"]).unwrap();
    drop(gateway);
    let good = world.newest();
    let octets = fs::read(&good).unwrap();
    let home = world.at("home");
    fs::create_dir(&home).unwrap();
    let fresh = home.join("postern");
    let refused = |backup: &Path, data: &Path, more: &[&str], expected: &str| {
        let before = files(&home);
        let said = world.restore(backup, data, more).unwrap_err();
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(
            files(&home) == before && fs::read_dir(&home).unwrap().count() == usize::from(data.exists()),
            "{expected}: something changed"
        );
    };

    // Keys.
    let stranger = world.at("stranger.agekey");
    fs::write(&stranger, SOMEBODY_ELSE).unwrap();
    let (file, folder) = (good.to_str().unwrap(), fresh.to_str().unwrap());
    let said = world.backup(&["restore", file, "--data", folder, "--identity", stranger.to_str().unwrap()]).unwrap_err();
    assert!(said.contains("none of the keys opens this backup"), "{said}");
    let said = world.backup(&["restore", file, "--data", folder, "--identity", file]).unwrap_err();
    assert!(said.contains("AGE-SECRET-KEY-1") || said.contains("UTF-8"), "{said}");
    // Nothing on the standard input: the passphrase is asked for, and this backup has none.
    let said = world.backup(&["restore", file, "--data", folder]).unwrap_err();
    assert!(said.contains("locked with public keys"), "{said}");

    // Damage: in the middle, at the end, and none of it a backup at all.
    let bad = world.at("bad");
    let mut flipped = octets.clone();
    flipped[octets.len() / 2] ^= 1;
    for (what, text) in [
        (flipped, "damaged or cut short"),
        (octets[..octets.len() - 1].to_vec(), "damaged or cut short"),
        (b"hello\n".repeat(100), "is no backup"),
    ] {
        fs::write(&bad, what).unwrap();
        refused(&bad, &fresh, &[], text);
    }
    refused(&world.at("nowhere"), &fresh, &[], "no such file");

    // Ground: full, read-only, or somebody's.
    fs::create_dir(&fresh).unwrap();
    fs::write(fresh.join("precious"), "data").unwrap();
    refused(&good, &fresh, &[], "is not empty");
    fs::remove_dir_all(&fresh).unwrap();
    let mounted = |flags, size: &str| mount(Some("home"), &home, Some("tmpfs"), flags, Some(size)).unwrap();
    mounted(MsFlags::empty(), "size=1m");
    refused(&good, &fresh, &[], "are free in");
    mounted(MsFlags::MS_RDONLY, "size=256m");
    refused(&good, &fresh, &[], "Read-only file system");

    // Put in place of another node's data, which is kept.
    mounted(MsFlags::empty(), "size=256m");
    fs::create_dir(&fresh).unwrap();
    fs::write(fresh.join("precious"), "data").unwrap();
    let said = world.restore(&good, &fresh, &["--replace"]).unwrap();
    assert!(said.contains("what was there before is in"), "{said}");
    let kept: Vec<String> = files(&home).into_keys().filter(|p| p.contains("replaced") && p.ends_with("/precious")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(fresh.join("postern.db").exists() && !fresh.join("precious").exists());
}
