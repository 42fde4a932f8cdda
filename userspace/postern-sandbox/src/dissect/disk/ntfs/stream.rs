//! A stream of a file: put together from its segments, and unpacked where NTFS packed it (LZNT1, unit by unit).

use std::io::{self, Read};

use super::Ntfs;
use super::record::{Content, Run, Segment};
use crate::dissect::disk::source::Piece;
use crate::dissect::office::vba;

/// Octets of a unit: NTFS packs 64 KiB as one.
const UNIT_MOST: u64 = 1 << 20;

#[derive(Default)]
pub struct Stream {
    pub resident: Option<Vec<u8>>,
    /// Each behind the number of its first cluster in the stream.
    segments: Vec<(u64, Vec<Run>)>,
    pub length: u64,
    written: u64,
    pub unit: u64,
    pub is_encrypted: bool,
}

impl Stream {
    pub fn add(&mut self, segment: Segment) {
        self.length = self.length.max(segment.length);
        self.written = self.written.max(segment.written);
        self.unit = self.unit.max(segment.unit);
        self.is_encrypted |= segment.is_encrypted;
        match segment.content {
            Content::Resident(octets) => self.resident = Some(octets),
            Content::Runs(runs) => {
                self.segments.push((segment.first, runs));
                self.segments.sort_by_key(|(first, _)| *first);
            }
        }
    }

    fn runs(&self) -> impl Iterator<Item = Run> {
        self.segments.iter().flat_map(|(_, runs)| runs.iter().copied())
    }

    /// What was never written is zeros, wherever it lies.
    pub fn pieces(&self, cluster: u64) -> impl Iterator<Item = io::Result<Piece>> {
        let mut left = self.written.min(self.length);
        let written = self.runs().map_while(move |run| {
            let length = run.clusters.saturating_mul(cluster).min(left);
            left -= length;
            (length > 0).then_some(Piece { at: run.place.map(|place| place.saturating_mul(cluster)), length })
        });
        let rest = Piece { at: None, length: self.length.saturating_sub(self.written) };
        written.chain((rest.length > 0).then_some(rest)).map(Ok)
    }

    pub fn packed<'s, 'a>(&'s self, ntfs: &'s Ntfs<'a>) -> Packed<'s, 'a, impl Iterator<Item = Run> + use<'s>> {
        Packed { ntfs, runs: self.runs(), run: None, unit: self.unit, left: self.length, octets: Vec::new(), at: 0 }
    }
}

/// Unit by unit: one that is all there is as it is, one that is a hole is zeros, and one that has fewer clusters than it stands for is packed.
pub struct Packed<'s, 'a, I> {
    ntfs: &'s Ntfs<'a>,
    runs: I,
    run: Option<Run>,
    unit: u64,
    left: u64,
    octets: Vec<u8>,
    at: usize,
}

impl<I: Iterator<Item = Run>> Packed<'_, '_, I> {
    fn next_unit(&mut self) -> io::Result<()> {
        let cluster = self.ntfs.cluster;
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before its length");
        if self.unit * cluster > UNIT_MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is packed in pieces that are too large"));
        }
        let mut packed = Vec::new();
        let (mut seen, mut there) = (0, 0);
        while seen < self.unit {
            let Some(run) = self.run.take().or_else(|| self.runs.next()) else { break };
            let clusters = run.clusters.min(self.unit - seen);
            if clusters == 0 {
                continue;
            }
            if let Some(place) = run.place {
                let length = usize::try_from(clusters * cluster).map_err(io::Error::other)?;
                packed.extend(self.ntfs.volume.octets(place.saturating_mul(cluster), length).ok_or_else(cut)?);
                there += clusters;
            }
            seen += clusters;
            if run.clusters > clusters {
                self.run = Some(Run { place: run.place.map(|place| place.saturating_add(clusters)), clusters: run.clusters - clusters });
            }
        }
        if seen == 0 {
            return Err(cut());
        }
        let length = usize::try_from(self.unit * cluster).map_err(io::Error::other)?;
        self.octets = if there == self.unit { packed } else { vba::chunks_of(&packed, length) };
        // Zeros at the end of a unit are not written.
        self.octets.resize(length, 0);
        self.at = 0;
        Ok(())
    }
}

impl<I: Iterator<Item = Run>> Read for Packed<'_, '_, I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || into.is_empty() {
            return Ok(0);
        }
        if self.at >= self.octets.len() {
            self.next_unit()?;
        }
        let rest = &self.octets[self.at..];
        let length = rest.len().min(into.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        into[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        self.left -= length as u64;
        Ok(length)
    }
}
