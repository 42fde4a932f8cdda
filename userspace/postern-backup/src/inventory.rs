//! What of a node's data folder goes into a backup, what does not, and why.
//!
//! The table names what is special. Everything else is taken as it is: a key that a later version puts there is in the
//! backup without anybody remembering this file, and too much is the smaller mistake.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use postern_model::settings::Settings;
use postern_model::settings::backup::QuarantineBodies;
use postern_model::time::Timestamp;

use crate::manifest::{LeftOut, MemberPath};

/// Folders in folders. Ours have three.
const DEPTH: usize = 16;
/// Things that are named as left out; more are only counted.
const NAMED: usize = 1000;
/// What makes a node a member of its cluster.
pub const CLUSTER: &str = "cluster";
/// The role edge's.
pub const EDGE: &str = "edge";
/// The databases. The ledger comes second: the database notes down how far it has read the ledger, and what it has not
/// read yet it reads again.
pub const DATABASES: [&str; 2] = ["postern.db", "cluster/ledger.db"];
/// Where one lies that was fetched to be restored.
pub const RESTORE: &str = "restore";
/// Where a backup is prepared, below the data folder.
pub const WORK: &str = "backup-work";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Copied, and looked at again whether it changed meanwhile.
    File,
    /// Copied by SQLite.
    Database,
    /// Never changed once it is there: linked, not copied.
    Body,
    LeftOut(&'static str),
    /// Part of something else.
    Nothing,
}

enum Name {
    Is(&'static str),
    Below(&'static str),
    /// Of the last component.
    Ends(&'static str),
    Has(&'static str),
}

const RULES: &[(Name, Treatment)] = &[
    (Name::Ends("-wal"), Treatment::Nothing),
    (Name::Ends("-shm"), Treatment::Nothing),
    (Name::Is(DATABASES[0]), Treatment::Database),
    (Name::Is(DATABASES[1]), Treatment::Database),
    (Name::Is(WORK), Treatment::Nothing),
    (Name::Ends(".new"), Treatment::LeftOut("unfinished")),
    (Name::Has(".damaged-"), Treatment::LeftOut("damaged, and replaced")),
    (Name::Has(".left-"), Treatment::LeftOut("a membership that has ended")),
    (Name::Below("spool/quarantine"), Treatment::Body),
    (
        Name::Below("spool"),
        Treatment::LeftOut(
            "accepted mail waiting for delivery: brought back it would be delivered again. Copies at peers are for its loss",
        ),
    ),
    (Name::Is("cluster/shadows"), Treatment::LeftOut("copies of peers' mail: the peers have it, and would see it delivered twice")),
    (Name::Is("cluster/invitations"), Treatment::LeftOut("invitations are for one hour and one node; an old one must not be good again")),
    (Name::Is("edge/feeds"), Treatment::LeftOut("fetched again")),
    (Name::Is("initial-password"), Treatment::LeftOut("for one login")),
    (Name::Is("updates"), Treatment::LeftOut("an update of the appliance: uploaded again")),
    (Name::Is(RESTORE), Treatment::LeftOut("a backup that was fetched to be restored")),
    (Name::Is("health"), Treatment::LeftOut("of the running machine")),
    (Name::Is("run"), Treatment::LeftOut("of the running machine")),
    (Name::Is("sink"), Treatment::LeftOut("mail that the built-in sink took")),
];

const NO_BODIES: Treatment = Treatment::LeftOut("mails in the quarantine: backup.quarantine is left-out");

/// What becomes of a path below the data folder. For a folder: of all in it, unless it is [`Treatment::File`].
pub fn treatment(path: &str, bodies: QuarantineBodies) -> Treatment {
    let last = path.rsplit('/').next().unwrap_or(path);
    let is_below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let applies = |name: &Name| match name {
        Name::Is(whole) => path == *whole,
        Name::Below(folder) => is_below(folder),
        Name::Ends(end) => last.ends_with(end),
        Name::Has(part) => last.contains(part),
    };
    match path {
        // Its folder has to be entered.
        "spool/quarantine" if bodies == QuarantineBodies::Included => Treatment::File,
        "spool/quarantine" => NO_BODIES,
        _ => RULES.iter().find(|(name, _)| applies(name)).map_or(Treatment::File, |(_, treatment)| *treatment),
    }
}

/// A file to be taken.
#[derive(Clone, Debug)]
pub struct Found {
    pub path: MemberPath,
    pub at: PathBuf,
    pub treatment: Treatment,
}

/// Where files from outside of the data folder lie in a backup of this time, and after its restore: with a name of its own, or the
/// next backup would have what an earlier restore left there and its own at one place.
pub fn outside_folder(at: Timestamp) -> String {
    let at = jiff::Timestamp::from_second(at.unix_seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("outside-%Y%m%dT%H%M%SZ").to_string()
}

/// A file that settings name and that lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outside {
    /// `smtp.tls.key`
    pub name: String,
    pub path: PathBuf,
}

/// The files outside of the data folder that the node needs: its settings, and keys and certificates that they name.
pub fn outside(settings: &Settings, settings_file: &Path) -> Vec<Outside> {
    let named: [(&str, &Path); 5] = [
        ("postern.toml", settings_file),
        ("console.certificate", &settings.console.certificate),
        ("console.key", &settings.console.key),
        ("smtp.tls.certificate", &settings.smtp.tls.certificate),
        ("smtp.tls.key", &settings.smtp.tls.key),
    ];
    let elsewhere = |path: &Path| !path.as_os_str().is_empty() && !lies_below(path, &settings.node.data_dir);
    named.into_iter().filter(|(_, path)| elsewhere(path)).map(|(name, path)| Outside { name: name.into(), path: path.to_owned() }).collect()
}

fn lies_below(path: &Path, folder: &Path) -> bool {
    match (path.canonicalize(), folder.canonicalize()) {
        (Ok(path), Ok(folder)) => path.starts_with(folder),
        _ => path.starts_with(folder),
    }
}

/// What was seen and is not taken.
#[derive(Debug, Default)]
pub struct Omitted {
    named: Vec<LeftOut>,
    unnamed: u64,
}

impl Omitted {
    pub fn add(&mut self, what: impl Into<String>, why: impl Into<String>) {
        if self.named.len() < NAMED {
            self.named.push(LeftOut { what: what.into(), why: why.into() });
        } else {
            self.unnamed += 1;
        }
    }

    pub fn into_list(mut self) -> Vec<LeftOut> {
        if self.unnamed > 0 {
            self.named.push(LeftOut { what: format!("{} more", self.unnamed), why: "see the data folder".into() });
        }
        self.named
    }
}

/// Walks the data folder, one entry in memory at a time for each level.
///
/// # Errors
/// When a folder cannot be listed (but for `edge`, which is another role's), or `take` fails.
pub fn walk<E>(
    data: &Path,
    bodies: QuarantineBodies,
    omitted: &mut Omitted,
    take: &mut dyn FnMut(Found, &mut Omitted) -> Result<(), E>,
) -> Result<(), E>
where
    E: From<WalkError>,
{
    Walk { data, bodies, take }.folder("", 0, omitted)
}

#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be listed: {source}")]
pub struct WalkError {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

struct Walk<'a, E> {
    data: &'a Path,
    bodies: QuarantineBodies,
    take: &'a mut dyn FnMut(Found, &mut Omitted) -> Result<(), E>,
}

impl<E: From<WalkError>> Walk<'_, E> {
    fn folder(&mut self, path: &str, depth: usize, omitted: &mut Omitted) -> Result<(), E> {
        let at = self.data.join(path);
        let failed = |source| E::from(WalkError { path: at.clone(), source });
        let entries = match std::fs::read_dir(&at) {
            Ok(entries) => entries,
            Err(e) if is_of_edge(path) && e.kind() == io::ErrorKind::PermissionDenied => {
                omitted.add(path, "may not be read by who makes the backup");
                return Ok(());
            }
            // A shard of the quarantine that was emptied meanwhile.
            Err(e) if e.kind() == io::ErrorKind::NotFound && depth > 0 => return Ok(()),
            Err(e) => return Err(failed(e)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                omitted.add(entry.file_name().to_string_lossy(), "a name that is no text");
                continue;
            };
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(failed(e)),
            };
            match treatment(&path, self.bodies) {
                Treatment::Nothing => {}
                Treatment::LeftOut(why) => omitted.add(path, why),
                _ if kind.is_dir() && depth >= DEPTH => omitted.add(path, "folders in folders beyond all bounds"),
                _ if kind.is_dir() => self.folder(&path, depth + 1, omitted)?,
                treatment if kind.is_file() => match MemberPath::new(&path) {
                    Ok(path) => (self.take)(Found { path, at: entry.path(), treatment }, omitted)?,
                    Err(_) => omitted.add(path, "a name that is too long, or not plain"),
                },
                _ if kind.is_socket() => {}
                _ => omitted.add(path, "no file: a link or a device"),
            }
        }
        Ok(())
    }
}

/// The role edge runs with other rights than the node.
pub(crate) fn is_of_edge(path: &str) -> bool {
    path.split('/').next() == Some(EDGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_each_file_of_a_node() {
        use Treatment::*;
        let left = |t: Treatment| matches!(t, LeftOut(_));
        for path in ["postern.toml", "tls/smtp.key", "cluster/node.key", "cluster/document", "edge/bans.jsonl", "dkim/2026.pem"] {
            assert_eq!(treatment(path, QuarantineBodies::LeftOut), File, "{path}");
        }
        for path in DATABASES {
            assert_eq!(treatment(path, QuarantineBodies::LeftOut), Database, "{path}");
        }
        assert_eq!(treatment("postern.db-wal", QuarantineBodies::LeftOut), Nothing);
        let body = "spool/quarantine/ab/01ab";
        assert_eq!(treatment(body, QuarantineBodies::Included), Body);
        assert!(left(treatment("spool/quarantine", QuarantineBodies::LeftOut)));
        for path in [
            "spool/segment-1",
            "spool/lock",
            "spool/bodies",
            "spool/quarantine/ab/01ab.new",
            "cluster/shadows",
            "cluster/invitations",
            "cluster.left-17",
            "postern.db.damaged-17",
            "edge/feeds",
            "updates",
            "restore",
            "initial-password",
        ] {
            assert!(left(treatment(path, QuarantineBodies::Included)), "{path}");
        }
    }
}
