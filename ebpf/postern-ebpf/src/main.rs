//! The XDP program: every packet that reaches a guarded interface passes here before the network stack sees it.
//!
//! What it is not: it decides nothing by itself. Parsing, order and rules are `postern-ebpf-abi`'s pure functions; the
//! files here answer their questions from maps, one file per stage. Read `postern_ebpf_abi::judge` first.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod allow;
mod ban;
mod count;
mod feed;
mod frame;
mod rate;
mod tables;

use aya_ebpf::Global;
use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::judge::{Decision, judge};
use postern_ebpf_abi::packet::{Frame, Packet, parse, plain};

use crate::frame::{Fragmented, Linear};
use crate::tables::Maps;

/// Bits of `postern_ebpf_abi::config::feature`: stages that are off are cut out by the verifier at load.
#[unsafe(no_mangle)]
static FEATURES: Global<u32> = Global::new(feature::ALL);

#[xdp(frags)]
#[inline(always)]
pub fn guard(ctx: XdpContext) -> u32 {
    let features = FEATURES.load();
    let frame = Linear::of(&ctx);
    let Some(maps) = Maps::open() else { return XDP_PASS };
    // Nearly all packets go straight through here: the stages are compiled once for them, and once for all others.
    if let Some(packet) = plain(&frame) {
        let decision = judge(&maps, &maps.front.config, features, &packet);
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
    carry_out(frame.length(), &maps, features, &decision, packet.as_ref().ok())
}

#[inline(always)]
fn carry_out(octets: usize, maps: &Maps, features: u32, decision: &Decision, packet: Option<&Packet>) -> u32 {
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
