//! Reading a segment from end to end: which records are in it, where it ends, and what in it is damaged.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::unistd::{Whence, lseek};

use super::record::{HEADER, Header, Kind, SEGMENT_HEADER};

/// Small records are read many at a time, of large ones little but the header.
const WINDOW_SMALL: usize = 256;
const WINDOW_LARGE: usize = 32 * 1024;
const SEARCH_BLOCK: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Offset and header of each record, in file order.
    pub records: Vec<(u32, Header)>,
    /// Behind the last good record.
    pub end: u64,
    /// Octets between good records that are no records.
    pub damaged: Vec<Range<u64>>,
    /// A write was cut short behind `end`: nobody was answered for it.
    pub torn: bool,
}

/// Reads the records of a segment in its first `len` octets. Bodies are verified in the last batch only: every
/// earlier one was synced before the next was written, and is verified when it is read.
pub(super) fn scan(file: &File, tag: u64, len: u64) -> Scan {
    let mut out = Scan { end: SEGMENT_HEADER, ..Scan::default() };
    let mut window = Window { file, start: 0, bytes: Vec::with_capacity(WINDOW_LARGE) };
    let mut at = SEGMENT_HEADER;
    while at + HEADER as u64 <= len {
        let header = window.header(at, len).and_then(|b| Header::decode(b, tag)).filter(|h| at + h.length() <= len);
        let Some(header) = header else {
            match next_record(file, tag, at + 8, len) {
                Some(next) => {
                    out.damaged.push(at..next);
                    at = next;
                    continue;
                }
                None => {
                    out.torn = window.header(at, len).is_some_and(|b| b[..8] == tag.to_le_bytes());
                    break;
                }
            }
        };
        let Ok(offset) = u32::try_from(at) else { break };
        out.records.push((offset, header));
        at += header.extent();
        out.end = at;
    }
    check_last_batch(file, &mut out);
    out
}

fn check_last_batch(file: &File, out: &mut Scan) {
    let Some(batch) = out.records.iter().map(|(_, h)| h.batch).max() else { return };
    let first = out.records.iter().position(|(_, h)| h.batch == batch).unwrap_or(0);
    let mut kept = out.records.split_off(first);
    while let Some((offset, header)) = kept.last() {
        if verify(file, *offset, header) {
            break;
        }
        out.torn = true;
        out.end = u64::from(*offset);
        kept.pop();
    }
    out.damaged.retain(|range| range.start < out.end);
    for (offset, header) in kept {
        if verify(file, offset, &header) {
            out.records.push((offset, header));
        } else {
            let start = u64::from(offset);
            out.damaged.push(start..start + header.extent());
        }
    }
    if out.records.is_empty() && out.damaged.is_empty() {
        out.end = SEGMENT_HEADER;
    }
}

/// Checks meta data and body against their sums.
pub(super) fn verify(file: &File, offset: u32, header: &Header) -> bool {
    meta(file, offset, header).is_ok() && sum(file, body_offset(offset, header), header.body_len).is_ok_and(|s| s == header.body_sum)
}

pub(super) fn body_offset(offset: u32, header: &Header) -> u64 {
    u64::from(offset) + HEADER as u64 + u64::from(header.meta_len)
}

/// The header of a record at a known place.
pub(super) fn header(file: &File, tag: u64, offset: u32) -> io::Result<Header> {
    let mut bytes = [0; HEADER];
    file.read_exact_at(&mut bytes, u64::from(offset))?;
    Header::decode(&bytes, tag).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The meta data of a record, verified.
pub(super) fn meta(file: &File, offset: u32, header: &Header) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; header.meta_len as usize];
    file.read_exact_at(&mut bytes, u64::from(offset) + HEADER as u64)?;
    if crc32c::crc32c(&bytes) == header.meta_sum { Ok(bytes) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn sum(file: &File, mut offset: u64, len: u32) -> io::Result<u32> {
    let end = offset + u64::from(len);
    let mut block = vec![0; SEARCH_BLOCK.min(len as usize)];
    let mut sum = 0;
    while offset < end {
        let now = usize::try_from(end - offset).unwrap_or(usize::MAX).min(block.len());
        file.read_exact_at(&mut block[..now], offset)?;
        sum = crc32c::crc32c_append(sum, &block[..now]);
        offset += now as u64;
    }
    Ok(sum)
}

/// The first whole record header at or behind `from`. The tag is random: a mail's body cannot hold a forged one.
fn next_record(file: &File, tag: u64, from: u64, len: u64) -> Option<u64> {
    let tag_bytes = tag.to_le_bytes();
    let mut block = vec![0; SEARCH_BLOCK];
    let mut at = from;
    let _apart = NoReadAhead::of(file);
    while at + HEADER as u64 <= len {
        // What was allocated and never written is passed over.
        let written = written(file, at).unwrap_or(at..len);
        if written.start >= len {
            return None;
        }
        if written.start > at {
            at = written.start & !7;
            continue;
        }
        let want = usize::try_from(written.end.min(len) - at).unwrap_or(usize::MAX).min(block.len());
        let got = match read_some(file, &mut block[..want], at) {
            Ok(0) => return None,
            // An unreadable stretch is stepped over by sectors.
            Err(_) => {
                at = (at + 1).next_multiple_of(4096);
                continue;
            }
            Ok(got) => got,
        };
        for (i, word) in block[..got].chunks_exact(8).enumerate() {
            let found = at + i as u64 * 8;
            if word == tag_bytes && found + HEADER as u64 <= len {
                let mut bytes = [0; HEADER];
                let good = file.read_exact_at(&mut bytes, found).is_ok();
                if good && Header::decode(&bytes, tag).is_some_and(|h| found + h.length() <= len) {
                    return Some(found);
                }
            }
        }
        // Segments end at any length: the last word may be cut.
        at += (got as u64).next_multiple_of(8);
    }
    None
}

/// The next stretch at or behind `from` that was written, when the file system can tell; empty at the end of numbers: there is none.
fn written(file: &File, from: u64) -> Option<Range<u64>> {
    let seek = |from: u64, whence| match lseek(file, i64::try_from(from).ok()?, whence) {
        Ok(at) => u64::try_from(at).ok(),
        Err(Errno::ENXIO) => Some(u64::MAX),
        Err(_) => None,
    };
    let start = seek(from, Whence::SeekData)?;
    let end = if start == u64::MAX { start } else { seek(start, Whence::SeekHole)? };
    Some(start..end)
}

/// While it lives the kernel reads no more of a file than it is asked for. What it has in memory of a stretch that was never written
/// counts as written from then on (`iomap_seek_data`, Linux 6.1): one read would have it read the next part ahead, and so on to the end of
/// the segment.
struct NoReadAhead<'a>(&'a File);

impl<'a> NoReadAhead<'a> {
    fn of(file: &'a File) -> Self {
        // It is only advice: without it the search is slower, and finds the same.
        let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM);
        Self(file)
    }
}

impl Drop for NoReadAhead<'_> {
    fn drop(&mut self) {
        let _ = posix_fadvise(self.0, 0, 0, PosixFadviseAdvice::POSIX_FADV_NORMAL);
    }
}

fn read_some(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

struct Window<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The octets of a header at `at`.
    fn header(&mut self, at: u64, len: u64) -> Option<&[u8]> {
        let inside = |start: u64, n: usize| at >= start && at + HEADER as u64 <= start + n as u64;
        if !inside(self.start, self.bytes.len()) {
            let neighbour = at < self.start + self.bytes.len() as u64 + WINDOW_SMALL as u64;
            let window = if neighbour { WINDOW_LARGE } else { WINDOW_SMALL };
            let want = usize::try_from(len.saturating_sub(at)).unwrap_or(window).min(window);
            self.bytes.resize(want, 0);
            self.start = at;
            let got = read_some(self.file, &mut self.bytes, at).unwrap_or(0);
            self.bytes.truncate(got);
        }
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(from..from + HEADER)
    }
}

/// A cut record's place, when this is one.
pub(super) fn cut_of(header: &Header) -> Option<super::record::Place> {
    (header.kind == Kind::Cut).then_some(header.previous)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What this thread has read so far, in octets.
    fn read_so_far() -> u64 {
        let counters = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        counters.lines().find_map(|l| l.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    /// The node was killed: its segment has the length it was made with, and all of it but the beginning was never written.
    #[test]
    fn what_was_never_written_is_not_read() {
        let file = tempfile::tempfile().unwrap();
        let len = 64 * 1024 * 1024;
        nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, len).unwrap();
        file.write_all_at(&[0; 4096], 0).unwrap();
        let before = read_so_far();
        let scan = scan(&file, 7, len.cast_unsigned());
        assert_eq!((scan.end, scan.records.len()), (SEGMENT_HEADER, 0));
        let read = read_so_far() - before;
        assert!(read < 1024 * 1024, "{read} octets of an empty segment were read");
    }
}
