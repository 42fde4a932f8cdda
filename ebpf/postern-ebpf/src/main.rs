//! The XDP program: every packet that reaches a guarded interface passes here before the network stack sees it.
//!
//! What it is not: it decides nothing by itself. Parsing, order and rules are `postern-ebpf-abi`'s pure functions; the
//! files here answer their questions from maps, one file per stage. Read `postern_ebpf_abi::judge` first.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod allow;
mod ban;
mod cookie;
mod count;
mod feed;
mod forward;
mod frame;
mod jump;
mod rate;
mod reply;
mod steer;
mod steered;
mod tables;
mod too_big;
mod write;

use aya_ebpf::Global;
use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::handover::jump as jump_number;
use postern_ebpf_abi::judge::{Decision, judge};
use postern_ebpf_abi::packet::{Frame, Packet, parse, plain};
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::address::filter_v4;
use postern_ebpf_abi::steer::decide::NO_PEER;

use crate::frame::{Fragmented, Linear};
use crate::tables::Maps;

/// Bits of `postern_ebpf_abi::config::feature`: stages that are off are cut out by the verifier at load.
#[unsafe(no_mangle)]
pub(crate) static FEATURES: Global<u32> = Global::new(feature::ALL);

#[xdp(frags)]
#[inline(always)]
pub fn guard(ctx: XdpContext) -> u32 {
    let features = FEATURES.load();
    let frame = Linear::of(&ctx);
    let Some(maps) = Maps::open(&ctx) else { return XDP_PASS };
    // Nearly all packets go straight through here: the stages are compiled once for them, and once for all others.
    if let Some(packet) = plain(&frame) {
        let decision = judge(&maps, &maps.front.config, features, &packet);
        if features & (feature::STEER | feature::COOKIES) != 0
            && decision.reason.passes()
            && (features & feature::COOKIES != 0 && packet.opens || features & feature::STEER != 0 && has_role(&frame, &maps))
        {
            steer_on(&ctx, decision.reason);
        }
        return carry_out(frame.linear(), &maps, features, &decision, Some(&packet));
    }
    let mut packet = parse(&frame);
    if let Err(reason) = packet
        && reason.drops()
        && frame.goes_on()
    {
        // Cut only because the rest lies elsewhere.
        packet = parse(&Fragmented(&ctx));
    }
    let decision = match &packet {
        Ok(packet) => judge(&maps, &maps.front.config, features, packet),
        Err(reason) => Decision::of(*reason),
    };
    if features & (feature::STEER | feature::COOKIES) != 0 && decision.reason.passes() && decision.reason != Reason::PassNotIp {
        steer_on(&ctx, decision.reason);
    }
    carry_out(frame.length(), &maps, features, &decision, packet.as_ref().ok())
}

/// Whether the destination of a plain packet may have a role in steering.
#[inline(always)]
fn has_role(frame: &Linear<'_>, maps: &Maps<'_>) -> bool {
    let Some(octets) = frame.read::<4>(30) else { return false };
    let (word, bit) = filter_v4(u32::from_be_bytes(octets));
    (maps.front.destination_bits(word) >> bit) & 1 == 1
}

/// Goes on to steering, which counts the packet by itself. Comes back only where that is missing.
#[inline(always)]
fn steer_on(ctx: &XdpContext, given: Reason) {
    if let Some(handover) = jump::handover() {
        (handover.reason, handover.peer) = (given as u32, NO_PEER);
        jump::to(ctx, jump_number::STEER);
    }
}

#[inline(always)]
pub(crate) fn carry_out(octets: usize, maps: &Maps<'_>, features: u32, decision: &Decision, packet: Option<&Packet>) -> u32 {
    let octets = octets as u32;
    count::count(decision.reason, octets);
    if decision.reason.drops() {
        if features & feature::SAMPLES != 0 {
            count::sample(&maps.front.config, decision, packet, octets);
        }
        return XDP_DROP;
    }
    XDP_PASS
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
