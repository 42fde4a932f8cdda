//! Reading the packet: directly where it is linear, by a helper where the driver left it in fragments.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::packet::Frame;

/// Farthest octet that is read; six extension headers of 2 KiB end before it. The verifier needs a bound.
const FARTHEST: usize = 0x7fff;

pub struct Octets<'a> {
    ctx: &'a XdpContext,
    start: usize,
    end: usize,
}

impl<'a> Octets<'a> {
    #[inline(always)]
    pub fn of(ctx: &'a XdpContext) -> Self {
        Self { ctx, start: ctx.data(), end: ctx.data_end() }
    }

    /// Octets of the whole frame, fragments included.
    #[inline(always)]
    pub fn octets(&self) -> u32 {
        unsafe { bpf_xdp_get_buff_len(self.ctx.ctx) as u32 }
    }

    /// Headers beyond the linear part: rare (a receiver that splits headers off, generic mode after GRO).
    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut octets = [0u8; N];
        let failed = unsafe { bpf_xdp_load_bytes(self.ctx.as_ptr().cast(), at as u32, octets.as_mut_ptr().cast(), N as u32) };
        if failed == 0 { Some(octets) } else { None }
    }
}

impl Frame for Octets<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at > FARTHEST {
            return None;
        }
        let from = self.start + at;
        if from + N > self.end {
            return self.load(at);
        }
        // The verifier has just been shown that these octets lie within the packet.
        Some(unsafe { core::ptr::read_unaligned(from as *const [u8; N]) })
    }

    #[inline(always)]
    fn holds(&self, octets: usize) -> bool {
        octets <= self.end - self.start || octets <= self.octets() as usize
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.octets() as usize
    }
}
