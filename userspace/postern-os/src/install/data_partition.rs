//! A data partition that brings the machine's settings along. Without settings none is made here: postern-init makes one at the
//! first boot where it finds zeros.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::gpt::SECTOR;

/// Below /var, which the data partition is.
const FOLDER: &str = "lib/postern-os";
const FILE: &str = "machine.toml";
const BLOCK: u64 = 4096;

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("the settings for the data partition: {0}")]
    Settings(#[source] io::Error),
    #[error("{program}: {source}")]
    Start {
        program: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the data partition was not made: {program} ended with {code}: {said}")]
    Ended { program: &'static str, code: i32, said: String },
    #[error(
        "the data partition was made, and the disk does not give the machine's settings back: it is defective, or not what it seems to be"
    )]
    Differs,
}

/// ext4 at a sector of a disk, with machine.toml in it. Neither the partition nor a mount is needed for that.
///
/// # Errors
/// When the tool or the disk refuses.
pub fn make(disk: &Path, at: u64, sectors: u64, machine: &str) -> Result<(), DataError> {
    let tree = tempfile::tempdir().map_err(DataError::Settings)?;
    let folder = tree.path().join(FOLDER);
    fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(FILE), machine)).map_err(DataError::Settings)?;
    // The root of the new file system takes this over, and /var is everybody's to look into.
    let readable = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(tree.path(), readable).map_err(DataError::Settings)?;
    // Nothing is discarded: this is a part of the disk only. Tables of inodes are written later, as postern-init has it.
    let options = format!("offset={},nodiscard,lazy_itable_init=1", at * SECTOR);
    let blocks = (sectors * SECTOR / BLOCK).to_string();
    run(
        "mkfs.ext4",
        Command::new("mkfs.ext4")
            .args(["-q", "-F", "-L", "data", "-m", "1", "-b", &BLOCK.to_string(), "-E", &options, "-d"])
            .arg(tree.path())
            .arg(disk)
            .arg(blocks),
    )
    .map(drop)
}

/// The settings as the file system on the disk has them.
///
/// # Errors
/// When they are not those.
pub fn check(disk: &Path, at: u64, machine: &str) -> Result<(), DataError> {
    let place = format!("{}?offset={}", disk.display(), at * SECTOR);
    // (debugfs by itself opens for reading only.)
    let said = run("debugfs", Command::new("debugfs").args(["-R", &format!("cat /{FOLDER}/{FILE}"), &place]))?;
    if said == machine { Ok(()) } else { Err(DataError::Differs) }
}

fn run(program: &'static str, command: &mut Command) -> Result<String, DataError> {
    let ended = command.env("LC_ALL", "C").output().map_err(|source| DataError::Start { program, source })?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or_default().to_owned();
    Err(DataError::Ended { program, code: ended.status.code().unwrap_or(-1), said })
}
