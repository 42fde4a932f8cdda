//! Records of PowerPoint's stream (MS-PPT 2.3.1): a head of eight octets, and data, which may be records again.

use std::ops::Range;

use crate::dissect::octets::number;

pub const HEAD: usize = 8;
const CONTAINER: u64 = 0xf;
const RECORDS: usize = 1_000_000;

pub struct Record {
    version: u64,
    pub instance: u64,
    pub kind: u64,
    /// Where its data is, as far as it is there.
    pub data: Range<usize>,
}

impl Record {
    pub fn at(stream: &[u8], at: usize) -> Option<Self> {
        let n = |skip, width| number(stream, at as u64 + skip, width);
        let (first, kind, length) = (n(0, 2)?, n(2, 2)?, n(4, 4)?);
        let begin = at.checked_add(HEAD)?;
        let end = begin.saturating_add(usize::try_from(length).ok()?).min(stream.len());
        Some(Self { version: first & 0xf, instance: first >> 4, kind, data: begin..end })
    }

    /// In order, those in containers behind their container.
    pub fn all(stream: &[u8]) -> impl Iterator<Item = Self> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let record = Self::at(stream, at)?;
            at = if record.version == CONTAINER { record.data.start } else { record.data.end };
            Some(record)
        })
        .take(RECORDS)
    }
}
