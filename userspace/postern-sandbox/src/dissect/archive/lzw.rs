//! What `compress` makes (`.Z`): LZW with codes of 9 to 16 bits, in groups of eight.

use std::io::{self, Read};

pub const MARK: &[u8] = b"\x1f\x9d";
const WIDTHS: std::ops::RangeInclusive<u32> = 9..=16;
/// Begins anew, where the head says that there is such a code.
const CLEAR: u16 = 256;
const BLOCKS: u8 = 0x80;
const NONE: u16 = u16::MAX;

pub struct Lzw<'a> {
    octets: &'a [u8],
    /// Where the group of eight codes begins, and bits read of it.
    group: usize,
    bits: usize,
    width: u32,
    widest: u32,
    has_blocks: bool,
    /// Of each text by its code: the one that it goes on from, and its last octet.
    before: Vec<u16>,
    last: Vec<u8>,
    previous: Option<u16>,
    first: u8,
    /// What is to be given out, the last octet in front.
    ready: Vec<u8>,
}

impl<'a> Lzw<'a> {
    pub fn new(content: &'a [u8]) -> Option<Self> {
        let (flags, octets) = content.strip_prefix(MARK)?.split_first()?;
        let widest = u32::from(flags & 0x1f);
        let mut new = Self {
            octets,
            group: 0,
            bits: 0,
            width: *WIDTHS.start(),
            widest,
            has_blocks: flags & BLOCKS != 0,
            before: Vec::new(),
            last: Vec::new(),
            previous: None,
            first: 0,
            ready: Vec::new(),
        };
        new.clear();
        WIDTHS.contains(&widest).then_some(new)
    }

    fn clear(&mut self) {
        let count = if self.has_blocks { 257 } else { 256 };
        self.before = vec![NONE; count];
        self.last = (0..count).map(|n| n as u8).collect();
        self.previous = None;
    }

    /// The next group begins behind the whole of this one, filled or not.
    fn next_group(&mut self) {
        self.group += (self.bits.div_ceil(8 * self.width as usize)) * self.width as usize;
        self.bits = 0;
    }

    fn code(&mut self) -> Option<u16> {
        if self.before.len() >= 1 << self.width && self.width < self.widest {
            self.next_group();
            self.width += 1;
        }
        let at = self.group + self.bits / 8;
        let octet = |n: usize| self.octets.get(at + n).map_or(0, |b| u32::from(*b));
        // Bits beyond the end are no code.
        if (at * 8 + self.bits % 8 + self.width as usize) > self.octets.len() * 8 {
            return None;
        }
        let three = octet(0) | octet(1) << 8 | octet(2) << 16;
        self.bits += self.width as usize;
        Some((three >> ((self.bits - self.width as usize) % 8) & ((1 << self.width) - 1)) as u16)
    }

    /// The text of the next code into what is ready; `false` at the end.
    fn step(&mut self) -> io::Result<bool> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a code that is not known yet");
        let Some(code) = self.code() else { return Ok(false) };
        if code == CLEAR && self.has_blocks {
            self.next_group();
            self.width = *WIDTHS.start();
            self.clear();
            return Ok(true);
        }
        let known = self.before.len();
        let mut next = code;
        match self.previous {
            None if code > 255 => return Err(damaged()),
            Some(_) if usize::from(code) > known => return Err(damaged()),
            // The text that this code is about to stand for: the one before with its own first octet.
            Some(previous) if usize::from(code) == known => {
                self.ready.push(self.first);
                next = previous;
            }
            _ => {}
        }
        while next != NONE {
            let at = usize::from(next);
            self.first = self.last[at];
            self.ready.push(self.first);
            next = self.before[at];
        }
        if let Some(previous) = self.previous
            && known < 1 << self.widest
        {
            self.before.push(previous);
            self.last.push(self.first);
        }
        self.previous = Some(code);
        Ok(true)
    }
}

impl Read for Lzw<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() && !into.is_empty() {
            if !self.step()? {
                return Ok(0);
            }
        }
        let length = self.ready.len().min(into.len());
        let begin = self.ready.len() - length;
        for (to, from) in into.iter_mut().zip(self.ready.drain(begin..).rev()) {
            *to = from;
        }
        Ok(length)
    }
}
