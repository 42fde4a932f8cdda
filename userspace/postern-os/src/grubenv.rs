//! GRUB's environment block: 1,024 octets of `name=value` lines after a signature, padded with `#` (GRUB manual §16.2).
//!
//! It is all that an appliance ever writes on its FAT partition, so it is written where it lies: no cluster is allocated and no
//! entry of a folder changes. A power cut leaves the old or the new sector, or at the worst one that [`Environment::parse`] does
//! not know, and then it is made anew.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// GRUB refuses other sizes.
pub const SIZE: usize = 1024;
const SIGNATURE: &str = "# GRUB Environment Block\n";

#[derive(Debug, thiserror::Error)]
pub enum GrubenvError {
    #[error("{path}: {source}", path = path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the boot loader's environment has room for {SIZE} octets, this needs {0}")]
    Full(usize),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// `None` when the block is not one: of another size, without signature, or with a line that is none.
    pub fn parse(block: &[u8]) -> Option<Self> {
        if block.len() != SIZE {
            return None;
        }
        let text = std::str::from_utf8(block).ok()?.strip_prefix(SIGNATURE)?;
        let mut values = BTreeMap::new();
        for line in text.lines() {
            if line.starts_with('#') {
                continue;
            }
            let (name, value) = line.split_once('=')?;
            values.insert(name.to_owned(), value.to_owned());
        }
        Some(Self(values))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// # Errors
    /// When it does not fit.
    pub fn render(&self) -> Result<Vec<u8>, GrubenvError> {
        let mut text = SIGNATURE.to_owned();
        for (name, value) in &self.0 {
            text += &format!("{name}={value}\n");
        }
        if text.len() > SIZE {
            return Err(GrubenvError::Full(text.len()));
        }
        let mut block = text.into_bytes();
        block.resize(SIZE, b'#');
        Ok(block)
    }

    /// `None` when what is there cannot be used.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn read(path: &Path) -> Result<Option<Self>, GrubenvError> {
        match std::fs::read(path) {
            Ok(block) => Ok(Self::parse(&block)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(GrubenvError::Io { path: path.to_owned(), source }),
        }
    }

    /// Overwrites the block in one write and waits for the disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), GrubenvError> {
        let block = self.render()?;
        let failed = |source| GrubenvError::Io { path: path.to_owned(), source };
        let file = File::options().write(true).create(true).truncate(false).open(path).map_err(failed)?;
        file.write_all_at(&block, 0).map_err(failed)?;
        // One that had another size was broken.
        file.set_len(SIZE as u64).map_err(failed)?;
        file.sync_all().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_grub_writes_is_read_and_written_the_same() {
        let mut block = b"# GRUB Environment Block\na_tries=2\nslot=a\n".to_vec();
        block.resize(SIZE, b'#');
        let mut environment = Environment::parse(&block).unwrap();
        assert_eq!((environment.get("slot"), environment.get("a_tries")), (Some("a"), Some("2")));
        assert_eq!(environment.render().unwrap(), block);
        environment.set("slot", "b");
        assert!(environment.render().unwrap().starts_with(b"# GRUB Environment Block\na_tries=2\nslot=b\n#"));
        environment.set("x", &"y".repeat(SIZE));
        assert!(environment.render().is_err());
    }

    #[test]
    fn a_broken_block_is_none_and_is_made_anew_in_place() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("grubenv");
        assert!(Environment::read(&path).unwrap().is_none());
        let mut without_line = b"# GRUB Environment Block\nslot\n".to_vec();
        without_line.resize(SIZE, b'#');
        for bad in [vec![], vec![0; SIZE], vec![b'#'; SIZE], without_line, b"# GRUB Environment Block\nslot=a\n".to_vec()] {
            std::fs::write(&path, &bad).unwrap();
            assert!(Environment::read(&path).unwrap().is_none(), "{bad:?}");
        }
        let inode = |p: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(p).unwrap());
        let before = inode(&path);
        let mut good = Environment::default();
        good.set("slot", "a");
        good.write(&path).unwrap();
        assert_eq!((Environment::read(&path).unwrap(), inode(&path)), (Some(good), before));
    }
}
