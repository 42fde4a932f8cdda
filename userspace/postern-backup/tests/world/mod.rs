//! A node's data folder with real databases, keys and a quarantine, and a backup of it.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret;
use age::x25519;
use postern_backup::create::{Created, create};
use postern_backup::lock::{Key, Lock};
use postern_backup::restore::{Membership, Occupied, Plan};
use postern_backup::stage::Source;
use postern_backup::target::Target;
use postern_model::settings::backup::QuarantineBodies;
use postern_model::time::Timestamp;
use postern_store::database::Database;
use postern_store::ledger::LedgerStore;

pub const AT: Timestamp = Timestamp(1_795_751_777_000);

pub struct World {
    pub folder: tempfile::TempDir,
    pub data: PathBuf,
    pub target: PathBuf,
    pub lock: Lock,
    pub key: Key,
}

impl World {
    /// A node that ran and was stopped.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, target) = (folder.path().join("postern"), folder.path().join("target"));
        for below in ["tls", "cluster/shadows/aa", "edge/feeds", "spool/quarantine/7q", "spool/quarantine/zz", "spool/bodies", "dkim/keys"]
        {
            std::fs::create_dir_all(data.join(below)).unwrap();
        }
        std::fs::create_dir(&target).unwrap();
        for (path, text) in [
            ("postern.toml", "[node]\nhostname = \"mx1.example.org\"\n"),
            ("tls/smtp.key", "a private key"),
            ("cluster/node.key", "postern node key 1"),
            ("cluster/document", "the document"),
            ("cluster/invitations", "a token"),
            ("cluster/shadows/aa/lock", ""),
            ("edge/bans.jsonl", "{}\n"),
            ("edge/feeds/drop.txt", "192.0.2.0/24\n"),
            ("dkim/keys/2026.pem", "a later version's key"),
            ("spool/lock", ""),
            ("spool/segment-1", "accepted mail"),
            ("initial-password", "once"),
            ("postern.db.damaged-17", "damage"),
        ] {
            put(&data.join(path), text.as_bytes(), 0o600);
        }
        put(&data.join("postern.toml"), b"[node]\nhostname = \"mx1.example.org\"\n", 0o640);
        put(&data.join("spool/quarantine/7q/01body7q"), &noise(3_000_000), 0o600);
        put(&data.join("spool/quarantine/zz/01bodyzz"), b"a small one", 0o600);
        std::os::unix::fs::symlink("/etc/passwd", data.join("link")).unwrap();
        let database = Database::open(&data.join("postern.db")).await.unwrap();
        assert!(database.admins().add("admin", "a hash", false, &postern_model::role::Rights::ALL, AT).await.unwrap());
        database.close().await;
        let (ledger, _) = LedgerStore::open(&data.join("cluster/ledger.db")).await.unwrap();
        ledger.close().await;
        // The cheap kind of key: a passphrase takes a third of a second and more in a build for tests.
        let identity = x25519::Identity::generate();
        let (lock, key) = (Lock::recipients(&[identity.to_public().to_string()]).unwrap(), Key::Identities(vec![identity]));
        Self { folder, data, target, lock, key }
    }

    pub fn source(&self, quarantine: QuarantineBodies) -> Source {
        Source {
            data: self.data.clone(),
            host: "mx1.example.org".into(),
            node: Some("n1".into()),
            version: "0.1.0".into(),
            quarantine,
            outside: Vec::new(),
        }
    }

    /// A backup in the target folder; its path.
    pub async fn back_up(&self, quarantine: QuarantineBodies) -> (Created, PathBuf) {
        let created = create(self.source(quarantine), &self.lock, &Target::directory(&self.target), 10, AT).await.unwrap();
        let path = self.target.join(created.stored.name.to_string());
        (created, path)
    }

    pub fn plan(&self, name: &str) -> Plan {
        Plan { data: self.folder.path().join(name), occupied: Occupied::Refuse, membership: Membership::Leave }
    }
}

pub fn put(path: &Path, octets: &[u8], mode: u32) {
    std::fs::write(path, octets).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Octets that do not compress, the same each time.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Every file below a folder: its octets and mode. Databases and what SQLite has beside them apart.
pub fn files(folder: &Path) -> BTreeMap<String, (Vec<u8>, u32)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(&at).unwrap().map(Result::unwrap) {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                let octets = if kind.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
                found.insert(name, (octets, std::fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777));
            }
        }
    }
    found
}

pub fn secret(identity: &x25519::Identity) -> String {
    identity.to_string().expose_secret().to_owned()
}
