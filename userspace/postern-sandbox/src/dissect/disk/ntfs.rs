//! NTFS, by its table of files: each record in use is looked at, whatever the folders' indexes say. So are other streams of a file
//! (`invoice.txt:run.js`), which no listing shows and a shortcut may start.

mod record;
mod stream;

use std::collections::{BTreeMap, HashSet};

use postern_model::sandbox::FindingName;

use super::Look;
use super::source::{Pieces, Volume};
use record::{Attribute, Name, Run};
use stream::Stream;

pub const NAME: &[u8; 8] = b"NTFS    ";
const ROOT: u64 = 5;
/// The first records are the file system's own.
const OWN: u64 = 24;
/// Places where the table goes on.
const TABLE_RUNS: usize = 10_000;
const FOLDERS: usize = 64;
/// Names for the same file.
const NAMES: usize = 16;
/// Windows packs a file anew so that only its own driver reads it (`compact /exe`): the tag of such a file (MS-FSCC 2.1.2.1).
const WOF: u32 = 0x8000_0017;

pub struct Ntfs<'a> {
    pub volume: Volume<'a>,
    pub cluster: u64,
    record: usize,
}

/// What all records of a file say of it.
#[derive(Default)]
struct File {
    is_folder: bool,
    names: Vec<Name>,
    streams: BTreeMap<String, Stream>,
    reparse: Option<u32>,
}

pub fn open(look: &mut Look<'_, '_>, volume: Volume<'_>) {
    let Some((ntfs, place)) = boot(volume) else { return look.damaged("the begin of an NTFS volume") };
    look.measure(volume, volume.number(40, 8).unwrap_or(0).saturating_mul(volume.number(11, 2).unwrap_or(0)));
    let Some(table) = volume.octets(place, ntfs.record).and_then(record::whole) else {
        return look.damaged("the table of files of an NTFS volume");
    };
    let mut files: BTreeMap<u64, File> = BTreeMap::new();
    let mut runs = Vec::new();
    for attribute in record::attributes(&table) {
        if let Attribute::Stream { name, stream } = attribute
            && name.is_empty()
        {
            runs.extend(stream.runs());
        }
    }
    let mut number = 0;
    let mut torn = 0;
    let mut next = 0;
    // The table may go on in places that only records within it tell.
    while next < runs.len() && !look.is_over() {
        let run: Run = runs[next];
        next += 1;
        let Some(start) = run.place else { continue };
        let count = look.records(run.clusters.saturating_mul(ntfs.cluster) / ntfs.record as u64);
        for n in 0..count {
            let Some(octets) = volume.octets(start.saturating_mul(ntfs.cluster).saturating_add(n * ntfs.record as u64), ntfs.record) else {
                look.damaged("the table of files of an NTFS volume is cut");
                break;
            };
            let is_used = record::is_used(&octets);
            match record::whole(octets) {
                Some(record) => take(number + n, &record, &mut files, &mut runs),
                None if is_used => torn += 1,
                None => {}
            }
        }
        number += count;
    }
    if torn > 0 {
        look.damaged(&format!("{torn} records of files"));
    }
    for (number, file) in &files {
        if look.is_over() {
            return;
        }
        give(look, &ntfs, &files, *number, file);
    }
}

/// Sizes, and where the table of files begins.
fn boot(volume: Volume<'_>) -> Option<(Ntfs<'_>, u64)> {
    let n = |at, width| volume.number(at, width);
    let (sector, per_cluster) = (n(11, 2)?, n(13, 1)?);
    // Beyond 128 sectors: how often it is doubled, negative.
    let per_cluster = if per_cluster > 128 { 1 << (256 - per_cluster).min(63) } else { per_cluster };
    let cluster = sector.checked_mul(per_cluster).filter(|cluster| cluster.is_power_of_two() && (256..=2 << 20).contains(cluster))?;
    let record = match n(64, 1)? {
        clusters @ 1..=127 => clusters * cluster,
        doubled => 1 << (256 - doubled).min(63),
    };
    let record = usize::try_from(record).ok().filter(|size| (512..=4096).contains(size))?;
    Some((Ntfs { volume, cluster, record }, n(48, 8)?.checked_mul(cluster)?))
}

fn take(number: u64, record: &[u8], files: &mut BTreeMap<u64, File>, table: &mut Vec<Run>) {
    if !record::is_used(record) {
        return;
    }
    // A file with much to say has several records, and all but the first name it.
    let base = record::base(record);
    let of = if base == 0 { number } else { base };
    let file = files.entry(of).or_default();
    file.is_folder |= base == 0 && record::is_folder(record);
    for attribute in record::attributes(record) {
        match attribute {
            Attribute::Name(name) if file.names.len() < NAMES => file.names.push(name),
            Attribute::Name(_) => {}
            Attribute::Reparse(tag) => file.reparse = Some(tag),
            Attribute::Stream { name, stream } => {
                if of == 0 && number != 0 && name.is_empty() && table.len() < TABLE_RUNS {
                    table.extend(stream.runs());
                }
                file.streams.entry(name).or_default().add(stream);
            }
        }
    }
}

fn give(look: &mut Look<'_, '_>, ntfs: &Ntfs<'_>, files: &BTreeMap<u64, File>, number: u64, file: &File) {
    let is_own = number < OWN && number != ROOT && file.names.iter().all(|name| name.parent == ROOT && name.text.starts_with('$'));
    if is_own {
        return;
    }
    // The short name of eight letters is another name for what has a long one.
    let mut names: Vec<&Name> = file.names.iter().filter(|name| !name.is_short).collect();
    if names.is_empty() {
        names = file.names.iter().collect();
    }
    let mut said = HashSet::new();
    for name in names {
        let path = path(files, name);
        if path.starts_with("$Extend/$") || !said.insert(path.clone()) {
            continue;
        }
        for (of, stream) in &file.streams {
            let is_main = of.is_empty();
            let name = if is_main { path.clone() } else { format!("{path}:{of}") };
            if file.reparse == Some(WOF) && (is_main || of == "WofCompressedData") {
                look.find(FindingName::NotOpened, format!("{path}: packed by Windows (WOF)"));
            } else if stream.is_encrypted {
                look.find(FindingName::Encrypted, format!("{name}: by EFS"));
            } else if let Some(octets) = &stream.resident {
                look.file(&name, octets.as_slice(), octets.len() as u64);
            } else if stream.unit > 1 {
                look.file(&name, stream.packed(ntfs), stream.length);
            } else {
                look.file(&name, Pieces::new(ntfs.volume, stream.pieces(ntfs.cluster), stream.length), stream.length);
            }
        }
    }
}

/// By its folders up to the root; what hangs in none stands by itself.
fn path(files: &BTreeMap<u64, File>, name: &Name) -> String {
    let mut steps = vec![name.text.as_str()];
    let mut parent = name.parent;
    while parent != ROOT && steps.len() < FOLDERS {
        let folder = files.get(&parent).filter(|folder| folder.is_folder);
        let Some(name) = folder.and_then(|folder| folder.names.iter().min_by_key(|name| name.is_short)) else { break };
        steps.push(&name.text);
        parent = name.parent;
    }
    steps.reverse();
    // The root is called by a dot, and lies in itself.
    if steps == ["."] { String::new() } else { steps.join("/") }
}
