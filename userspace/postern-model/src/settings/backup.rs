//! `[backup]`: copies of what makes a node this node, encrypted, on a schedule. A node's own, never shared.

use std::path::PathBuf;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wording;
use crate::time::Span;

/// Shortest interval: a backup reads the whole database.
const SHORTEST: Span = Span::minutes(10);

/// When backups are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schedule {
    #[default]
    Off,
    /// Every day at this minute of the day, UTC: no hour is there twice or not at all.
    Daily { minute: u16 },
    /// This long after the last one.
    Every(Span),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no schedule: write \"off\", a time of day in UTC such as \"02:30\", or \"10m\" and longer")]
pub struct ScheduleError(String);

impl FromStr for Schedule {
    type Err = ScheduleError;
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let refuse = || ScheduleError(text.to_owned());
        if text == "off" {
            return Ok(Self::Off);
        }
        let Some((hour, minute)) = text.split_once(':') else {
            return text.parse().ok().filter(|span| *span >= SHORTEST).map(Self::Every).ok_or_else(refuse);
        };
        let two = |part: &str, most: u16| {
            let well_formed = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u16>().ok().filter(|n| well_formed && *n <= most).ok_or_else(refuse)
        };
        Ok(Self::Daily { minute: two(hour, 23)? * 60 + two(minute, 59)? })
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Daily { minute } => write!(f, "{:02}:{:02}", minute / 60, minute % 60),
            Self::Every(span) => span.fmt(f),
        }
    }
}

impl Serialize for Schedule {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Schedule {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Schedule".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": "^(off|[0-2][0-9]:[0-5][0-9]|[0-9]+(ms|s|m|h|d))$", "examples": ["off", "02:30", "6h"]})
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BackupTarget {
    /// Nowhere: no backup is made.
    #[default]
    None,
    /// A folder of this machine, or one that is mounted there.
    Directory,
    /// A server that speaks SFTP.
    Sftp,
    /// An object store that speaks S3's protocol.
    S3,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineBodies {
    /// The index alone: after a restore the quarantined mails are listed and cannot be released.
    #[default]
    LeftOut,
    /// The mails, too.
    Included,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSettings {
    /// When backups are made: `off`, a time of day in UTC (`02:30`), or how long after the last one (`6h`, at least `10m`).
    pub schedule: Schedule,
    /// Where they go.
    pub target: BackupTarget,
    /// Backups of this node that are kept at the target; older ones are removed after a new one is complete.
    pub keep: u32,
    /// The mails of the quarantine.
    pub quarantine: QuarantineBodies,
    /// Public keys of age (`age1...`): whoever has one of the secret keys can restore. Or set a passphrase; not both.
    pub recipients: Vec<String>,
    /// Passphrase that backups are locked with. It stands in this file: keep it elsewhere, too.
    pub passphrase: String,
    /// With target = "directory".
    pub directory: BackupDirectory,
    /// With target = "sftp".
    pub sftp: BackupSftp,
    /// With target = "s3".
    pub s3: BackupS3,
}

impl Default for BackupSettings {
    fn default() -> Self {
        Self {
            schedule: Schedule::Off,
            target: BackupTarget::None,
            keep: 14,
            quarantine: QuarantineBodies::LeftOut,
            recipients: Vec::new(),
            passphrase: String::new(),
            directory: BackupDirectory::default(),
            sftp: BackupSftp::default(),
            s3: BackupS3::default(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupDirectory {
    /// The folder. It must exist: a disk that is not mounted is no place for backups.
    pub path: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSftp {
    /// Name or address of the server.
    pub host: String,
    pub port: u16,
    pub username: String,
    /// Password; empty: the key is used.
    pub password: String,
    /// An OpenSSH private key without a passphrase (Ed25519 or ECDSA): the text itself, from -----BEGIN OPENSSH PRIVATE KEY----- on.
    pub private_key: String,
    /// The server's host key, as in `SHA256:...` (`ssh-keygen -lf`) or as a line of known_hosts without the host (`ssh-ed25519 AAAA...`). A server
    /// with another key gets nothing.
    pub host_key: String,
    /// Folder on the server. It must exist.
    pub path: String,
}

impl Default for BackupSftp {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 22,
            username: String::new(),
            password: String::new(),
            private_key: String::new(),
            host_key: String::new(),
            path: ".".into(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupS3 {
    /// Address of the store, as in `https://s3.eu-central-1.amazonaws.com`. With http:// what is sent is signed, and still encrypted by the backup itself.
    pub endpoint: String,
    pub region: String,
    pub bucket: String,
    /// What every object's name begins with, as in `postern/mx1`.
    pub prefix: String,
    /// Access key id.
    pub access_key: String,
    /// Secret access key.
    pub secret: String,
    /// Certificates in PEM of the authority that signed the store's, when it is none of the system's: the text itself.
    pub roots: String,
}

impl Default for BackupS3 {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            region: "us-east-1".into(),
            bucket: String::new(),
            prefix: String::new(),
            access_key: String::new(),
            secret: String::new(),
            roots: String::new(),
        }
    }
}

/// Contradictions in `[backup]`.
pub(super) fn check(b: &BackupSettings, say: &mut impl FnMut(String, String)) {
    let mut need = |path: &str, is_there: bool, what: &str| {
        if !is_there {
            say(format!("backup.{path}"), format!("empty: write {what}"));
        }
    };
    match b.target {
        BackupTarget::None => {}
        BackupTarget::Directory => {
            need("directory.path", b.directory.path.is_absolute(), "the folder's path from the root, as in \"/srv/backup\"")
        }
        BackupTarget::Sftp => {
            need("sftp.host", !b.sftp.host.trim().is_empty(), "the server's name or address");
            need("sftp.username", !b.sftp.username.is_empty(), "the name to log in with");
            need(
                "sftp.host_key",
                !b.sftp.host_key.trim().is_empty(),
                "what `ssh-keyscan HOST | ssh-keygen -lf -` says, as in \"SHA256:...\"",
            );
        }
        BackupTarget::S3 => {
            let endpoint = &b.s3.endpoint;
            need("s3.endpoint", endpoint.starts_with("https://") || endpoint.starts_with("http://"), "an http:// or https:// address");
            need("s3.bucket", !b.s3.bucket.is_empty(), "the bucket's name");
            need("s3.access_key", !b.s3.access_key.is_empty(), "the access key's id");
            need("s3.secret", !b.s3.secret.is_empty(), "the secret access key");
        }
    }
    if b.target == BackupTarget::Sftp && b.sftp.password.is_empty() == b.sftp.private_key.is_empty() {
        say("backup.sftp.password".into(), "write either a password or a private key".into());
    }
    for (path, text, kind) in [("sftp.private_key", &b.sftp.private_key, "OPENSSH PRIVATE KEY"), ("s3.roots", &b.s3.roots, "CERTIFICATE")] {
        if let Some(lacks) = wording::lacks_pem(text, kind) {
            say(format!("backup.{path}"), lacks);
        }
    }
    if b.schedule != Schedule::Off && b.target == BackupTarget::None {
        say("backup.target".into(), "a schedule without a target: write \"directory\", \"sftp\" or \"s3\"".into());
    }
    if b.target != BackupTarget::None && b.recipients.is_empty() == b.passphrase.is_empty() {
        say("backup.recipients".into(), "write either recipients or a passphrase: a backup is always encrypted".into());
    }
    for (i, recipient) in b.recipients.iter().enumerate() {
        if !recipient.starts_with("age1") {
            say(
                format!("backup.recipients[{i}]"),
                format!("`{recipient}` is no public key of age: write what `age-keygen` prints, age1..."),
            );
        }
    }
    if b.keep == 0 {
        say("backup.keep".into(), "0 would remove each backup: write 1 or more".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_read_back_as_written() {
        for text in ["off", "00:00", "02:30", "23:59", "10m", "6h", "1d"] {
            assert_eq!(text.parse::<Schedule>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "on", "24:00", "2:30", "02:60", "02:3", "+2:30", "9m", "0h", "daily"] {
            assert!(text.parse::<Schedule>().is_err(), "{text} was taken");
        }
    }

    #[test]
    fn a_target_needs_what_it_is_reached_with() {
        let problems = |b: &BackupSettings| {
            let mut found = Vec::new();
            check(b, &mut |path, _| found.push(path));
            found
        };
        assert!(problems(&BackupSettings::default()).is_empty());
        let sftp = BackupSettings { target: BackupTarget::Sftp, ..BackupSettings::default() };
        assert_eq!(
            problems(&sftp),
            ["backup.sftp.host", "backup.sftp.username", "backup.sftp.host_key", "backup.sftp.password", "backup.recipients"]
        );
        let nowhere = BackupSettings { schedule: Schedule::Daily { minute: 5 }, keep: 0, ..BackupSettings::default() };
        assert_eq!(problems(&nowhere), ["backup.target", "backup.keep"]);
        let both = BackupSettings {
            target: BackupTarget::Directory,
            directory: BackupDirectory { path: "/srv/backup".into() },
            passphrase: "x".into(),
            recipients: vec!["ssh-ed25519 AAAA".into()],
            ..BackupSettings::default()
        };
        assert_eq!(problems(&both), ["backup.recipients", "backup.recipients[0]"]);
    }
}
