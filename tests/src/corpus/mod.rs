//! Accuracy on labelled mail: reading it, building models from it, figures.

pub mod build;
pub mod logistic;
pub mod measure;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use postern_filter::bayes::tokens::Class;
use postern_filter::offline::Arrival;

/// A mail of the collection by its index.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// As in the index.
    pub file: String,
    pub path: PathBuf,
    pub class: Class,
    pub arrival: Arrival,
}

/// A collection of labelled mail; an unpacked archive is removed when this goes.
pub struct Corpus {
    pub mails: Vec<Labelled>,
    pub index: PathBuf,
    _unpacked: Option<tempfile::TempDir>,
}

impl Corpus {
    /// Opens a folder with `index.tsv`, a folder with `mail-corpus.tar.zst`, or the archive itself.
    ///
    /// # Errors
    /// When there is neither, or the archive cannot be unpacked.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        if path.join("index.tsv").is_file() {
            return Self::of_folder(path, None);
        }
        let archive = if path.is_dir() { path.join("mail-corpus.tar.zst") } else { path.to_owned() };
        if !archive.is_file() {
            bail!("{} holds neither index.tsv nor mail-corpus.tar.zst", path.display());
        }
        let place = tempfile::tempdir().context("make a folder for the unpacked mails")?;
        let unpacked = Command::new("tar").arg("--zstd").arg("-xf").arg(&archive).arg("-C").arg(place.path()).status();
        if !unpacked.context("start tar")?.success() {
            bail!("tar cannot unpack {} (is zstd installed?)", archive.display());
        }
        let folder = folder_with_index(place.path()).with_context(|| format!("{} holds no index.tsv", archive.display()))?;
        Self::of_folder(&folder, Some(place))
    }

    fn of_folder(folder: &Path, unpacked: Option<tempfile::TempDir>) -> anyhow::Result<Self> {
        let index = folder.join("index.tsv");
        let text = fs::read_to_string(&index).with_context(|| format!("read {}", index.display()))?;
        let mut lines = text.lines();
        let columns: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
        let mut mails = Vec::new();
        for line in lines {
            let cells: Vec<&str> = line.split('\t').collect();
            let cell = |name: &str| columns.iter().position(|c| *c == name).and_then(|at| cells.get(at)).copied().unwrap_or_default();
            let class = match cell("label") {
                "spam" => Class::Spam,
                "ham" => Class::Ham,
                other => bail!("{}: the label `{other}` is neither spam nor ham", index.display()),
            };
            let arrival = Arrival {
                client_ip: cell("client_ip").parse().ok(),
                helo: cell("helo").to_owned(),
                mail_from: Some(cell("mail_from").to_owned()),
                recipients: vec![cell("rcpt_to").to_owned()],
            };
            mails.push(Labelled { file: cell("file").to_owned(), path: folder.join(cell("file")), class, arrival });
        }
        // The order of the index is not to be relied on.
        mails.sort_by(|a, b| a.file.cmp(&b.file));
        Ok(Self { mails, index, _unpacked: unpacked })
    }

    /// The part (0 to `parts` - 1) a mail is in: by its name, so that a part is the same part of every
    /// selection of mails. Another `split` is another way of dividing.
    pub fn part(mail: &Labelled, parts: u64, split: u64) -> u64 {
        // FNV-1a: fixed for ever, unlike the standard library's hash.
        let hash = mail.file.bytes().fold(0xcbf2_9ce4_8422_2325u64 ^ split, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        (hash >> 20) % parts
    }
}

fn folder_with_index(place: &Path) -> Option<PathBuf> {
    if place.join("index.tsv").is_file() {
        return Some(place.to_owned());
    }
    fs::read_dir(place).ok()?.filter_map(Result::ok).map(|e| e.path()).find(|p| p.join("index.tsv").is_file())
}
