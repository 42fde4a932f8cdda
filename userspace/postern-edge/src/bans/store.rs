//! Bans on disk: one JSON object a line, the whole file replaced atomically. Ends are wall time, so bans outlive a reboot.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use postern_model::control::Ban;

/// Longest line that is read; a ban is a few hundred octets.
const MAX_LINE: u64 = 16_384;

#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}: {source}", path = path.display())]
pub struct StoreError {
    pub path: PathBuf,
    pub what: &'static str,
    #[source]
    pub source: io::Error,
}

/// Writes all bans. A power cut leaves the old file or the new one.
///
/// # Errors
/// When the disk refuses; then the old file is untouched.
pub fn save<'a>(path: &Path, bans: impl Iterator<Item = &'a Ban>) -> Result<(), StoreError> {
    write_atomically(path, |out| {
        for ban in bans {
            serde_json::to_writer(&mut *out, ban)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Reads the bans of an earlier run, at most `max`, and the number of lines that were none. A missing file is an empty one.
///
/// # Errors
/// When the disk refuses.
pub fn load(path: &Path, max: usize) -> Result<(Vec<Ban>, usize), StoreError> {
    let error = |what, source| StoreError { path: path.to_owned(), what, source };
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        other => other.map_err(|e| error("cannot be opened", e))?,
    };
    let (mut bans, mut bad) = (Vec::new(), 0);
    let mut from = BufReader::new(file);
    let mut line = Vec::new();
    while bans.len() < max {
        line.clear();
        let read = io::Read::take(&mut from, MAX_LINE).read_until(b'\n', &mut line).map_err(|e| error("cannot be read", e))?;
        if read == 0 {
            break;
        }
        match serde_json::from_slice::<Ban>(&line) {
            Ok(ban) => bans.push(ban),
            Err(_) => bad += 1,
        }
    }
    Ok((bans, bad))
}

/// Writes a file beside `path`, syncs it and renames it over `path`.
///
/// # Errors
/// When the disk refuses; then `path` is untouched.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), StoreError> {
    let error = |what| move |source| StoreError { path: path.to_owned(), what, source };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(error("its folder cannot be made"))?;
    let beside = path.with_extension("new");
    let mut out = BufWriter::new(File::create(&beside).map_err(error("cannot be written"))?);
    write(&mut out).map_err(error("cannot be written"))?;
    let file = out.into_inner().map_err(|e| error("cannot be written")(e.into_error()))?;
    file.sync_all().map_err(error("cannot be synced"))?;
    fs::rename(&beside, path).map_err(error("cannot be replaced"))?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(error("its folder cannot be synced"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use postern_model::reason::Reason;
    use postern_model::time::Timestamp;

    use super::*;

    #[test]
    fn bans_come_back_and_bad_lines_do_not_stop_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("edge/bans.jsonl");
        assert_eq!(load(&path, 10).unwrap(), (vec![], 0));
        let ban = |network: &str| Ban {
            network: network.parse().unwrap(),
            reason: Reason::RelayDenied,
            from: Timestamp(1),
            until: Timestamp(2),
            count: 3,
            by: "node".into(),
            evidence: "line\nbreak".into(),
        };
        let bans = [ban("192.0.2.1/32"), ban("2001:db8::/64")];
        save(&path, bans.iter()).unwrap();
        assert_eq!(load(&path, 10).unwrap(), (bans.to_vec(), 0));
        assert_eq!(load(&path, 1).unwrap().0.len(), 1);
        let mut text = fs::read_to_string(&path).unwrap();
        text.insert_str(0, "{\"torn\":\nnot json\n");
        fs::write(&path, text).unwrap();
        assert_eq!(load(&path, 10).unwrap(), (bans.to_vec(), 2));
    }
}
