//! Writing into the packet: directly where it is linear, by a helper elsewhere.

use aya_ebpf::helpers::{bpf_xdp_load_bytes, bpf_xdp_store_bytes};
use aya_ebpf::programs::XdpContext;

/// Farthest octet that is written: an IP header behind two tags, and the transport header behind that.
const FARTHEST: usize = 0x1fff;

/// Writes octets at an offset of the linear part; false where they do not lie in it.
#[inline(always)]
pub fn put<const N: usize>(ctx: &XdpContext, at: usize, octets: &[u8; N]) -> bool {
    if at > FARTHEST {
        return false;
    }
    let to = ctx.data() + at;
    if to + N > ctx.data_end() {
        return false;
    }
    // The verifier has just been shown that these octets lie within the packet.
    unsafe { core::ptr::write_unaligned(to as *mut [u8; N], *octets) };
    true
}

/// The same wherever they lie. For few octets: with their address given to a helper they take room on the stack, and the compiler may
/// join stores there in a way that the verifier does not take.
#[inline(always)]
pub fn put_anywhere<const N: usize>(ctx: &XdpContext, at: usize, octets: &[u8; N]) -> bool {
    put(ctx, at, octets) || unsafe { bpf_xdp_store_bytes(ctx.ctx, at as u32, octets.as_ptr().cast_mut().cast(), N as u32) == 0 }
}

/// Reads octets of the linear part.
#[inline(always)]
pub fn get_linear<const N: usize>(ctx: &XdpContext, at: usize) -> Option<[u8; N]> {
    if at > FARTHEST {
        return None;
    }
    let from = ctx.data() + at;
    if from + N > ctx.data_end() {
        return None;
    }
    Some(unsafe { core::ptr::read_unaligned(from as *const [u8; N]) })
}

/// Reads octets wherever they lie.
#[inline(always)]
pub fn get<const N: usize>(ctx: &XdpContext, at: usize) -> Option<[u8; N]> {
    if let Some(octets) = get_linear(ctx, at) {
        return Some(octets);
    }
    let mut octets = [0u8; N];
    let failed = unsafe { bpf_xdp_load_bytes(ctx.ctx, at as u32, octets.as_mut_ptr().cast(), N as u32) };
    if failed == 0 { Some(octets) } else { None }
}
