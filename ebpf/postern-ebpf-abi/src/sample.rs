//! What the program reports: counters per reason and samples of dropped packets.

/// Packets and octets of one reason on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub packets: u64,
    pub octets: u64,
}

/// One dropped packet, in the ring buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Nanoseconds of CLOCK_BOOTTIME.
    pub at: u64,
    pub high: u64,
    /// For IPv4 the address in the lower 32 bits.
    pub low: u64,
    pub reason: u32,
    /// Octets of the packet.
    pub octets: u32,
    /// Number of the feed or of the ban's reason.
    pub detail: u32,
    pub port: u16,
    /// 4 or 6; 0 when the packet could not be read that far.
    pub family: u16,
}

/// State of sampling on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Dropped packets to be passed over before the next sample.
    pub skip: u64,
    /// Second of CLOCK_BOOTTIME that `taken` counts for.
    pub second: u64,
    /// Samples taken in that second.
    pub taken: u64,
    /// Samples lost to the cap or to a full ring.
    pub lost: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Not this packet's turn.
    Skip,
    Take,
    /// Its turn, but the cap of this second is reached.
    Lost,
}

/// Whether this dropped packet is one of `every`, within the cap of its second.
#[inline(always)]
pub fn turn(state: &mut Sampling, every: u32, per_second: u32, now_ns: impl Fn() -> u64) -> Turn {
    // Counted down: a division would take as long as a look into the cache. `every` may have become smaller since.
    if every == 0 || (state.skip != 0 && state.skip < every as u64) {
        state.skip = state.skip.wrapping_sub(1);
        return Turn::Skip;
    }
    state.skip = every as u64 - 1;
    let second = now_ns() / 1_000_000_000;
    if state.second != second {
        state.second = second;
        state.taken = 0;
    }
    if state.taken >= per_second as u64 {
        state.lost = state.lost.wrapping_add(1);
        return Turn::Lost;
    }
    state.taken += 1;
    Turn::Take
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_n_with_a_cap() {
        let mut state = Sampling::default();
        let taken = (0..1000).filter(|_| turn(&mut state, 10, 30, || 5_000_000_000) == Turn::Take).count();
        assert_eq!((taken, state.lost), (30, 70));
        assert_eq!(turn(&mut state, 1, 30, || 6_000_000_000), Turn::Take);
        assert_eq!(turn(&mut state, 0, 30, || 6_000_000_000), Turn::Skip);
        state.skip = 99;
        assert_eq!(turn(&mut state, 2, 30, || 6_000_000_000), Turn::Take, "the rate was raised meanwhile");
        assert_eq!(turn(&mut state, 2, 30, || 6_000_000_000), Turn::Skip);
        assert_eq!(turn(&mut state, 2, 30, || 6_000_000_000), Turn::Take);
    }
}
