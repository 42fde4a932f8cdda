//! Images of disks: a click on one mounts it, and what is in it has no mark of the web. CDs, disks of virtual machines, and plain ones; in them
//! FAT, exFAT and NTFS.
//!
//! From the outside in: what the image keeps of its disk ([`source`]), which parts of the disk are volumes ([`partitions`]), what lies in a volume.
//! A hole costs nothing but what is read of it.

mod cd;
mod clusters;
mod exfat;
mod fat;
mod ntfs;
mod partitions;
mod source;
mod udf;
mod vhd;
mod vhdx;

use std::collections::HashSet;
use std::io::Read;

use postern_model::sandbox::FindingName;

use super::{Waiting, Walk};
use partitions::Partitions;
use source::{Disk, Volume};

/// A finding and its evidence.
type Said = (FindingName, String);

/// Octets of folders, of all volumes together.
const FOLDERS_MOST: u64 = 64 << 20;
/// Records of NTFS that are looked at: as many as fill a volume of some GiB.
const RECORDS_MOST: u64 = 1 << 17;
const BOOT_SECTOR: usize = 512;

/// Other images, by their beginning: their programs' names.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"KDMV", "a disk of VMware"),
    (b"# Disk DescriptorFile", "a disk of VMware"),
    (b"QFI\xfb", "a disk of QEMU"),
    (b"<<< Oracle VM VirtualBox Disk Image >>>", "a disk of VirtualBox"),
    (b"MSWIM\0\0\0", "an image of Windows' installer"),
];
/// Behind all else, in 512 octets.
const MAC: &[u8] = b"koly";

/// Whether it is one, by its begin or its end; the begin alone is enough for most.
pub fn is_image(octets: &[u8]) -> bool {
    let sector = octets.get(..BOOT_SECTOR).unwrap_or_default();
    is_mounted(octets)
        || octets.starts_with(vhdx::SIGNATURE)
        || octets.starts_with(vhd::COOKIE)
        || FOREIGN.iter().any(|(begin, _)| octets.starts_with(begin))
        || is_mac(octets)
        || (sector.ends_with(b"\x55\xaa") && (system(sector).is_some() || partitions::has_table(&Disk::whole(octets))))
}

/// Whether it is mounted whatever it begins with: a CD leaves its first 32 KiB to others, and a disk its first 446 octets.
pub fn is_mounted(octets: &[u8]) -> bool {
    cd::is_one(octets) || vhd::footer(octets).is_some()
}

fn is_mac(octets: &[u8]) -> bool {
    octets.len().checked_sub(512).is_some_and(|at| octets[at..].starts_with(MAC))
}

pub fn open(walk: &mut Walk<'_>, part: &Waiting) {
    let image = part.content.as_slice();
    let is_cd = cd::is_one(image);
    if is_cd {
        discs(walk, part);
    }
    let foreign = FOREIGN.iter().find(|(begin, _)| image.starts_with(begin)).map(|(_, what)| *what);
    if let Some(what) = foreign.or_else(|| is_mac(image).then_some("a disk of macOS")) {
        return walk.find(FindingName::NotOpened, part.number, what);
    }
    let disk = if image.starts_with(vhdx::SIGNATURE) {
        vhdx::disk(image)
    } else if image.starts_with(vhd::COOKIE) || vhd::footer(image).is_some() {
        vhd::disk(image).map(|disk| (disk, None))
    } else {
        Ok((Disk::whole(image), None))
    };
    match disk {
        Ok((disk, said)) => {
            if let Some((name, evidence)) = said {
                walk.find(name, part.number, evidence);
            }
            volumes(walk, part, &disk, is_cd);
        }
        Err((name, evidence)) => walk.find(name, part.number, evidence),
    }
}

/// A CD may have two sets of names for its files, and each may hide something from who looks at the other.
fn discs(walk: &mut Walk<'_>, part: &Waiting) {
    let has_iso = cd::open(walk, part);
    let own = walk.report.parts.iter().filter(|p| p.inside == Some(part.number)).map(|p| (p.name.to_lowercase(), p.hash)).collect();
    let mut look = Look { walk, part, prefix: String::new(), folders: FOLDERS_MOST, records: RECORDS_MOST, known: own };
    if !udf::open(&mut look, &Disk::whole(&part.content)) && !has_iso {
        look.find(FindingName::NotOpened, "a CD of another kind than ISO 9660 and UDF".to_owned());
    }
}

fn volumes(walk: &mut Walk<'_>, part: &Waiting, disk: &Disk<'_>, is_cd: bool) {
    let whole = Volume { disk, start: 0, length: disk.length };
    let Partitions { volumes, is_cut } = partitions::of(disk);
    let is_alone = volumes.len() <= 1;
    let mut look = Look { walk, part, prefix: String::new(), folders: FOLDERS_MOST, records: RECORDS_MOST, known: HashSet::new() };
    // Where there is a file system instead, its program may look like a table.
    let is_volume = whole.octets(0, BOOT_SECTOR).is_some_and(|sector| system(&sector).is_some());
    if is_cut && !is_cd && !is_volume {
        look.damaged("a partition behind the end of the disk");
    }
    let mut known = 0;
    for (number, volume) in std::iter::once(whole).chain(volumes).enumerate() {
        let Some(sector) = volume.octets(0, BOOT_SECTOR) else {
            look.damaged("a volume that is not in the image");
            continue;
        };
        let found = system(&sector).or_else(|| is_ext(&volume).then_some(System::Other("a volume of Linux (ext)")));
        // A disk that is no volume as a whole is the common case.
        let Some(found) = found else { continue };
        known += 1;
        if number > 0 && !is_alone {
            look.prefix = format!("partition {number}/");
        }
        match found {
            System::Fat => fat::open(&mut look, volume),
            System::ExFat => exfat::open(&mut look, volume),
            System::Ntfs => ntfs::open(&mut look, volume),
            System::Encrypted(what) => look.find(FindingName::Encrypted, what.to_owned()),
            System::Other(what) => look.find(FindingName::NotOpened, what.to_owned()),
        }
    }
    if known == 0 && !is_cd {
        look.find(FindingName::NotOpened, "a disk without a file system that is known".to_owned());
    }
}

enum System {
    Fat,
    ExFat,
    Ntfs,
    Encrypted(&'static str),
    Other(&'static str),
}

/// What a volume's first sector says that it is.
fn system(sector: &[u8]) -> Option<System> {
    /// Of a stick that explains itself to a Windows that does not know BitLocker.
    const TO_GO: &[u8] = b"\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01";
    let has = |at: usize, what: &[u8]| sector.get(at..).is_some_and(|rest| rest.starts_with(what));
    Some(match () {
        () if has(3, b"-FVE-FS-") || (has(3, b"MSWIN4.1") && has(424, TO_GO)) => System::Encrypted("a volume of BitLocker"),
        () if has(0, b"LUKS\xba\xbe") => System::Encrypted("a volume of LUKS"),
        () if has(3, ntfs::NAME) => System::Ntfs,
        () if has(3, exfat::NAME) => System::ExFat,
        () if has(3, b"ReFS\0\0\0\0") => System::Other("a volume of ReFS"),
        () if has(32, b"NXSB") => System::Other("a volume of APFS"),
        () if fat::is_boot(sector) => System::Fat,
        () => return None,
    })
}

/// Its own block stands behind two sectors that are left to others.
fn is_ext(volume: &Volume<'_>) -> bool {
    volume.octets(1080, 2).is_some_and(|mark| mark == [0x53, 0xef])
}

/// What a file system's reader gives to, and what bounds it.
struct Look<'w, 'j> {
    walk: &'w mut Walk<'j>,
    part: &'w Waiting,
    /// Of the volume, where there are several.
    prefix: String,
    /// Octets of folders that may still be read.
    folders: u64,
    records: u64,
    /// Files that are there by another set of names.
    known: HashSet<(String, [u8; 32])>,
}

impl Look<'_, '_> {
    fn is_over(&self) -> bool {
        self.walk.is_full
    }

    fn find(&mut self, name: FindingName, evidence: String) {
        self.walk.find(name, self.part.number, format!("{}{evidence}", self.prefix));
    }

    /// The volume says how long it is, and what does not lie in the image is lost.
    fn measure(&mut self, volume: Volume<'_>, length: u64) {
        if length > volume.length {
            self.damaged("the volume is cut");
        }
    }

    fn damaged(&mut self, what: &str) {
        self.find(FindingName::Damaged, what.to_owned());
    }

    /// How many of so many records may still be looked at.
    fn records(&mut self, count: u64) -> u64 {
        let most = count.min(self.records);
        if most < count {
            self.find(FindingName::TooMany, "more records of files than are looked at".to_owned());
        }
        self.records -= most;
        most
    }

    /// A folder's octets, as many as may be read.
    fn folder(&mut self, name: &str, content: impl Read, most: u64) -> Vec<u8> {
        let mut octets = Vec::new();
        let most = most.min(self.folders);
        if most == 0 {
            self.find(FindingName::TooMany, format!("{name}: more folders than are looked at"));
        }
        if let Err(error) = content.take(most).read_to_end(&mut octets) {
            self.find(FindingName::Damaged, format!("the folder {name}: {error}"));
        }
        self.folders -= octets.len() as u64;
        octets
    }

    /// A file of so many octets. Those that lie in no place are few in the image: as much of it may come out as its whole could become.
    fn file(&mut self, name: &str, content: impl Read, length: u64) {
        let name = format!("{}{name}", self.prefix);
        let packed = length.min(self.part.content.len() as u64);
        let content = self.walk.unpack(self.part, &name, content, packed);
        if !self.known.is_empty() && self.known.contains(&(name.to_lowercase(), *blake3::hash(&content).as_bytes())) {
            self.walk.left += content.len() as u64;
            return;
        }
        self.walk.add(Some(self.part), &name, content);
    }
}
