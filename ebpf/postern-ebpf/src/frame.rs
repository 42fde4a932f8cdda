//! Reading the packet: directly where it is linear, by a helper where the driver left it in fragments.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::packet::Frame;

/// Farthest octet that is read; six extension headers of 2 KiB end before it. The verifier needs a bound.
const FARTHEST: usize = 0x7fff;

/// The linear part of the packet: where headers are in practice always.
pub struct Linear<'a> {
    ctx: &'a XdpContext,
    start: usize,
    end: usize,
}

impl<'a> Linear<'a> {
    #[inline(always)]
    pub fn of(ctx: &'a XdpContext) -> Self {
        Self { ctx, start: ctx.data(), end: ctx.data_end() }
    }

    /// Whether the frame goes on beyond its linear part.
    #[inline(always)]
    pub fn goes_on(&self) -> bool {
        self.length() > self.linear()
    }
}

impl Frame for Linear<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at > FARTHEST {
            return None;
        }
        let from = self.start + at;
        if from + N > self.end {
            return None;
        }
        // The verifier has just been shown that these octets lie within the packet.
        Some(unsafe { core::ptr::read_unaligned(from as *const [u8; N]) })
    }

    #[inline(always)]
    fn start(&self) -> Option<[u16; 24]> {
        if self.start + 48 > self.end {
            return None;
        }
        // As pairs and not as octets: the compiler would fetch an address octet by octet.
        Some(unsafe { core::ptr::read_unaligned(self.start as *const [u16; 24]) })
    }

    #[inline(always)]
    fn linear(&self) -> usize {
        self.end - self.start
    }

    #[inline(always)]
    fn holds(&self, octets: usize) -> bool {
        octets <= self.linear() || octets <= self.length()
    }

    #[inline(always)]
    fn length(&self) -> usize {
        unsafe { bpf_xdp_get_buff_len(self.ctx.ctx) as usize }
    }
}

/// The whole packet, read by a helper: for headers beyond the linear part (a receiver that splits headers off, generic mode after
/// GRO).
pub struct Fragmented<'a>(pub &'a XdpContext);

impl Frame for Fragmented<'_> {
    #[inline(always)]
    fn read<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at > FARTHEST {
            return None;
        }
        let mut octets = [0u8; N];
        let failed = unsafe { bpf_xdp_load_bytes(self.0.as_ptr().cast(), at as u32, octets.as_mut_ptr().cast(), N as u32) };
        if failed == 0 { Some(octets) } else { None }
    }

    /// Never asked: what does not lie in the linear part is no plain packet.
    #[inline(always)]
    fn start(&self) -> Option<[u16; 24]> {
        None
    }

    #[inline(always)]
    fn linear(&self) -> usize {
        0
    }

    #[inline(always)]
    fn holds(&self, octets: usize) -> bool {
        octets <= self.length()
    }

    #[inline(always)]
    fn length(&self) -> usize {
        unsafe { bpf_xdp_get_buff_len(self.0.ctx) as usize }
    }
}
