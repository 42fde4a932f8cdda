//! The program `too_big`: a sender learns how large a packet through a tunnel may be. (The kernel's own path discovery never sees the
//! packet.)

use aya_ebpf::bindings::xdp_action::XDP_DROP;
use aya_ebpf::helpers::bpf_xdp_adjust_tail;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::packet::Frame;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::answer::{PIECE, QUOTE, TOO_BIG_V4, TOO_BIG_V6, too_big_v4, too_big_v6};
use postern_ebpf_abi::steer::rewrite::words;
use postern_ebpf_abi::steer::seen::read;

use crate::frame::Linear;
use crate::reply::Way;
use crate::write::{get, put};
use crate::{count, forward, jump};

#[xdp(frags)]
#[inline(always)]
pub fn too_big(ctx: XdpContext) -> u32 {
    let octets = Linear::of(&ctx).length() as u32;
    match answer(&ctx) {
        Some(action) => {
            count::count(Reason::AnswerTooBig, octets);
            action
        }
        None => {
            count::count(Reason::DropTooBig, octets);
            XDP_DROP
        }
    }
}

#[inline(always)]
fn answer(ctx: &XdpContext) -> Option<u32> {
    let handover = jump::handover()?;
    let mtu = handover.limit as u16;
    let seen = read(&Linear::of(ctx)).ok()?;
    let way = Way::of(ctx, seen.is_v6, handover.straight_back != 0)?;
    let mut quoted = 0;
    let mut at = 0;
    while at < QUOTE {
        quoted += words(&get::<PIECE>(ctx, seen.ip_at + at)?);
        at += PIECE;
    }
    let length = Linear::of(ctx).length();
    // Only the quote stays behind what is put before it.
    let cut = (seen.ip_at + QUOTE) as i32 - length as i32;
    if cut > 0 || unsafe { bpf_xdp_adjust_tail(ctx.ctx, cut) } != 0 {
        return None;
    }
    let written = if seen.is_v6 {
        let header = too_big_v6(&seen, mtu, quoted);
        forward::move_link(ctx, seen.ip_at, -(TOO_BIG_V6 as i32), 0x86dd) && put(ctx, seen.ip_at, &header)
    } else {
        let header = too_big_v4(&seen, mtu, quoted);
        forward::move_link(ctx, seen.ip_at, -(TOO_BIG_V4 as i32), 0x0800) && put(ctx, seen.ip_at, &header)
    };
    if written { Some(way.send(ctx)) } else { None }
}
