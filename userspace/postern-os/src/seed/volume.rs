//! Where a seed comes from: a volume labelled cidata (NoCloud), else a CD with `ovf-env.xml` on it (OVF's transport "iso"). Labels
//! are read from the superblocks themselves: at that time udev's links need not be there.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::network::Card;
use super::{BadSeed, Files, LARGEST_FILE, NAMES, OVF_ENVIRONMENT, Seed, tree};

/// Meanwhile.
const MOUNTED_AT: &str = "/run/postern-seed";
const LABEL: &str = "cidata";
/// Devices that are no medium that somebody attached.
const NO_MEDIA: [&str; 7] = ["ram", "loop", "zram", "dm-", "md", "nbd", "fd"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    Iso9660,
    Vfat,
}

impl FileSystem {
    fn name(self) -> &'static str {
        match self {
            FileSystem::Iso9660 => "iso9660",
            FileSystem::Vfat => "vfat",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub device: PathBuf,
    pub file_system: FileSystem,
    pub label: String,
}

/// The file system and its label, when it is one of the two kinds.
///
/// # Errors
/// When the device cannot be read; one that is too short is no file system.
pub fn look(device: &File) -> io::Result<Option<(FileSystem, String)>> {
    let read = |at: u64, length: usize| -> io::Result<Option<Vec<u8>>> {
        let mut octets = vec![0; length];
        match device.read_exact_at(&mut octets, at) {
            Ok(()) => Ok(Some(octets)),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(e),
        }
    };
    // ECMA-119 §8.4: the primary volume descriptor is one of those from sector 16 on; its identifier stands at 40.
    if let Some(descriptor) = read(0x8000, 72)?
        && descriptor[..7] == *b"\x01CD001\x01"
    {
        return Ok(Some((FileSystem::Iso9660, label(&descriptor[40..72]))));
    }
    let Some(boot) = read(0, 512)? else { return Ok(None) };
    if boot[510..] != [0x55, 0xaa] {
        return Ok(None);
    }
    // Microsoft's FAT specification 1.03, "boot sector": the label stands at 43 (FAT12 and 16) or 71 (FAT32), after the signature 29h.
    let at = match (&boot[54..59], &boot[82..87]) {
        (b"FAT12" | b"FAT16", _) if boot[38] == 0x29 => 43,
        (_, b"FAT32") if boot[66] == 0x29 => 71,
        _ => return Ok(None),
    };
    Ok(Some((FileSystem::Vfat, label(&boot[at..at + 11]))))
}

fn label(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).trim_end_matches([' ', '\0']).to_owned()
}

/// Every medium of this machine that has one of the two file systems. Of a disk and its partition that are the same file system
/// (a hybrid image on a stick) only the disk is named.
///
/// # Errors
/// When the kernel's list cannot be read. A device that cannot (an empty drive) is passed over.
pub fn attached(sys: &Path, dev: &Path) -> io::Result<Vec<Volume>> {
    let mut names: Vec<String> = fs::read_dir(sys)?.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !NO_MEDIA.iter().any(|prefix| name.starts_with(prefix)));
    names.sort();
    let mut found: Vec<(String, Volume)> = Vec::new();
    for name in names {
        let device = dev.join(&name);
        // A drive without a disc answers at once instead of waiting for one.
        let Ok(file) = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(&device) else { continue };
        let Ok(Some((file_system, label))) = look(&file) else { continue };
        let disk = sys.join(&name).canonicalize().ok().and_then(|p| Some(p.parent()?.file_name()?.to_string_lossy().into_owned()));
        if disk.is_some_and(|disk| found.iter().any(|(other, volume)| *other == disk && volume.label == label)) {
            continue;
        }
        found.push((name, Volume { device, file_system, label }));
    }
    Ok(found.into_iter().map(|(_, volume)| volume).collect())
}

/// Where a seed came from, and why it was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{source_words}: {why}")]
pub struct Refusal {
    pub source_words: String,
    pub why: BadSeed,
}

/// Looks through the attached media, and reads the first seed that somebody filled in. `None`: there is none.
///
/// # Errors
/// When there is one that cannot be taken. Another medium is not tried then: its author would never hear of it.
pub fn find(cards: &[Card]) -> Result<Option<(String, Seed)>, Refusal> {
    let media =
        attached(Path::new("/sys/class/block"), Path::new("/dev")).map_err(|e| BadSeed::File("/sys/class/block".into(), e.to_string()));
    let volumes = media.and_then(chosen).map_err(|why| Refusal { source_words: "attached media".into(), why })?;
    for volume in volumes {
        let refused = |why| Refusal { source_words: volume.describe(), why };
        let Some(files) = volume.read().map_err(refused)? else { continue };
        if let Some(seed) = Seed::read(&files, cards).map_err(refused)? {
            return Ok(Some((volume.describe(), seed)));
        }
    }
    Ok(None)
}

/// What is read: the one volume of NoCloud, else every CD that may carry an OVF environment.
///
/// # Errors
/// When several are labelled cidata: which of them is meant nobody can tell.
pub fn chosen(attached: Vec<Volume>) -> Result<Vec<Volume>, BadSeed> {
    let (labelled, others): (Vec<_>, Vec<_>) = attached.into_iter().partition(|v| v.label.eq_ignore_ascii_case(LABEL));
    match labelled.len() {
        0 => Ok(others.into_iter().filter(|v| v.file_system == FileSystem::Iso9660).collect()),
        1 => Ok(labelled),
        _ => Err(BadSeed::Several(labelled.iter().map(|v| v.device.display().to_string()).collect::<Vec<_>>().join(", "))),
    }
}

impl Volume {
    pub fn is_no_cloud(&self) -> bool {
        self.label.eq_ignore_ascii_case(LABEL)
    }

    /// For the console and the status.
    pub fn describe(&self) -> String {
        let kind = if self.is_no_cloud() { "NoCloud volume" } else { "OVF environment" };
        format!("{kind} on {}", self.device.display())
    }

    /// Mounts it for a moment, read-only and without rights, and takes its files. `None`: a CD that has nothing to do with this.
    ///
    /// # Errors
    /// When it cannot be mounted or a file not be read.
    pub fn read(&self) -> Result<Option<Files>, BadSeed> {
        let failed = |what: &str, e: &dyn std::fmt::Display| BadSeed::File(self.device.display().to_string(), format!("{what}: {e}"));
        fs::create_dir_all(MOUNTED_AT).map_err(|e| failed(MOUNTED_AT, &e))?;
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        match mount(Some(&self.device), MOUNTED_AT, Some(self.file_system.name()), flags, None::<&str>) {
            // Some other CD that is none of ours to complain about.
            Err(_) if !self.is_no_cloud() => return Ok(None),
            mounted => mounted.map_err(|e| failed("mount", &e))?,
        }
        let files = folder(Path::new(MOUNTED_AT));
        umount2(MOUNTED_AT, MntFlags::MNT_DETACH).map_err(|e| failed("unmount", &e))?;
        let _ = fs::remove_dir(MOUNTED_AT);
        let mut files = files?;
        if !self.is_no_cloud() {
            files.retain(|name, _| name == OVF_ENVIRONMENT);
            return Ok(Some(files).filter(|f| !f.is_empty()));
        }
        Ok(Some(files))
    }
}

/// The files of a seed in a folder. Names are compared without regard to case: an ISO without extensions knows capitals only.
///
/// # Errors
/// When one cannot be read, is no file, or is too large.
pub fn folder(folder: &Path) -> Result<Files, BadSeed> {
    let failed = |path: &Path, e: &io::Error| BadSeed::File(path.display().to_string(), e.to_string());
    let mut files = Files::new();
    for entry in fs::read_dir(folder).map_err(|e| failed(folder, &e))? {
        let entry = entry.map_err(|e| failed(folder, &e))?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        if NAMES.contains(&name.as_str()) {
            files.insert(name, one(&entry.path())?);
        }
    }
    Ok(files)
}

/// One file, by whatever name it has: of what kind it is, its content says.
///
/// # Errors
/// When it cannot be read, or is too large.
pub fn single(path: &Path) -> Result<Files, BadSeed> {
    let octets = one(path)?;
    let starts_with = |what: &[u8]| octets.trim_ascii_start().starts_with(what);
    let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let kind = match name.as_str() {
        known if NAMES.contains(&known) => known,
        _ if starts_with(b"<") => OVF_ENVIRONMENT,
        _ => "user-data",
    };
    Ok(Files::from([(kind.to_owned(), octets)]))
}

fn one(path: &Path) -> Result<Vec<u8>, BadSeed> {
    let failed = |e: &io::Error| BadSeed::File(path.display().to_string(), e.to_string());
    // No link: it would lead out of the medium.
    let file = File::options().read(true).custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path);
    let file = file.map_err(|e| failed(&e))?;
    if !file.metadata().map_err(|e| failed(&e))?.is_file() {
        return Err(failed(&io::Error::other("it is no plain file")));
    }
    let mut octets = Vec::new();
    file.take(LARGEST_FILE as u64 + 1).read_to_end(&mut octets).map_err(|e| failed(&e))?;
    if octets.len() > LARGEST_FILE {
        return Err(BadSeed::Size(tree::shown(&path.display().to_string())));
    }
    Ok(octets)
}

/// The network cards of this machine, in the order of their names. `sys` is /sys/class/net.
pub fn cards(sys: &Path) -> Vec<Card> {
    let mut names: Vec<String> = fs::read_dir(sys)
        .map(|entries| entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.sort_by_key(|name| (name.len(), name.clone()));
    let card = |name: String| {
        let folder = sys.join(&name);
        let mac = fs::read_to_string(folder.join("address")).ok()?.trim().to_ascii_lowercase();
        folder.join("device").exists().then_some(Card { name, mac })
    };
    names.into_iter().filter_map(card).collect()
}
