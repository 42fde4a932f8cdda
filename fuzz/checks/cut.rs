//! A frame of which the driver gave the first part alone.

use postern_ebpf_abi::packet::Frame;

pub struct Cut<'a> {
    pub frame: &'a [u8],
    pub linear: usize,
}

impl Frame for Cut<'_> {
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.frame[..self.linear].get(at..)?.first_chunk().copied()
    }
    fn start(&self) -> Option<[u16; 24]> {
        self.frame[..self.linear].start()
    }
    fn linear(&self) -> usize {
        self.linear
    }
    fn holds(&self, octets: usize) -> bool {
        octets <= self.frame.len()
    }
    fn length(&self) -> usize {
        self.frame.len()
    }
}
