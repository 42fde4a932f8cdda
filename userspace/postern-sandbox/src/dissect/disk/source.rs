//! A disk as its image keeps it: as one piece, or in blocks of which only those are there that were written. What was not is zeros.

use std::io::{self, Read};

use crate::dissect::octets::number;

/// The disk within an image.
pub struct Disk<'a> {
    image: &'a [u8],
    layout: Layout<'a>,
    pub length: u64,
    /// Octets of a sector, by which partition tables count.
    pub sector: u64,
}

/// Where blocks of the disk are in the image.
pub enum Layout<'a> {
    Whole,
    /// A table of sectors; before each block is a map of its sectors (VHD 1.0, "Block Allocation Table and Data Blocks").
    Vhd {
        table: &'a [u8],
        block: u64,
        map: u64,
    },
    /// A table of places and states, with an entry for a map behind so many others (MS-VHDX 2.5).
    Vhdx {
        table: &'a [u8],
        block: u64,
        between: u64,
    },
}

impl<'a> Disk<'a> {
    pub fn new(image: &'a [u8], layout: Layout<'a>, length: u64, sector: u64) -> Self {
        Self { image, layout, length, sector }
    }

    pub fn whole(image: &'a [u8]) -> Self {
        Self::new(image, Layout::Whole, image.len() as u64, 512)
    }

    /// As many octets as lie there in one piece, and whether they are a hole. Never none within the disk.
    fn piece(&self, at: u64, most: u64) -> io::Result<(Option<&'a [u8]>, u64)> {
        let most = most.min(self.length.saturating_sub(at));
        let (place, most) = match &self.layout {
            Layout::Whole => (Some(at), most),
            Layout::Vhd { table, block, map } => {
                let entry = number(table, at / block * 4, 4).map(|n| n.swap_bytes() >> 32).filter(|n| *n != u64::from(u32::MAX));
                (entry.map(|sector| sector * 512 + map + at % block), most.min(block - at % block))
            }
            Layout::Vhdx { table, block, between } => {
                let n = at / block;
                // Whole or in part there; all other states are zeros.
                let entry = number(table, (n + n / between) * 8, 8).filter(|entry| matches!(entry & 7, 6 | 7));
                (entry.map(|entry| (entry >> 20 << 20).saturating_add(at % block)), most.min(block - at % block))
            }
        };
        let Some(place) = place else { return Ok((None, most)) };
        let rest = usize::try_from(place).ok().and_then(|place| self.image.get(place..)).unwrap_or_default();
        let piece = &rest[..usize::try_from(most).unwrap_or(usize::MAX).min(rest.len())];
        if piece.is_empty() && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the image ends before its disk does"));
        }
        Ok((Some(piece), piece.len() as u64))
    }
}

/// A part of a disk with a file system in it.
#[derive(Clone, Copy)]
pub struct Volume<'a> {
    pub disk: &'a Disk<'a>,
    pub start: u64,
    pub length: u64,
}

impl<'a> Volume<'a> {
    /// So many octets from there; `None` when they are not all there.
    pub fn octets(&self, at: u64, length: usize) -> Option<Vec<u8>> {
        let mut content = Vec::with_capacity(length);
        let pieces = std::iter::once(Ok(Piece { at: Some(at), length: length as u64 }));
        Pieces::new(*self, pieces, length as u64).read_to_end(&mut content).ok()?;
        (content.len() == length).then_some(content)
    }

    /// A number of up to eight octets, little end first.
    pub fn number(&self, at: u64, width: usize) -> Option<u64> {
        let (piece, length) = self.disk.piece(self.start.checked_add(at)?, width as u64).ok()?;
        match piece {
            None if length == width as u64 => Some(0),
            Some(piece) if piece.len() == width => number(piece, 0, width),
            // Across the end of a block.
            _ => number(&self.octets(at, width)?, 0, width),
        }
    }
}

/// Octets of a file that lie together on the volume; without a place they are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub at: Option<u64>,
    pub length: u64,
}

/// A file on a volume. Its pieces are asked for while it is read: what a file system promises beyond that costs nothing.
pub struct Pieces<'a, I> {
    volume: Volume<'a>,
    pieces: I,
    piece: Piece,
    /// Octets; `None` as long as there are pieces.
    left: Option<u64>,
}

impl<'a, I: Iterator<Item = io::Result<Piece>>> Pieces<'a, I> {
    pub fn new(volume: Volume<'a>, pieces: I, length: u64) -> Self {
        Self { volume, pieces, piece: Piece { at: None, length: 0 }, left: Some(length) }
    }

    /// A file that ends where its pieces do.
    pub fn all(volume: Volume<'a>, pieces: I) -> Self {
        Self { volume, pieces, piece: Piece { at: None, length: 0 }, left: None }
    }
}

impl<I: Iterator<Item = io::Result<Piece>>> Read for Pieces<'_, I> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == Some(0) || into.is_empty() {
            return Ok(0);
        }
        while self.piece.length == 0 {
            match self.pieces.next() {
                Some(next) => self.piece = next?,
                None if self.left.is_none() => return Ok(0),
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file ends before its length")),
            }
        }
        let most = self.left.unwrap_or(u64::MAX).min(self.piece.length).min(into.len() as u64);
        let (piece, length) = match self.piece.at {
            None => (None, most),
            Some(at) => {
                let most = most.min(self.volume.length.saturating_sub(at));
                let (piece, length) = self.volume.disk.piece(self.volume.start.saturating_add(at), most)?;
                if length == 0 {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file leads out of its volume"));
                }
                self.piece.at = Some(at + length);
                (piece, length)
            }
        };
        self.piece.length -= length;
        self.left = self.left.map(|left| left - length);
        let length = usize::try_from(length).map_err(io::Error::other)?;
        match piece {
            Some(piece) => into[..length].copy_from_slice(piece),
            None => into[..length].fill(0),
        }
        Ok(length)
    }
}
