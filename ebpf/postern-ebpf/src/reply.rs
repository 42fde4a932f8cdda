//! The way back for what the program answers by itself.

use aya_ebpf::bindings::xdp_action::XDP_TX;
use aya_ebpf::helpers::bpf_redirect;
use aya_ebpf::programs::XdpContext;

use crate::steer;
use crate::write::{get_linear, put};

/// Destination and source on layer 2, and the interface; 0: that by which the packet came.
pub struct Way {
    macs: [u8; 12],
    interface: u32,
}

impl Way {
    /// Back where the packet came from, or by the router when a peer forwarded it: a peer routes nothing.
    #[inline(always)]
    pub fn of(ctx: &XdpContext, is_v6: bool, straight_back: bool) -> Option<Self> {
        if straight_back {
            let m = get_linear::<12>(ctx, 0)?;
            // A group's address is nobody's source.
            if m[0] & 1 != 0 || m[6] & 1 != 0 {
                return None;
            }
            return Some(Self { macs: [m[6], m[7], m[8], m[9], m[10], m[11], m[0], m[1], m[2], m[3], m[4], m[5]], interface: 0 });
        }
        let router = if is_v6 { &steer::ring()?.routers[1] } else { &steer::ring()?.routers[0] };
        if router.interface == 0 {
            return None;
        }
        let (to, own) = (router.mac, router.own_mac);
        let macs = [to[0], to[1], to[2], to[3], to[4], to[5], own[0], own[1], own[2], own[3], own[4], own[5]];
        Some(Self { macs, interface: router.interface })
    }

    /// Sends the frame.
    #[inline(always)]
    pub fn send(&self, ctx: &XdpContext) -> u32 {
        put(ctx, 0, &self.macs);
        let here = unsafe { (*ctx.ctx).ingress_ifindex };
        if self.interface == 0 || self.interface == here { XDP_TX } else { unsafe { bpf_redirect(self.interface, 0) as u32 } }
    }
}
