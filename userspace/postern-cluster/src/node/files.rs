//! Where a node keeps what it knows of its cluster: below `cluster` in the data directory.

use std::io;
use std::path::{Path, PathBuf};

use postern_document::{ClusterId, Document, OpenError, Writer};

#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    #[error("{what} {path}: {source}")]
    Io {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the cluster's settings in {path} cannot be used ({source}): restore that file, or move the folder away and join again")]
    Document {
        path: PathBuf,
        #[source]
        source: OpenError,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn make(&self) -> Result<(), FilesError> {
        use std::os::unix::fs::DirBuilderExt;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| FilesError::Io { what: "cannot make the folder", path: self.folder.clone(), source })
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("node.key")
    }

    pub fn document(&self) -> PathBuf {
        self.folder.join("document")
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder.join("ledger.db")
    }

    pub fn invitations(&self) -> PathBuf {
        self.folder.join("invitations")
    }

    pub fn shadows(&self) -> PathBuf {
        self.folder.join("shadows")
    }

    /// The document, when this node is in a cluster.
    pub fn read_document(&self, expected: Option<ClusterId>, writer: Writer) -> Result<Option<Document>, FilesError> {
        let path = self.document();
        let octets = match std::fs::read(&path) {
            Ok(octets) => octets,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FilesError::Io { what: "cannot read", path, source }),
        };
        Document::open(&octets, expected, writer).map(Some).map_err(|source| FilesError::Document { path, source })
    }

    /// Moves everything of the cluster aside, so that this node can join one as a new node. Copies of others' mails go with it.
    pub fn leave(&self, stamp: i64) -> Result<PathBuf, FilesError> {
        let mut name = self.folder.file_name().unwrap_or_default().to_owned();
        name.push(format!(".left-{stamp}"));
        let aside = self.folder.with_file_name(name);
        std::fs::rename(&self.folder, &aside).map_err(|source| FilesError::Io {
            what: "cannot move away",
            path: self.folder.clone(),
            source,
        })?;
        sync_parent(&self.folder);
        Ok(aside)
    }
}

fn sync_parent(path: &Path) {
    if let Some(parent) = path.parent() {
        let _ = std::fs::File::open(parent).and_then(|f| f.sync_all());
    }
}
