//! ARJ's method 4: copies and octets, with numbers of growing width and no tables.

use std::io::{self, Read};

/// A copy of fewer octets is not worth its bits.
const SHORTEST: usize = 3;
/// How far a copy goes back at most.
const WINDOW: usize = 16 << 10;

pub struct Fastest<'a> {
    octets: &'a [u8],
    /// In bits.
    at: usize,
    left: u64,
    window: Vec<u8>,
    /// Of the window, what was not given out yet.
    given: usize,
}

impl<'a> Fastest<'a> {
    pub fn new(octets: &'a [u8], left: u64) -> Self {
        Self { octets, at: 0, left, window: Vec::new(), given: 0 }
    }

    fn bits(&mut self, count: usize) -> io::Result<usize> {
        let mut value = 0;
        for _ in 0..count {
            let octet = self.octets.get(self.at / 8).ok_or(io::ErrorKind::UnexpectedEof)?;
            value = value << 1 | usize::from(octet >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Ok(value)
    }

    /// Ones up to a zero say how many bits follow.
    fn number(&mut self, from: usize, to: usize) -> io::Result<usize> {
        let mut base = 0;
        let mut width = from;
        while width < to && self.bits(1)? == 1 {
            base += 1 << width;
            width += 1;
        }
        Ok(base + self.bits(width)?)
    }

    fn step(&mut self) -> io::Result<()> {
        let length = self.number(0, 7)?;
        if length == 0 {
            let octet = self.bits(8)?;
            self.window.push(octet as u8);
            return Ok(());
        }
        let back = self.number(9, 13)? + 1;
        let from = self.window.len().checked_sub(back).ok_or(io::ErrorKind::InvalidData)?;
        for n in 0..length + SHORTEST - 1 {
            self.window.push(self.window[from + n]);
        }
        Ok(())
    }
}

impl Read for Fastest<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || into.is_empty() {
            return Ok(0);
        }
        if self.given == self.window.len() {
            if self.window.len() > 4 * WINDOW {
                self.window.drain(..self.window.len() - WINDOW);
                self.given = self.window.len();
            }
            self.step()?;
        }
        let length = (self.window.len() - self.given).min(into.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        into[..length].copy_from_slice(&self.window[self.given..self.given + length]);
        self.given += length;
        self.left -= length as u64;
        Ok(length)
    }
}
