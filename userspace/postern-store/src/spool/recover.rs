//! Opening: what is on disk becomes the index and the list of mails that are not done.
//!
//! Replay is in log order: a mail record starts or replaces a mail, changes change it, `Done` ends it. Two passes: headers
//! of everything first, then meta data of what is alive, for most of what is in a log is dead.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use postern_model::id::MailId;
use postern_model::queue::{QueueChange, QueuedMail};

use super::body::body_path;
use super::index::{Entry, Index, Position, Segment};
use super::record::{Header, Kind, MAIL_PREFIX, Place, SEGMENT_HEADER, decode_meta, decode_segment_header};
use super::scan::{self, Scan};
use super::segment::{SegmentFile, number_of, segment_path, spare_path, sync_dir};
use super::{SpoolError, io_error};

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Mails that are not done.
    pub live: u64,
    /// Records read, dead ones included.
    pub records: u64,
    /// Segments whose last write was cut short by a crash; nobody had been answered for it.
    pub torn: u64,
    /// Changes that were jotted and not in the log yet when the last process ended.
    pub jotted: u64,
    /// Where the log ended.
    pub end: Position,
    /// Body files nothing refers to, removed.
    pub orphans: u64,
    /// Damage in the middle of what was durable, one line each; the octets are kept below `damaged/`.
    pub damage: Vec<String>,
}

pub(super) struct Recovered {
    pub index: Index,
    pub mails: Vec<QueuedMail>,
    pub next_number: u32,
    pub last_batch: u64,
    /// The last note of each mail.
    pub noted: AHashMap<MailId, u64>,
    pub spares: Vec<PathBuf>,
    pub report: Recovery,
}

/// Spares kept; each is a segment's worth of disk.
pub(super) const MAX_SPARES: usize = 1;

struct Scanned {
    file: Arc<SegmentFile>,
    len: u64,
    scan: Scan,
}

/// A mail as far as the headers tell.
struct Found {
    at: Place,
    header: Header,
    changes: Vec<(Place, Header)>,
}

pub(super) fn recover(dir: &Path, bodies: &Path) -> Result<Recovered, SpoolError> {
    let mut report = Recovery::default();
    let mut spares = Vec::new();
    let mut segments = Vec::new();
    for (name, path) in list(dir)? {
        if let Some(number) = number_of(&name, "segment-") {
            segments.push((number, path));
        } else if number_of(&name, "spare-").is_some() && spares.len() < MAX_SPARES {
            spares.push(path);
        } else if number_of(&name, "spare-").or_else(|| number_of(&name, "new-")).is_some() {
            std::fs::remove_file(&path).map_err(io_error("cannot remove the unused segment", &path))?;
        }
    }
    let highest = segments.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let mut scanned = BTreeMap::new();
    for ((number, path), one) in segments.iter().zip(on_all_cores(&segments, |(number, path)| scan_file(path, *number))) {
        match one? {
            Some(one) => drop(scanned.insert(*number, one)),
            None => move_aside(dir, path, *number, &mut report)?,
        }
    }
    apply_cuts(&mut scanned);
    // Those behind it were made ahead of need.
    let last = scanned.iter().rev().find(|(_, s)| s.scan.end > SEGMENT_HEADER);
    report.end = last.map_or_else(Position::default, |(number, s)| Position { segment: *number, offset: s.scan.end });
    let found = replay(&scanned);
    let last_batch = scanned.values().flat_map(|s| &s.scan.records).map(|(_, h)| h.batch).max().unwrap_or(0);
    for (number, one) in &scanned {
        settle(dir, *number, one, &mut report)?;
    }
    let mut index = Index::default();
    for (number, one) in &scanned {
        if one.scan.end == SEGMENT_HEADER {
            dispose(dir, *number, &mut spares)?;
        } else {
            let segment = Segment { file: Arc::clone(&one.file), end: one.scan.end, allocated: one.scan.end, live: 0, live_bytes: 0 };
            index.segments.insert(*number, segment);
        }
    }
    let (mut mails, mut noted) = (Vec::with_capacity(found.len()), AHashMap::with_capacity(found.len()));
    let mut found: Vec<(MailId, Found)> = found.into_iter().collect();
    found.sort_unstable_by_key(|(_, f)| f.at);
    let loaded = on_all_cores(&found, |(_, one)| load(&scanned, bodies, one));
    for ((id, one), (mail, damage)) in found.into_iter().zip(loaded) {
        let lost = mail.is_none();
        if let Some((mail, note)) = mail {
            let body_len = if one.header.external { Entry::EXTERNAL } else { one.header.body_len };
            let change = one.changes.last().map_or(Place::NONE, |(place, _)| *place);
            index.insert(id, Entry { at: one.at, meta_len: one.header.meta_len, body_len, change });
            mails.push(mail);
            noted.insert(id, note);
        }
        for (place, length, what) in damage {
            let start = u64::from(place.offset);
            let lost = if lost { "it is lost" } else { "it goes on without" };
            report.damage.push(format!("mail {id}, in segment {} at {start}: {what}; {lost}", place.segment));
            if let Some(s) = scanned.get(&place.segment) {
                set_aside(dir, &s.file, start..start + length)?;
            }
        }
    }
    report.orphans = remove_orphans(bodies, &index)?;
    report.live = mails.len() as u64;
    report.records = scanned.values().map(|s| s.scan.records.len() as u64).sum();
    index.counters.damaged = report.damage.len() as u64;
    mails.sort_unstable_by_key(|m| m.id);
    Ok(Recovered { index, mails, next_number: highest.saturating_add(1), last_batch, noted, spares, report })
}

fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, SpoolError> {
    let read = || -> io::Result<Vec<(String, PathBuf)>> {
        std::fs::read_dir(dir)?.map(|entry| entry.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path()))).collect()
    };
    let mut entries = read().map_err(io_error("cannot list", dir))?;
    entries.sort();
    Ok(entries)
}

/// `None` for a segment without a readable header.
fn scan_file(path: &Path, number: u32) -> Result<Option<Scanned>, SpoolError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(io_error("cannot open the segment", path))?;
    let len = file.metadata().map_err(io_error("cannot look at the segment", path))?.len();
    let mut block = vec![0; usize::try_from(SEGMENT_HEADER.min(len)).unwrap_or(0)];
    let header = file.read_exact_at(&mut block, 0).ok().and_then(|()| decode_segment_header(&block));
    Ok(header.filter(|(n, _)| *n == number).map(|(_, tag)| {
        let scan = scan::scan(&file, tag, len);
        Scanned { file: Arc::new(SegmentFile { number, tag, file }), len, scan }
    }))
}

fn move_aside(dir: &Path, path: &Path, number: u32, report: &mut Recovery) -> Result<(), SpoolError> {
    let aside = damaged_dir(dir)?.join(format!("segment-{number:010}"));
    std::fs::rename(path, &aside).map_err(io_error("cannot move the damaged segment aside", path))?;
    report.damage.push(format!("segment {number}: its header is unreadable; the file is {} now", aside.display()));
    Ok(())
}

/// The results in the order of the items.
fn on_all_cores<T: Sync, R: Send>(items: &[T], each: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let share = items.len().div_ceil(cores).max(1);
    if items.len() < 2 {
        return items.iter().map(each).collect();
    }
    std::thread::scope(|scope| {
        let each = &each;
        let threads: Vec<_> = items.chunks(share).map(|part| scope.spawn(move || part.iter().map(each).collect::<Vec<R>>())).collect();
        threads
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

fn apply_cuts(scanned: &mut BTreeMap<u32, Scanned>) {
    let cuts: Vec<Place> = scanned.values().flat_map(|s| &s.scan.records).filter_map(|(_, h)| scan::cut_of(h)).collect();
    for cut in cuts {
        if let Some(one) = scanned.get_mut(&cut.segment) {
            let valid = u64::from(cut.offset);
            one.scan.records.retain(|(offset, _)| u64::from(*offset) < valid);
            one.scan.damaged.retain(|range| range.start < valid);
            one.scan.end = one.scan.end.min(valid);
        }
    }
}

fn replay(scanned: &BTreeMap<u32, Scanned>) -> AHashMap<MailId, Found> {
    let mut found: AHashMap<MailId, Found> = AHashMap::new();
    for (number, one) in scanned {
        for (offset, header) in &one.scan.records {
            let at = Place { segment: *number, offset: *offset };
            match header.kind {
                Kind::Mail => drop(found.insert(header.id, Found { at, header: *header, changes: Vec::new() })),
                Kind::Change => {
                    if let Some(mail) = found.get_mut(&header.id) {
                        mail.changes.push((at, *header));
                    }
                }
                Kind::Done => drop(found.remove(&header.id)),
                Kind::Cut => {}
            }
        }
    }
    found
}

/// Cuts what is behind the last good record, keeps what is damaged, makes sure that what was read is on disk.
fn settle(dir: &Path, number: u32, one: &Scanned, report: &mut Recovery) -> Result<(), SpoolError> {
    report.torn += u64::from(one.scan.torn);
    for range in &one.scan.damaged {
        let aside = set_aside(dir, &one.file, range.clone())?;
        report.damage.push(format!("segment {number}: octets {} to {} are damaged; kept as {}", range.start, range.end, aside.display()));
    }
    if one.len > one.scan.end {
        let file = &one.file.file;
        let cut = file.set_len(one.scan.end).and_then(|()| file.sync_all());
        cut.map_err(io_error("cannot cut the end of the segment", &segment_path(dir, number)))?;
    }
    Ok(())
}

/// An empty segment becomes a spare, or goes.
fn dispose(dir: &Path, number: u32, spares: &mut Vec<PathBuf>) -> Result<(), SpoolError> {
    let path = segment_path(dir, number);
    if spares.len() < MAX_SPARES {
        let spare = spare_path(dir, number);
        std::fs::rename(&path, &spare).map_err(io_error("cannot rename the segment", &path))?;
        spares.push(spare);
    } else {
        std::fs::remove_file(&path).map_err(io_error("cannot remove the segment", &path))?;
    }
    sync_dir(dir)
}

/// Where something is damaged, how long it is, what is wrong with it.
type Damage = (Place, u64, String);

/// Decodes a mail and its changes, and tells the last note among them. Without its last changes a mail is still worth an attempt too many.
fn load(scanned: &BTreeMap<u32, Scanned>, bodies: &Path, one: &Found) -> (Option<(QueuedMail, u64)>, Vec<Damage>) {
    let meta = |place: &Place, header: &Header| {
        let segment = scanned.get(&place.segment).ok_or("its segment is gone".to_owned())?;
        scan::meta(&segment.file.file, place.offset, header).map_err(|e| e.to_string())
    };
    let mail = meta(&one.at, &one.header)
        .and_then(|m| decode_mail(&m).ok_or("it cannot be decoded".to_owned()))
        .and_then(|(mail, note)| Ok((check_body_file(bodies, one, mail)?, note)));
    let (mut mail, mut note) = match mail {
        Ok(mail) => mail,
        Err(what) => return (None, vec![(one.at, one.header.extent(), what)]),
    };
    let mut damage = Vec::new();
    for (place, header) in &one.changes {
        match meta(place, header).and_then(|m| decode_meta::<QueueChange>(&m).map_err(|e| e.to_string())) {
            Ok((change, number)) => {
                mail.apply(&change);
                note = note.max(number);
            }
            Err(what) => damage.push((*place, header.extent(), format!("a change: {what}"))),
        }
    }
    (Some((mail, note)), damage)
}

fn check_body_file(bodies: &Path, one: &Found, mail: QueuedMail) -> Result<QueuedMail, String> {
    if one.header.external {
        let path = body_path(bodies, mail.id);
        let len = std::fs::metadata(&path).map_err(|e| format!("its body {}: {e}", path.display()))?.len();
        if len != mail.size {
            return Err(format!("its body {} has {len} octets, not {}", path.display(), mail.size));
        }
    }
    Ok(mail)
}

/// A mail record's meta data: hash and size of the body, then the mail and its last note.
pub(super) fn decode_mail(meta: &[u8]) -> Option<(QueuedMail, u64)> {
    decode_meta(meta.get(MAIL_PREFIX..)?).ok()
}

fn damaged_dir(dir: &Path) -> Result<PathBuf, SpoolError> {
    let damaged = dir.join("damaged");
    std::fs::create_dir_all(&damaged).map_err(io_error("cannot make", &damaged))?;
    Ok(damaged)
}

/// Copies damaged octets to a file of their own, for whoever wants to look; what cannot be read is left out.
pub(super) fn set_aside(dir: &Path, segment: &SegmentFile, range: Range<u64>) -> Result<PathBuf, SpoolError> {
    let path = damaged_dir(dir)?.join(format!("segment-{:010}-at-{}", segment.number, range.start));
    if path.exists() {
        return Ok(path);
    }
    let copy = || -> io::Result<()> {
        let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut block = vec![0; 64 * 1024];
        let mut at = range.start;
        while at < range.end {
            let want = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(block.len());
            match segment.file.read_at(&mut block[..want], at) {
                Ok(0) => break,
                Ok(got) => {
                    out.write_all_at(&block[..got], at - range.start)?;
                    at += got as u64;
                }
                Err(_) => at += want as u64,
            }
        }
        out.sync_all()
    };
    copy().map_err(io_error("cannot keep the damaged octets", &path))?;
    Ok(path)
}

fn remove_orphans(bodies: &Path, index: &Index) -> Result<u64, SpoolError> {
    let wanted: AHashSet<String> = index.mails.iter().filter(|(_, e)| e.is_external()).map(|(id, _)| id.to_string()).collect();
    let mut removed = 0;
    for (name, path) in list(bodies)? {
        if !wanted.contains(&name) {
            std::fs::remove_file(&path).map_err(io_error("cannot remove the orphan", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}
