//! Clusters of FAT and exFAT: a table says of each which one goes on from it.

use std::io;

use super::source::{Piece, Volume};

#[derive(Clone, Copy)]
pub struct Clusters<'a> {
    pub volume: Volume<'a>,
    /// Where they begin, the second of them first.
    pub data: u64,
    pub size: u64,
    /// One beyond the last.
    pub end: u64,
}

impl<'a> Clusters<'a> {
    /// From the first on, as far as `after` knows the next one.
    pub fn chain<F: Fn(u64) -> Option<u64>>(self, first: u64, after: F) -> impl Iterator<Item = io::Result<Piece>> + use<'a, F> {
        let mut next = first;
        let mut left = self.end;
        std::iter::from_fn(move || {
            // No chain is longer than the volume: this one bites its tail.
            if !(2..self.end).contains(&next) || left == 0 {
                return None;
            }
            left -= 1;
            let piece = self.place(next).map(|at| Piece { at: Some(at), length: self.size });
            next = after(next).unwrap_or(0);
            piece.map(Ok)
        })
    }

    pub fn place(self, cluster: u64) -> Option<u64> {
        cluster.checked_sub(2).map(|n| self.data + n * self.size)
    }
}
