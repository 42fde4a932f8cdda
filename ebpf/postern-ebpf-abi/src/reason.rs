//! What became of a packet, and why: one closed list. The kernel counts by the number, everything
//! people see uses the name.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant = $number,)* }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable kebab-case name; it begins with [`Self::action`].
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// A connection to a guarded port that nothing speaks against.
    Pass = 0, "pass";
    /// Neither IPv4 nor IPv6: ARP, LLDP and the like.
    PassNotIp = 1, "pass-not-ip";
    /// IP, but not TCP.
    PassNotTcp = 2, "pass-not-tcp";
    /// TCP to a port that is not the appliance's.
    PassOtherPort = 3, "pass-other-port";
    /// A later fragment: it carries no port and is useless without its first one, which is judged.
    PassFragment = 4, "pass-fragment";
    /// On the operator's allow list.
    PassAllowed = 5, "pass-allowed";
    /// To a virtual address, and the ring names this node.
    PassHere = 6, "pass-here";
    /// To a virtual address, of a connection that has a socket here.
    PassSocket = 7, "pass-socket";
    /// To a virtual address, with a SYN cookie that this node gave out.
    PassCookie = 8, "pass-cookie";
    /// Forwarded by a peer, and not to be forwarded once more: a new connection or a fragment.
    PassMarked = 9, "pass-marked";
    /// Forwarded twice already: whatever it is, it stays.
    PassLastHop = 10, "pass-last-hop";
    /// To a virtual address, and there is no peer that could take it.
    PassNoPeer = 11, "pass-no-peer";
    /// To a virtual address before any ring is in force.
    PassNoRing = 12, "pass-no-ring";
    /// To a virtual address, but the frame was meant for another MAC address (a promiscuous interface): its receiver sees to it.
    PassOtherMac = 13, "pass-other-mac";
    /// Lengths that contradict each other or the frame.
    DropMalformed = 16, "drop-malformed";
    /// More IPv6 extension headers than any honest host sends (RFC 9099 §2.2), used to hide the port.
    DropHeaderChain = 17, "drop-header-chain";
    /// A first fragment without the whole TCP header, or a second one written over it (RFC 1858, RFC 7112).
    DropTinyFragment = 18, "drop-tiny-fragment";
    /// This address is banned.
    DropBan = 19, "drop-ban";
    /// A network was banned by hand.
    DropBanNetwork = 20, "drop-ban-network";
    /// On a feed of bad networks.
    DropFeed = 21, "drop-feed";
    /// New connections from this source come too fast.
    DropRate = 22, "drop-rate";
    /// New connections from everywhere come too fast.
    DropRateTotal = 23, "drop-rate-total";
    /// To be forwarded with a TTL or hop limit of 1 or 0.
    DropTtl = 24, "drop-ttl";
    /// An ICMP error to a virtual address that quotes too little, or a packet which this address never sent.
    DropIcmpQuote = 25, "drop-icmp-quote";
    /// IP in IP to this node from an address that is no peer's.
    DropTunnelStranger = 26, "drop-tunnel-stranger";
    /// IP in IP from a peer that no peer sends so: fragmented, with options, without a packet in it.
    DropTunnelMalformed = 27, "drop-tunnel-malformed";
    /// Too big for the tunnel to its node, where no answer may say so (no DF, an ICMP error, a fragment) or too many were sent.
    DropTooBig = 28, "drop-too-big";
    /// A fragment, while the ring hashes ports, which a fragment lacks.
    DropSteerFragment = 29, "drop-steer-fragment";
    /// The driver leaves no room before the packet for the tunnel's header.
    DropNoRoom = 30, "drop-no-room";
    /// Out of a peer's tunnel, but nothing that a peer sends: to no virtual address, or once more in a tunnel.
    DropTunnelInner = 31, "drop-tunnel-inner";
    /// Sent to the node that the ring names first.
    ForwardPrimary = 32, "forward-primary";
    /// Sent to the node that the ring names second: the first one is not usable.
    ForwardSecondary = 33, "forward-secondary";
    /// Sent where the connection was sent before.
    ForwardConnection = 34, "forward-connection";
    /// The ring names this node, which knows nothing of it: sent to the other one that may.
    ForwardSecondChance = 35, "forward-second-chance";
    /// A fragment, by its addresses.
    ForwardFragment = 36, "forward-fragment";
    /// An ICMP error, by the packet that it quotes.
    ForwardIcmp = 37, "forward-icmp";
    /// A SYN answered by a SYN cookie.
    AnswerCookie = 48, "answer-cookie";
    /// Too big for the tunnel to its node; the sender was told (RFC 1191, RFC 8201).
    AnswerTooBig = 49, "answer-too-big";
    /// Beside the packet's own reason: it bore a mark, but came from no peer.
    NoteForgedMark = 56, "note-forged-mark";
    /// Beside the reason of the packet in it: it came through a peer's tunnel.
    NoteTunnel = 57, "note-tunnel";
}

impl Reason {
    /// Slots in the map of counters.
    pub const SLOTS: u32 = 64;

    #[inline(always)]
    pub fn drops(self) -> bool {
        matches!(self as u32, 16..=31)
    }

    /// Whether the network stack gets the packet.
    #[inline(always)]
    pub fn passes(self) -> bool {
        (self as u32) < 16
    }

    #[inline(always)]
    pub fn forwards(self) -> bool {
        matches!(self as u32, 32..=47)
    }

    /// What is done: `pass`, `drop`, `forward`, `answer`; `note` counts something beside that.
    pub fn action(self) -> &'static str {
        match self as u32 {
            0..=15 => "pass",
            16..=31 => "drop",
            32..=47 => "forward",
            48..=55 => "answer",
            _ => "note",
        }
    }

    /// The reason that one program handed to the next: of those that pass.
    #[inline(always)]
    pub fn handed(number: u32) -> Self {
        if number <= Self::LAST_PASS {
            // SAFETY: these numbers are given without a gap, as a test shows.
            unsafe { core::mem::transmute::<u32, Self>(number) }
        } else {
            Self::Pass
        }
    }

    const LAST_PASS: u32 = Self::PassOtherMac as u32;

    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| *r as u32 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_happens() {
        for r in Reason::ALL {
            assert!(r.name().starts_with(r.action()), "{}", r.name());
            assert_eq!((r.drops(), r.passes(), r.forwards()), (r.action() == "drop", r.action() == "pass", r.action() == "forward"));
            assert!((*r as u32) < Reason::SLOTS);
            assert_eq!(Reason::from_number(*r as u32), Some(*r));
        }
        assert_eq!(Reason::from_number(63), None);
        for number in 0..=Reason::LAST_PASS {
            assert_eq!(Some(Reason::handed(number)), Reason::from_number(number));
        }
        assert_eq!(Reason::handed(Reason::LAST_PASS + 1), Reason::Pass);
    }
}
