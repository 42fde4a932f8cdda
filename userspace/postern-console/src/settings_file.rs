//! The settings file: the authority (ADR 4). Read, changed in place, validated whole, written atomically.
//!
//! Invariants: what is in memory was valid when it was read; a text that does not validate is never
//! written; a file that somebody changed by hand since it was read is never overwritten.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use postern_model::settings::{self, Settings, SettingsError};
use tokio::sync::watch;
use toml_edit::DocumentMut;

use crate::render::{self, RenderError};
use crate::secrets;

/// Largest settings file: half of it may be YARA rules.
pub const MAX_TEXT: usize = 2 << 20;

#[derive(Debug, thiserror::Error)]
pub enum SettingsFileError {
    #[error("{what} {path}: {source}")]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} cannot be used:\n{source}")]
    Bad {
        path: PathBuf,
        #[source]
        source: SettingsError,
    },
    /// The caller's fault: it changed something that is not what it thinks.
    #[error("the settings have changed since they were read")]
    Stale,
    #[error("{0} was changed by hand since it was read")]
    ChangedByHand(PathBuf),
}

/// One state of the file.
#[derive(Debug)]
pub struct Version {
    pub text: String,
    /// BLAKE3 of the text, in hex: the ETag.
    pub digest: String,
    pub settings: Arc<Settings>,
}

impl Version {
    fn new(text: String) -> Result<Self, SettingsError> {
        let settings = Arc::new(check(&text)?);
        Ok(Self { digest: digest(&text), text, settings })
    }
}

/// The cluster's settings were written into the file.
#[derive(Debug)]
pub struct Adopted {
    pub before: Arc<Version>,
    pub after: Arc<Version>,
}

/// The settings in force. Shared by all of the node.
pub struct SettingsHandle {
    path: PathBuf,
    current: ArcSwap<Version>,
    live: Arc<ArcSwap<Settings>>,
    changed: watch::Sender<Arc<Settings>>,
    writing: parking_lot::Mutex<()>,
}

/// Parses and validates a text as the node would.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(text: &str) -> Result<Settings, SettingsError> {
    if text.len() > MAX_TEXT {
        let message = format!("{} octets: a settings file has at most {MAX_TEXT}", text.len());
        return Err(SettingsError(vec![settings::Problem { path: String::new(), message }]));
    }
    postern_filter::registry::read_settings(text)
}

pub fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

impl SettingsHandle {
    /// Reads the file; one that does not exist is all defaults.
    ///
    /// # Errors
    /// When it cannot be read, or what it says cannot be used.
    pub fn open(path: &Path) -> Result<Arc<Self>, SettingsFileError> {
        let version = read(path)?;
        let (changed, _) = watch::channel(Arc::clone(&version.settings));
        let live = Arc::new(ArcSwap::new(Arc::clone(&version.settings)));
        let (current, writing) = (ArcSwap::from_pointee(version), parking_lot::Mutex::new(()));
        Ok(Arc::new(Self { path: path.to_owned(), current, live, changed, writing }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.current.load().settings)
    }

    /// The settings in force, for those who only look at them when they need them.
    pub fn live(&self) -> Arc<ArcSwap<Settings>> {
        Arc::clone(&self.live)
    }

    pub fn current(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// Told of every change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Settings>> {
        self.changed.subscribe()
    }

    /// Reads the file again (SIGHUP). False: nothing had changed.
    ///
    /// # Errors
    /// The settings in force stay.
    pub fn reload(&self) -> Result<bool, SettingsFileError> {
        let _turn = self.writing.lock();
        let version = read(&self.path)?;
        if version.digest == self.current.load().digest {
            return Ok(false);
        }
        self.put(version);
        Ok(true)
    }

    /// Puts a new text in force. Masked secrets are put back; `expected` is the digest it was made from.
    /// Returns the versions before and after. Blocks on the disk.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn replace(&self, text: &str, expected: Option<&str>) -> Result<(Arc<Version>, Arc<Version>), SettingsFileError> {
        let _turn = self.writing.lock();
        let before = self.current.load_full();
        if expected.is_some_and(|e| e != before.digest) {
            return Err(SettingsFileError::Stale);
        }
        if read_text(&self.path)? != before.text {
            return Err(SettingsFileError::ChangedByHand(self.path.clone()));
        }
        let bad = |source| SettingsFileError::Bad { path: self.path.clone(), source };
        let mut document: DocumentMut = match text.parse() {
            Ok(document) => document,
            Err(_) => return check(text).map_err(bad).and(Err(SettingsFileError::Stale)),
        };
        secrets::unmask(&mut document, &before.text).map_err(|p| bad(SettingsError(vec![p])))?;
        let version = Version::new(document.to_string()).map_err(bad)?;
        if version.digest != before.digest {
            write(&self.path, &version.text)?;
            self.put(version);
        }
        Ok((before, self.current.load_full()))
    }

    /// Puts the cluster's shared settings in force: writes what differs into the file. `None`: it was so already. Blocks on the disk.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn adopt(&self, shared: &serde_json::Value) -> Result<Option<Adopted>, SettingsFileError> {
        let _turn = self.writing.lock();
        let before = self.current.load_full();
        if read_text(&self.path)? != before.text {
            return Err(SettingsFileError::ChangedByHand(self.path.clone()));
        }
        let bad = |source| SettingsFileError::Bad { path: self.path.clone(), source };
        let text = render::render(&before.text, shared).map_err(|e| match e {
            RenderError::Settings(source) => bad(source),
            other => bad(SettingsError(vec![settings::Problem { path: String::new(), message: other.to_string() }])),
        })?;
        let version = Version::new(text).map_err(bad)?;
        if version.digest == before.digest {
            return Ok(None);
        }
        write(&self.path, &version.text)?;
        self.put(version);
        Ok(Some(Adopted { before, after: self.current.load_full() }))
    }

    fn put(&self, version: Version) {
        let settings = Arc::clone(&version.settings);
        self.current.store(Arc::new(version));
        self.live.store(Arc::clone(&settings));
        self.changed.send_replace(settings);
    }
}

fn read_text(path: &Path) -> Result<String, SettingsFileError> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|source| SettingsFileError::File { what: "cannot read", path: path.to_owned(), source }),
    }
}

fn read(path: &Path) -> Result<Version, SettingsFileError> {
    Version::new(read_text(path)?).map_err(|source| SettingsFileError::Bad { path: path.to_owned(), source })
}

/// Beside the file, synced, renamed over it, the folder synced: after a power cut it is the old one or the new one.
fn write(path: &Path, text: &str) -> Result<(), SettingsFileError> {
    let failed = |what| move |source| SettingsFileError::File { what, path: path.to_owned(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Secrets may stand in it: no more rights than the old file had, and none for others on a new one.
    let mode = std::fs::metadata(path).map_or(0o640, |m| m.permissions().mode() & 0o777);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let young = folder.join(name);
    let put = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&young)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&young, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    put().map_err(failed("cannot write"))
}

/// Settings that are read once: a change of these works after a restart.
pub fn restart_needed(before: &Settings, after: &Settings) -> Vec<&'static str> {
    let mut paths = Vec::new();
    let mut look = |path, same: bool| {
        if !same {
            paths.push(path);
        }
    };
    look("node", before.node == after.node);
    look("log", before.log == after.log);
    look("dns", before.dns == after.dns);
    let (b, a) = (&before.console, &after.console);
    look("console.listen", b.listen == a.listen);
    look("console.certificate", b.certificate == a.certificate && b.key == a.key);
    look("smtp.listen", before.smtp.listen == after.smtp.listen);
    look("smtp.trusted_listen", before.smtp.trusted_listen == after.smtp.trusted_listen);
    look("smtp.tls", before.smtp.tls == after.smtp.tls);
    look("delivery.spool", before.delivery.spool == after.delivery.spool);
    paths
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_change_is_written_and_told_and_a_hand_made_one_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.toml");
        let handle = SettingsHandle::open(&path).unwrap();
        let watch = handle.subscribe();
        let text = "# mine\n[smtp.limits]\nmax_recipients = 200\n";
        let (before, after) = handle.replace(text, None).unwrap();
        assert_eq!((before.text.as_str(), std::fs::read_to_string(&path).unwrap().as_str()), ("", text));
        assert!(watch.has_changed().unwrap());
        assert_eq!(handle.settings().smtp.limits.max_recipients, 200);
        assert!(matches!(handle.replace("", Some(&before.digest)), Err(SettingsFileError::Stale)));
        assert!(matches!(handle.replace("smtp = 1", Some(&after.digest)), Err(SettingsFileError::Bad { .. })));
        assert!(matches!(handle.replace("smtp = = 1", None), Err(SettingsFileError::Bad { .. })));
        std::fs::write(&path, "[smtp.limits]\nmax_recipients = 300\n").unwrap();
        assert!(matches!(handle.replace("", None), Err(SettingsFileError::ChangedByHand(_))));
        assert!(handle.reload().unwrap() && !handle.reload().unwrap());
        assert_eq!(handle.settings().smtp.limits.max_recipients, 300);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o007, 0, "others can read the settings: {mode:o}");
    }
}
