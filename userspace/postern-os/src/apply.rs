//! Carries a plan out: files below a root (which a test chooses), then what systemd must be told. Nothing is decided here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::plan::{FOLDERS, Plan};
use crate::systemd::systemctl;

/// The unit that speaks SMTP.
pub const NODE: &str = "postern-node.service";

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("{path}: {source}", path = path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no time zone {0}")]
    TimeZone(String),
    #[error("the host name: {0}")]
    Hostname(#[source] nix::Error),
    #[error("{0}")]
    Restart(String),
}

/// What changed on disk.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes(pub Vec<PathBuf>);

impl Changes {
    /// The node greets by it, and learns of it when it starts.
    pub fn name_the_host(&self) -> bool {
        self.0.iter().any(|path| path.ends_with("etc/hostname"))
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ApplyError {
    let path = path.to_owned();
    move |source| ApplyError::File { path, source }
}

/// Below a root: `/` on the appliance.
fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Writes the plan's files and removes those of an earlier plan. Files of others in the same folders stay.
///
/// # Errors
/// When the disk refuses, or the time zone is not there (checked before anything is written).
pub fn files(plan: &Plan, root: &Path) -> Result<Changes, ApplyError> {
    if let Some(zone) = &plan.time_zone
        && !below(root, Path::new("/usr/share/zoneinfo")).join(zone).is_file()
    {
        return Err(ApplyError::TimeZone(zone.clone()));
    }
    let mut changes = Changes::default();
    for folder in FOLDERS {
        let folder = below(root, Path::new(folder));
        fs::create_dir_all(&folder).map_err(failed(&folder))?;
        for entry in fs::read_dir(&folder).map_err(failed(&folder))?.flatten() {
            let path = entry.path();
            let is_ours = entry.file_name().to_string_lossy().starts_with("10-");
            if is_ours && !plan.files.iter().any(|f| below(root, &f.path) == path) {
                fs::remove_file(&path).map_err(failed(&path))?;
                changes.0.push(path);
            }
        }
    }
    for file in &plan.files {
        let path = below(root, &file.path);
        if fs::read_to_string(&path).is_ok_and(|have| have == file.text) {
            continue;
        }
        fs::write(&path, &file.text).map_err(failed(&path))?;
        changes.0.push(path);
    }
    let link = below(root, Path::new("/etc/localtime"));
    let target = Path::new("/usr/share/zoneinfo").join(plan.time_zone.as_deref().unwrap_or("UTC"));
    if fs::read_link(&link).ok().as_deref() != Some(&target) {
        match fs::remove_file(&link) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(&link)(e)),
            _ => std::os::unix::fs::symlink(&target, &link).map_err(failed(&link))?,
        }
        changes.0.push(link);
    }
    Ok(changes)
}

/// Tells the kernel the host's name.
///
/// # Errors
/// When it refuses.
pub fn hostname(plan: &Plan) -> Result<(), ApplyError> {
    plan.hostname.as_ref().map_or(Ok(()), |name| nix::unistd::sethostname(name).map_err(ApplyError::Hostname))
}

/// Restarts what reads the files that changed. `networkctl reload` would want D-Bus.
///
/// # Errors
/// The first unit that does not come back.
pub fn restart(changes: &Changes) -> Result<(), ApplyError> {
    // The firewall first: an address that is new is guarded when it comes.
    let units = [
        ("nftables.d", "reload", "nftables.service"),
        ("network", "restart", "systemd-networkd.service"),
        ("resolved.conf.d", "restart", "systemd-resolved.service"),
        ("timesyncd.conf.d", "restart", "systemd-timesyncd.service"),
    ];
    for (folder, verb, unit) in units {
        let is_touched = changes.0.iter().any(|p| p.parent().and_then(Path::file_name).is_some_and(|f| f == folder));
        if !is_touched {
            continue;
        }
        systemctl(&[verb, unit]).map_err(ApplyError::Restart)?;
    }
    Ok(())
}

/// Replaces a file so that the old or the new one is there after a power cut.
///
/// # Errors
/// When the disk refuses.
pub fn keep(path: &Path, text: &str) -> Result<(), ApplyError> {
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().map_err(failed(path))
}
