//! The boot code of the BIOS. grub-install would want a running system; what it does to a GPT disk is four numbers.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, ensure};

/// Boot code ends where the disk signature and the protective table begin (UEFI 2.10 §5.2.1).
const CODE: usize = 440;
/// boot.img: where it looks for the first sector of core.img, and the jump that it must not take on a hard disk.
const SECTOR_OF_CORE: usize = 0x5c;
const DRIVE_CHECK: usize = 0x66;
/// core.img's first sector: where the list of the others begins (its first entry).
const REST_OF_CORE: usize = 500;
const SECTOR: u64 = 512;

/// Puts boot.img before the partition table and core.img at a sector (the partition `bios`).
///
/// # Errors
/// When the files are not GRUB's, or do not fit.
pub fn bios_boot(disk: &Path, boot: &Path, core: &Path, sector: u64) -> anyhow::Result<()> {
    let mut boot_code = fs::read(boot).with_context(|| format!("read {}", boot.display()))?;
    let mut core_code = fs::read(core).with_context(|| format!("read {}", core.display()))?;
    ensure!(boot_code.len() == 512 && boot_code[510..] == [0x55, 0xaa], "{} is no boot sector", boot.display());
    ensure!(core_code.len() > 512, "{} is too short for GRUB's core", core.display());
    ensure!(core_code.len() <= 1 << 20, "{} does not fit into its partition of 1 MiB", core.display());
    boot_code[SECTOR_OF_CORE..SECTOR_OF_CORE + 8].copy_from_slice(&sector.to_le_bytes());
    boot_code[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
    core_code[REST_OF_CORE..REST_OF_CORE + 8].copy_from_slice(&(sector + 1).to_le_bytes());
    let disk = File::options().write(true).open(disk).with_context(|| format!("open {}", disk.display()))?;
    disk.write_all_at(&boot_code[..CODE], 0)?;
    disk.write_all_at(&core_code, sector * SECTOR)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table_stays_and_the_numbers_are_set() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        let mut boot = vec![1; 512];
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        fs::write(at("boot"), &boot).unwrap();
        fs::write(at("core"), vec![2; 1500]).unwrap();
        fs::write(at("disk"), vec![9; 4096 * 512]).unwrap();
        bios_boot(&at("disk"), &at("boot"), &at("core"), 2048).unwrap();
        let disk = fs::read(at("disk")).unwrap();
        assert_eq!(disk[0x5c..0x64], 2048_u64.to_le_bytes());
        assert_eq!(disk[0x66..0x68], [0x90, 0x90]);
        assert!(disk[440..512].iter().all(|o| *o == 9), "the protective table");
        assert_eq!(disk[2048 * 512 + 500..2048 * 512 + 508], 2049_u64.to_le_bytes());
        fs::write(at("core"), vec![2; (1 << 20) + 1]).unwrap();
        assert!(bios_boot(&at("disk"), &at("boot"), &at("core"), 2048).unwrap_err().to_string().contains("1 MiB"));
    }
}
