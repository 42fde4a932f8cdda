//! The files a command was given: folders are walked, the order is always the same.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use postern_mail::message::{Limits, Message};
use postern_mail::read::read;
use postern_model::settings::filter::FilterSettings;

/// Octets of a file that are read: the greatest mail that common servers take.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// How deep folders are walked.
const MAX_DEPTH: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("{path}: no such file or folder")]
    Missing { path: PathBuf },
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path}: larger than {} MiB", MAX_FILE / 1024 / 1024)]
    TooLarge { path: PathBuf },
    #[error("{path}: is empty")]
    Empty { path: PathBuf },
    #[error("{path}: is no mail: it does not begin with header fields")]
    NotAMail { path: PathBuf },
    #[error("{path}: folders are nested more than {MAX_DEPTH} deep")]
    TooDeep { path: PathBuf },
}

/// All files among `paths`, folders walked, each folder's entries by name. What cannot be walked is
/// in the list of errors. Hidden files and the index itself (`.tsv`) are passed over in folders.
pub fn files(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<InputError>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => walk(path, 0, &mut found, &mut errors),
            Ok(_) => found.push(path.clone()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => errors.push(InputError::Missing { path: path.clone() }),
            Err(source) => errors.push(InputError::Unreadable { path: path.clone(), source }),
        }
    }
    (found, errors)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>, errors: &mut Vec<InputError>) {
    if depth > MAX_DEPTH {
        errors.push(InputError::TooDeep { path: folder.to_owned() });
        return;
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(source) => {
            errors.push(InputError::Unreadable { path: folder.to_owned(), source });
            return;
        }
    };
    let mut names: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    names.sort();
    for path in names {
        let is_hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if is_hidden {
            continue;
        }
        // Symbolic links to folders are not followed: they may lead in circles.
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => walk(&path, depth + 1, found, errors),
            Ok(_) if path.is_file() && path.extension().is_none_or(|e| e != "tsv") => found.push(path),
            _ => {}
        }
    }
}

/// Bounds of the extraction by the settings.
pub fn limits(settings: &FilterSettings) -> Limits {
    Limits { text: settings.max_text, parts: settings.max_parts, depth: settings.max_depth, ..Limits::default() }
}

/// Reads a file as a mail and takes it apart.
///
/// # Errors
/// When it cannot be read, is too large, or has no header.
pub fn mail(path: &Path, limits: &Limits) -> Result<Message, InputError> {
    let octets = octets(path)?;
    let message = read(&octets, limits);
    if message.headers.is_empty() {
        return Err(InputError::NotAMail { path: path.to_owned() });
    }
    Ok(message)
}

/// The mail as it stands in a file.
///
/// # Errors
/// When it cannot be read, is too large, or is empty.
pub fn octets(path: &Path) -> Result<Vec<u8>, InputError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => InputError::Missing { path: path.to_owned() },
        _ => InputError::Unreadable { path: path.to_owned(), source },
    };
    let mut octets = Vec::new();
    fs::File::open(path).and_then(|f| f.take(MAX_FILE + 1).read_to_end(&mut octets)).map_err(unreadable)?;
    if octets.len() as u64 > MAX_FILE {
        return Err(InputError::TooLarge { path: path.to_owned() });
    }
    octets.drain(..octets.len() - without_envelope_line(&octets).len());
    if octets.trim_ascii().is_empty() {
        return Err(InputError::Empty { path: path.to_owned() });
    }
    Ok(octets)
}

/// The `From sender date` line of the mbox format is no part of the mail.
fn without_envelope_line(octets: &[u8]) -> &[u8] {
    if octets.starts_with(b"From ") { octets.iter().position(|b| *b == b'\n').map_or(&[], |end| &octets[end + 1..]) } else { octets }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_missing_paths_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        for name in ["b/c/2.eml", "b/1.eml", "a.eml", ".hidden", "index.tsv"] {
            fs::write(at(name), "Subject: x\n\ny\n").unwrap();
        }
        std::os::unix::fs::symlink(dir.path(), at("b/circle")).unwrap();
        let (found, errors) = files(&[dir.path().to_owned(), at("gone")]);
        assert_eq!(found, [at("a.eml"), at("b/1.eml"), at("b/c/2.eml")]);
        assert!(matches!(&errors[..], [InputError::Missing { path }] if *path == at("gone")), "{errors:?}");
    }

    #[test]
    fn what_is_no_mail_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let limits = Limits::default();
        let why = |path: &Path| mail(path, &limits).map(|_| ()).unwrap_err().to_string();
        assert!(why(&file("empty", b"\n\n")).contains("is empty"));
        assert!(why(&file("text", b"just some words\nand more\n")).contains("is no mail"));
        assert!(why(&dir.path().join("gone")).contains("no such file"));
        let mbox = file("mbox", b"From a@b.example Sat Nov 21 20:11:42 2026\nSubject: hello\n\nbody\n");
        assert_eq!(mail(&mbox, &limits).unwrap().subject.as_deref(), Some("hello"));
    }
}
