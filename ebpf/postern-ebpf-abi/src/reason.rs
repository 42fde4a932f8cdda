//! Why a packet was passed or dropped: one closed list. The kernel counts by the number, everything
//! people see uses the name.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* $variant = $number,)* }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Stable kebab-case name; `drop-…` are dropped, `pass…` are passed.
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
}

impl Reason {
    /// Slots in the map of counters.
    pub const SLOTS: u32 = 32;

    /// First number of those that drop.
    const FIRST_DROP: u32 = 16;

    #[inline(always)]
    pub fn drops(self) -> bool {
        self as u32 >= Self::FIRST_DROP
    }

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
            assert_eq!(r.drops(), r.name().starts_with("drop-"), "{}", r.name());
            assert!(r.name().starts_with("pass") || r.drops());
            assert!((*r as u32) < Reason::SLOTS);
            assert_eq!(Reason::from_number(*r as u32), Some(*r));
        }
        assert_eq!(Reason::from_number(31), None);
    }
}
