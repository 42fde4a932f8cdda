//! The programs `steer` and `inner`: a packet that the stages have let pass is kept, forwarded, or taken out of its tunnel.

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::address::Source;
use postern_ebpf_abi::config::{feature, ports};
use postern_ebpf_abi::handover::jump;
use postern_ebpf_abi::judge::{Decision, judge};
use postern_ebpf_abi::packet::{Frame, Packet, parse};
use postern_ebpf_abi::rate::bucket;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::steer::address::Address;
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::decide::{Arrival, Memory, NO_PEER, Verdict, decide};
use postern_ebpf_abi::steer::seen::{Kind, Seen, read};
use postern_ebpf_abi::steer::tunnel::delivered;

use crate::frame::{Fragmented, Linear};
use crate::steer::Steering;
use crate::tables::Maps;
use crate::{FEATURES, carry_out, count, forward, jump as go_on, rate, steer};

/// Reads a packet that the stages have let pass.
#[xdp(frags)]
#[inline(always)]
pub fn steer(ctx: XdpContext) -> u32 {
    let frame = Linear::of(&ctx);
    let read = read(&frame);
    if matches!(read, Err(_) | Ok(Seen { kind: Kind::BadQuote, .. })) && frame.goes_on() {
        // Cut only because the rest lies elsewhere.
        go_on::to(&ctx, jump::SCATTERED);
    }
    steer_on(&ctx, read.as_ref().ok())
}

/// Writes down what was read and goes on in the program that steers: for the verifier it begins anew there, and has not to follow every way of
/// reading through every way of steering.
#[inline(always)]
fn steer_on(ctx: &XdpContext, read: Option<&Seen>) -> u32 {
    if let (Some(read), Some(seen)) = (read, go_on::seen()) {
        *seen = *read;
        go_on::to(ctx, jump::STEER_READ);
    }
    // The stages before have read the packet; what cannot be read here is nothing to steer.
    count::count(go_on::handover().map_or(Reason::Pass, |h| Reason::handed(h.reason)), Linear::of(ctx).length() as u32);
    XDP_PASS
}

/// Reads a packet whose headers lie beyond the linear part.
#[xdp(frags)]
#[inline(always)]
pub fn scattered(ctx: XdpContext) -> u32 {
    steer_on(&ctx, read(&Fragmented(&ctx)).as_ref().ok())
}

/// Steers a packet that `steer` or `scattered` has read.
#[xdp(frags)]
#[inline(always)]
pub fn steer_read(ctx: XdpContext) -> u32 {
    match go_on::seen() {
        Some(seen) => go(&ctx, seen),
        None => XDP_PASS,
    }
}

/// A packet out of a tunnel: judged by all stages but the rates, which counted it at the node where it came in.
#[xdp(frags)]
#[inline(always)]
pub fn inner(ctx: XdpContext) -> u32 {
    let features = FEATURES.load() & !feature::RATES;
    let Some(maps) = Maps::open(&ctx) else { return XDP_PASS };
    let frame = Linear::of(&ctx);
    // Every part of both is written on every way: the compiler keeps the unused half of a `Result` in a register that it never set, and
    // the verifier refuses that.
    let mut reason = Reason::Pass;
    let mut packet = Packet { source: Source::V4(0), port: 0, opens: false, class: 0 };
    match parse(&frame) {
        Ok(read) => packet = read,
        Err(why) => reason = why,
    }
    if reason.drops() && frame.goes_on() {
        match parse(&Fragmented(&ctx)) {
            Ok(read) => (packet, reason) = (read, Reason::Pass),
            Err(why) => reason = why,
        }
    }
    let mut decision = Decision::of(reason);
    if reason == Reason::Pass {
        decision = judge(&maps, &maps.front.config, features, &packet);
    }
    if decision.reason.passes()
        && let Some(handover) = go_on::handover()
    {
        // Whose tunnel it was stands there already.
        handover.reason = decision.reason as u32;
        go_on::to(&ctx, jump::STEER);
    }
    carry_out(frame.length(), &maps, features, &decision, Some(&packet))
}

/// `seen` lies in a map, not on the stack, which is too small for it and all that follows.
#[inline(always)]
fn go(ctx: &XdpContext, seen: &'static Seen) -> u32 {
    let Some(handover) = go_on::handover() else { return XDP_PASS };
    let given = Reason::handed(handover.reason);
    let (peer, hop) = (handover.peer, handover.hop as u8);
    let (Some(maps), Some(mut arrival)) = (Maps::open(ctx), steer::arrival(ctx)) else { return XDP_PASS };
    if peer != NO_PEER
        && let Arrival::Frame { destination, interface, .. } = arrival
    {
        arrival = Arrival::Tunnel { peer, hop, destination, interface };
    }
    let (maps, arrival) = (&maps, &arrival);
    let features = FEATURES.load();
    let octets = Linear::of(ctx).length();
    let mut verdict = Verdict::of(given);
    let ring = steer::ring();
    if features & feature::STEER != 0 {
        let tables = Steering { ctx, maps, ring };
        if let Some(delivery) = delivered(&tables, seen) {
            let reason = match (delivery, arrival) {
                // A tunnel in a tunnel: no peer makes it.
                (_, Arrival::Tunnel { .. }) => Reason::DropTunnelInner,
                (Err(reason), _) => reason,
                (Ok(delivery), _) => {
                    let Some(handover) = go_on::handover() else { return XDP_DROP };
                    (handover.peer, handover.hop) = (delivery.peer, delivery.hop as u32);
                    if forward::unwrap(ctx, seen, seen.kind == Kind::TunnelV6) {
                        count::count(Reason::NoteTunnel, octets as u32);
                        steer::count_received(delivery.peer, octets);
                        go_on::to(ctx, jump::INNER);
                    }
                    Reason::DropTunnelMalformed
                }
            };
            return drop_it(octets, maps, features, reason, seen);
        }
        verdict = decide(&tables, arrival, seen, given);
        if verdict.forged {
            count::count(Reason::NoteForgedMark, octets as u32);
        }
        if verdict.sender != NO_PEER && matches!(arrival, Arrival::Frame { .. }) {
            steer::count_received(verdict.sender, octets);
        }
    }
    if verdict.reason.passes() {
        return keep_here(ctx, maps, features, octets, seen, &verdict, arrival);
    }
    let (true, Some(ring)) = (verdict.peer != NO_PEER, ring) else {
        return drop_it(octets, maps, features, verdict.reason, seen);
    };
    let peer = ring.peer(verdict.peer);
    if verdict.reason == Reason::AnswerTooBig {
        if let Some(handover) = go_on::handover()
            && rate::take_of(bucket::TOO_BIG, maps.front.config.too_big_per_second)
        {
            handover.limit = peer.inner_mtu() as u32;
            handover.straight_back = (verdict.sender == NO_PEER) as u32;
            go_on::to(ctx, jump::TOO_BIG);
        }
        return drop_it(octets, maps, features, Reason::DropTooBig, seen);
    }
    if !verdict.reason.forwards() {
        return drop_it(octets, maps, features, verdict.reason, seen);
    }
    if verdict.memory != Memory::Leave {
        let connection =
            Connection { address: seen.destination, client: seen.client, port: seen.port, client_port: seen.client_port, zero: 0 };
        if verdict.memory == Memory::Keep {
            steer::keep(&connection, verdict.peer);
        } else {
            steer::forget(&connection);
        }
    }
    let Some(action) = forward::send(ctx, seen, &verdict, arrival, peer) else {
        return drop_it(octets, maps, features, Reason::DropNoRoom, seen);
    };
    count::count(verdict.reason, octets as u32);
    steer::count_sent(verdict.peer, octets);
    action
}

/// What stays goes to the network stack, or is answered by a SYN cookie.
#[inline(always)]
fn keep_here(ctx: &XdpContext, maps: &Maps<'_>, features: u32, octets: usize, seen: &Seen, verdict: &Verdict, arrival: &Arrival) -> u32 {
    if features & feature::COOKIES != 0 && seen.kind == Kind::Open {
        let roles = ports::roles(maps.front.port_word(ports::word(seen.port)), seen.port);
        let above = maps.front.config.cookies_above;
        if roles & ports::SMTP != 0
            && above != 0
            && !rate::take_of(bucket::TO_THE_STACK, above)
            && let Some(handover) = go_on::handover()
        {
            handover.reason = verdict.reason as u32;
            handover.mark_off = verdict.takes_mark_off(arrival) as u32;
            handover.straight_back = (verdict.sender == NO_PEER) as u32;
            go_on::to(ctx, jump::COOKIE);
        }
    }
    count::count(verdict.reason, octets as u32);
    forward::pass(ctx, seen, verdict, arrival)
}

#[inline(always)]
fn drop_it(octets: usize, maps: &Maps<'_>, features: u32, reason: Reason, seen: &Seen) -> u32 {
    let source = |a: &Address| if a.is_v4() { Source::V4(a.low as u32) } else { Source::V6(a.high, a.low) };
    let packet = Packet { source: source(&seen.source), port: seen.port, opens: false, class: seen.class };
    carry_out(octets, maps, features, &Decision::of(reason), Some(&packet))
}
