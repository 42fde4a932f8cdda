//! Carrying out what steering decided: marks, MAC addresses, tunnels.

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::helpers::{bpf_redirect, bpf_xdp_adjust_head};
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::steer::decide::{Arrival, Verdict};
use postern_ebpf_abi::steer::mark::marked;
use postern_ebpf_abi::steer::rewrite::{self, Outer};
use postern_ebpf_abi::steer::ring::{OUTER_V4, OUTER_V6, Peer, peer};
use postern_ebpf_abi::steer::seen::Seen;

use crate::write::{get, get_linear, put, put_anywhere};

/// Ethernet header with up to two tags, and where it ends.
const LONGEST_LINK: usize = 22;

/// Writes another traffic class and takes `less` from the TTL.
#[inline(always)]
fn change(ctx: &XdpContext, seen: &Seen, class: u8, less: u8) -> bool {
    if seen.is_v6 {
        let Some(mut header) = get::<8>(ctx, seen.ip_at) else { return false };
        rewrite::v6(&mut header, class, less);
        put_anywhere(ctx, seen.ip_at, &header)
    } else {
        let Some(mut header) = get::<12>(ctx, seen.ip_at) else { return false };
        rewrite::v4(&mut header, class, less);
        put_anywhere(ctx, seen.ip_at, &header)
    }
}

/// Takes the mark off a packet for the network stack.
#[inline(always)]
pub fn take_mark_off(ctx: &XdpContext, seen: &Seen) {
    change(ctx, seen, marked(seen.class, 0), 0);
}

/// Sends a packet to a peer; `None` where the driver leaves no room for a tunnel's header.
#[inline(always)]
pub fn send(ctx: &XdpContext, seen: &Seen, verdict: &Verdict, arrival: &Arrival, to: &Peer) -> Option<u32> {
    let tunnelled = to.is(peer::TUNNEL);
    // In a tunnel the mark is outside; that of the way here goes off.
    let class = match (tunnelled, verdict.sender, arrival) {
        (false, ..) => marked(seen.class, verdict.hop),
        (true, postern_ebpf_abi::steer::decide::NO_PEER, _) | (true, _, Arrival::Tunnel { .. }) => seen.class,
        _ => marked(seen.class, 0),
    };
    if !change(ctx, seen, class, 1) {
        return Some(XDP_DROP);
    }
    if tunnelled && !wrap(ctx, seen, verdict.hop, to) {
        return None;
    }
    let macs = get_linear::<12>(ctx, 0)?;
    let own = if to.own_mac == [0; 6] { [macs[0], macs[1], macs[2], macs[3], macs[4], macs[5]] } else { to.own_mac };
    put(ctx, 0, &to.mac);
    put(ctx, 6, &own);
    Some(leave(ctx, to.interface, arrival))
}

/// Out by that interface; 0: by the one it came by.
#[inline(always)]
pub fn leave(_ctx: &XdpContext, interface: u32, arrival: &Arrival) -> u32 {
    if interface == 0 || interface == arrival.interface() { XDP_TX } else { unsafe { bpf_redirect(interface, 0) as u32 } }
}

/// Puts an outer header between the Ethernet header and the packet.
#[inline(always)]
fn wrap(ctx: &XdpContext, seen: &Seen, hop: u8, to: &Peer) -> bool {
    let outer = Outer { from: to.own, to: to.address, hop, length: seen.length, inner_is_v6: seen.is_v6 };
    if to.address.is_v4() {
        move_link(ctx, seen.ip_at, -(OUTER_V4 as i32), 0x0800) && put(ctx, seen.ip_at, &outer.v4())
    } else {
        move_link(ctx, seen.ip_at, -(OUTER_V6 as i32), 0x86dd) && put(ctx, seen.ip_at, &outer.v6())
    }
}

/// Takes the outer header off.
#[inline(always)]
pub fn unwrap(ctx: &XdpContext, seen: &Seen, inner_is_v6: bool) -> bool {
    let kind = if inner_is_v6 { 0x86dd } else { 0x0800 };
    if seen.is_v6 { move_link(ctx, seen.ip_at, OUTER_V6 as i32, kind) } else { move_link(ctx, seen.ip_at, OUTER_V4 as i32, kind) }
}

/// Moves the Ethernet header and its tags by `by` octets, with another type at their end.
#[inline(always)]
pub fn move_link(ctx: &XdpContext, link: usize, by: i32, kind: u16) -> bool {
    let Some(mut octets) = get_linear::<LONGEST_LINK>(ctx, 0) else { return false };
    let [high, low] = kind.to_be_bytes();
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, by) } != 0 {
        return false;
    }
    match link {
        14 => {
            (octets[12], octets[13]) = (high, low);
            put::<14>(ctx, 0, octets.first_chunk().unwrap_or(&[0; 14]))
        }
        18 => {
            (octets[16], octets[17]) = (high, low);
            put::<18>(ctx, 0, octets.first_chunk().unwrap_or(&[0; 18]))
        }
        _ => {
            (octets[20], octets[21]) = (high, low);
            put(ctx, 0, &octets)
        }
    }
}

/// Passes a packet to the network stack.
#[inline(always)]
pub fn pass(ctx: &XdpContext, seen: &Seen, verdict: &Verdict, arrival: &Arrival) -> u32 {
    if verdict.takes_mark_off(arrival) {
        take_mark_off(ctx, seen);
    }
    XDP_PASS
}
