//! The program `cookie`: a SYN of a flood is answered by a SYN cookie before it costs a socket buffer. The kernel makes the cookie and
//! takes the handshake up at the ACK.

use core::arch::asm;

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::helpers::{bpf_sk_release, bpf_tcp_gen_syncookie, bpf_xdp_adjust_tail, bpf_xdp_load_bytes};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::packet::Frame;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::answer::{Cookie, SYN_ACK, syn_ack_v4, syn_ack_v6};
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::seen::{Kind, Seen, read};

use crate::frame::Linear;
use crate::reply::Way;
use crate::write::{get, put};
use crate::{count, forward, jump, steer};

#[xdp(frags)]
#[inline(always)]
pub fn cookie(ctx: XdpContext) -> u32 {
    let octets = Linear::of(&ctx).length() as u32;
    let Some(handover) = jump::handover() else { return XDP_PASS };
    let Ok(seen) = read(&Linear::of(&ctx)) else {
        count::count(Reason::handed(handover.reason), octets);
        return XDP_PASS;
    };
    if let Some(action) = answer(&ctx, &seen, handover.straight_back != 0) {
        count::count(Reason::AnswerCookie, octets);
        return action;
    }
    // No listener, or the kernel's queue still has room: it answers by itself.
    count::count(Reason::handed(handover.reason), octets);
    if handover.mark_off != 0 {
        forward::take_mark_off(&ctx, &seen);
    }
    XDP_PASS
}

#[inline(always)]
fn answer(ctx: &XdpContext, seen: &Seen, straight_back: bool) -> Option<u32> {
    let plain = if seen.is_v6 { 40 } else { 20 };
    if seen.kind != Kind::Open || seen.headers != plain {
        return None;
    }
    let way = Way::of(ctx, seen.is_v6, straight_back)?;
    let at = seen.ip_at + seen.headers;
    let start = get::<20>(ctx, at)?;
    let cookie = Cookie {
        sequence: u32::from_be_bytes([start[4], start[5], start[6], start[7]]),
        ..made(ctx, seen, at, (start[12] >> 4) as u32 * 4)?
    };
    let length = Linear::of(ctx).length();
    if unsafe { bpf_xdp_adjust_tail(ctx.ctx, (at + SYN_ACK) as i32 - length as i32) } != 0 {
        return None;
    }
    let written =
        if seen.is_v6 { put(ctx, seen.ip_at, &syn_ack_v6(seen, &cookie)) } else { put(ctx, seen.ip_at, &syn_ack_v4(seen, &cookie)) };
    if written { Some(way.send(ctx)) } else { None }
}

/// Longest TCP header.
const LONGEST: usize = 60;

/// The same number, about which the compiler knows nothing: it would join two comparisons into one of a difference, and the verifier would
/// not see that they bound the number itself.
#[inline(always)]
fn hidden(mut number: u64) -> u64 {
    unsafe { asm!("{0} = {0}", inout(reg) number, options(pure, nomem, nostack)) };
    number
}

/// The kernel's cookie for a SYN, of the listener that it is for. It also notes that the listener is flooded: without that note it would
/// believe no cookie. Where its queue is not full it gives none (unless `net.ipv4.tcp_syncookies` is 2).
#[inline(always)]
fn made(ctx: &XdpContext, seen: &Seen, at: usize, octets: u32) -> Option<Cookie> {
    let mut segment = [0u8; LONGEST];
    let octets = hidden(octets as u64);
    if octets < 20 {
        return None;
    }
    let octets = hidden(octets);
    if octets > LONGEST as u64 {
        return None;
    }
    let octets = octets as u32;
    if unsafe { bpf_xdp_load_bytes(ctx.ctx, at as u32, segment.as_mut_ptr().cast(), octets) } != 0 {
        return None;
    }
    let connection = Connection { address: seen.destination, client: seen.client, port: seen.port, client_port: seen.client_port, zero: 0 };
    let given = if seen.is_v6 {
        let mut ip = get::<40>(ctx, seen.ip_at)?;
        let listener = steer::listener(ctx, &connection)?;
        let given = unsafe { bpf_tcp_gen_syncookie(listener.cast(), ip.as_mut_ptr().cast(), 40, segment.as_mut_ptr().cast(), octets) };
        unsafe { bpf_sk_release(listener.cast()) };
        given
    } else {
        let mut ip = get::<20>(ctx, seen.ip_at)?;
        let listener = steer::listener(ctx, &connection)?;
        let given = unsafe { bpf_tcp_gen_syncookie(listener.cast(), ip.as_mut_ptr().cast(), 20, segment.as_mut_ptr().cast(), octets) };
        unsafe { bpf_sk_release(listener.cast()) };
        given
    };
    if given < 0 { None } else { Some(Cookie { cookie: given as u32, sequence: 0, mss: (given >> 32) as u16 }) }
}
