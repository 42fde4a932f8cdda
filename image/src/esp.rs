//! The EFI system partition: FAT32 whose times, serial number and order of clusters are those of the plan and not of this moment.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider, format_volume};

/// The first moment that FAT can tell.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

/// # Errors
/// When a file is not there, or they do not fit.
pub fn make(to: &Path, mebibytes: u64, serial: u32, label: &str, files: &[(PathBuf, String)]) -> anyhow::Result<()> {
    let mut disk = File::options().read(true).write(true).create(true).truncate(true).open(to)?;
    disk.set_len(mebibytes << 20)?;
    let mut name = [b' '; 11];
    for (to, from) in name.iter_mut().zip(label.bytes()) {
        *to = from;
    }
    let kind = if mebibytes >= 64 { FatType::Fat32 } else { FatType::Fat16 };
    format_volume(&mut disk, FormatVolumeOptions::new().fat_type(kind).volume_id(serial).volume_label(name))?;
    disk.seek(SeekFrom::Start(0))?;
    let system = FileSystem::new(&mut disk, FsOptions::new().time_provider(&NoClock))?;
    {
        let root = system.root_dir();
        let mut folders = BTreeSet::new();
        for (_, name) in files {
            let mut path = Path::new(name);
            while let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
                folders.insert(folder.to_owned());
                path = folder;
            }
        }
        for folder in folders {
            root.create_dir(&folder.to_string_lossy())?;
        }
        for (from, name) in files {
            let content = fs::read(from).with_context(|| format!("read {}", from.display()))?;
            let mut file = root.create_file(name).with_context(|| format!("{name} in {}", to.display()))?;
            file.write_all(&content)?;
        }
    }
    system.unmount()?;
    Ok(())
}

/// Overwrites a file of such a partition, which begins at an offset of a disk, with as many octets as it has.
///
/// # Errors
/// When it is not there, or of another size.
pub fn overwrite(disk: &Path, offset: u64, mebibytes: u64, name: &str, content: &[u8]) -> anyhow::Result<()> {
    let disk = File::options().read(true).write(true).open(disk)?;
    let mut part = vec![0; usize::try_from(mebibytes << 20)?];
    disk.read_exact_at(&mut part, offset)?;
    {
        let system = FileSystem::new(Cursor::new(&mut part), FsOptions::new().time_provider(&NoClock))?;
        let mut file = system.root_dir().open_file(name)?;
        let size = file.seek(SeekFrom::End(0))?;
        ensure!(size == content.len() as u64, "{name} has {size} octets, not {}", content.len());
        file.seek(SeekFrom::Start(0))?;
        file.write_all(content)?;
    }
    disk.write_all_at(&part, offset)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_same_files_give_the_same_octets() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::write(at("shim"), vec![7; 100_000]).unwrap();
        let files = [(at("shim"), "EFI/BOOT/BOOTX64.EFI".to_owned()), (at("shim"), "grub/grubenv".to_owned())];
        for name in ["one", "two"] {
            make(&at(name), 64, 0x1234_5678, "POSTERN", &files).unwrap();
        }
        assert!(fs::read(at("one")).unwrap() == fs::read(at("two")).unwrap());
        overwrite(&at("one"), 0, 64, "EFI/BOOT/BOOTX64.EFI", &vec![8; 100_000]).unwrap();
        assert!(fs::read(at("one")).unwrap() != fs::read(at("two")).unwrap());
        overwrite(&at("one"), 0, 64, "EFI/BOOT/BOOTX64.EFI", &vec![7; 100_000]).unwrap();
        assert!(fs::read(at("one")).unwrap() == fs::read(at("two")).unwrap(), "in place");
        assert!(overwrite(&at("one"), 0, 64, "grub/grubenv", b"short").unwrap_err().to_string().contains("100000 octets"));
        let lost = [(at("lost"), "x".to_owned())];
        assert!(make(&at("three"), 64, 1, "POSTERN", &lost).unwrap_err().to_string().contains("lost"));
    }
}
