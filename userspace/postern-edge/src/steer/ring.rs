//! The ring: which node serves which slot of the hash, and who may still hold older connections of it. Pure: nodes with the
//! same members in the same states have the same ring.
//!
//! Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): each slot gives each member a score, the best one has the
//! slot. A member that comes takes slots from all others and moves none between them; one that goes leaves its slots to the next in
//! each slot's own order. Chance alone would spread 64 members by some 8%; so with many of them the weights are corrected until
//! each has its due. That moves a few slots between the others when one comes or goes, so few members are left to chance, which
//! is within 5% then.
//!
//! Second place: who stands best in the slot's order besides the one that serves it. While a member drains or is silent that is
//! the member itself; when a new one came that is who served the slot before. So one change of membership finds each
//! connection where it is (ADR 16).

use std::cmp::Ordering;
use std::sync::LazyLock;

use postern_model::node::NodeId;
use postern_model::steering::SteerState;

/// Slots of the ring; prime, so that no pattern in the hash lines up with it.
pub const SLOTS: usize = 65_537;

/// Up to so many members chance alone spreads well enough, and nothing moves between those that stay.
const FEW: usize = 8;
/// Corrections of the weights; each brings the shares closer by a factor of about ten.
const CORRECTIONS: usize = 4;

/// A member as the ring sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub node: NodeId,
    pub state: SteerState,
    /// 0 counts as 1.
    pub weight: u32,
}

/// Positions in the list of seats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    pub primary: Option<u16>,
    pub secondary: Option<u16>,
}

/// All slots; deterministic to the bit, whatever machine computes it.
pub fn plan(seed: [u8; 16], seats: &[Seat]) -> Vec<Slot> {
    let draws: Vec<Vec<u64>> = seats.iter().map(|s| draws(key(seed, s.node))).collect();
    let pull = corrected(&draws, seats);
    let number = |i: Option<usize>| i.and_then(|i| u16::try_from(i).ok());
    let slots = (0..SLOTS).map(|slot| {
        let best = |wanted: &dyn Fn(usize) -> bool| best(&draws, &pull, seats, slot, wanted);
        let ready = best(&|i| seats[i].state == SteerState::Ready);
        let primary = ready.or_else(|| best(&|i| seats[i].state == SteerState::Draining));
        let secondary = best(&|i| Some(i) != primary && seats[i].state != SteerState::Lost);
        Slot { primary: number(primary), secondary: number(secondary) }
    });
    slots.collect()
}

/// The seat with the best score of those that are wanted. Equal scores: the smaller id, so that the list's order does not matter.
fn best(draws: &[Vec<u64>], pull: &[f64], seats: &[Seat], slot: usize, wanted: &dyn Fn(usize) -> bool) -> Option<usize> {
    let score = |i: usize| (draws[i][slot] as f64 / pull[i], seats[i].node);
    (0..seats.len()).filter(|i| wanted(*i)).min_by(|a, b| score(*a).partial_cmp(&score(*b)).unwrap_or(Ordering::Equal))
}

/// Shares of the slots that each seat serves, 0 to 1.
pub fn shares(slots: &[Slot], seats: usize) -> Vec<f64> {
    let mut counts = vec![0u32; seats];
    for slot in slots {
        if let Some(count) = slot.primary.and_then(|p| counts.get_mut(usize::from(p))) {
            *count += 1;
        }
    }
    counts.into_iter().map(|n| f64::from(n) / slots.len().max(1) as f64).collect()
}

fn key(seed: [u8; 16], node: NodeId) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"postern ring").update(&seed).update(&node.0);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// An exponential variable for each slot. Divided by the member's pull, the smallest of several is each one's with the odds of the pulls.
fn draws(key: u64) -> Vec<u64> {
    (0..SLOTS as u64).map(|slot| minus_log2(mix(key ^ mix(slot.wrapping_add(0x9e37_79b9_7f4a_7c15))))).collect()
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Pulls such that each seat is best in its due of the slots, whatever the states are.
fn corrected(draws: &[Vec<u64>], seats: &[Seat]) -> Vec<f64> {
    let due: Vec<f64> = seats.iter().map(|s| f64::from(s.weight.max(1))).collect();
    let total: f64 = due.iter().sum();
    let mut pull = due.clone();
    for _ in 0..if seats.len() > FEW { CORRECTIONS } else { 0 } {
        let mut counts = vec![0u32; seats.len()];
        (0..SLOTS).filter_map(|slot| best(draws, &pull, seats, slot, &|_| true)).for_each(|i| counts[i] += 1);
        for (i, count) in counts.iter().enumerate() {
            pull[i] *= due[i] / total * SLOTS as f64 / f64::from((*count).max(1));
        }
    }
    pull
}

/// Steps of the table below.
const STEPS: usize = 4096;

/// log2(1 + i / STEPS) in units of 2^-32, by squaring: integers only, so that all machines agree.
static LOGS: LazyLock<Vec<u64>> = LazyLock::new(|| {
    let log = |i: usize| {
        // 1.0 is 2^62.
        let mut x = (1u128 << 62) + ((i as u128) << 50);
        let mut bits = 0u64;
        for _ in 0..32 {
            x = (x * x) >> 62;
            bits <<= 1;
            if x >= 1 << 63 {
                x >>= 1;
                bits |= 1;
            }
        }
        bits
    };
    (0..STEPS).map(log).chain([1 << 32]).collect()
});

/// -log2(x / 2^64) in units of 2^-32, never 0.
fn minus_log2(x: u64) -> u64 {
    let x = x | 1;
    let zeros = u64::from(x.leading_zeros());
    // The top bit away, the next twelve are the step, the rest what lies between two steps.
    let fraction = (x << zeros) << 1;
    let (step, rest) = ((fraction >> 52) as usize, (fraction >> 20) & 0xffff_ffff);
    let (low, high) = (LOGS[step], LOGS[step + 1]);
    let log = low + (((high - low) * rest) >> 32);
    (((zeros + 1) << 32) - log).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn seat(n: u8, state: SteerState, weight: u32) -> Seat {
        Seat { node: NodeId([n; 16]), state, weight }
    }

    fn ready(count: u8) -> Vec<Seat> {
        (1..=count).map(|n| seat(n, SteerState::Ready, 100)).collect()
    }

    /// Node of the primary and of the secondary of each slot.
    fn nodes(seed: [u8; 16], seats: &[Seat]) -> Vec<(Option<u8>, Option<u8>)> {
        let name = |p: Option<u16>| p.map(|p| seats[usize::from(p)].node.0[0]);
        plan(seed, seats).iter().map(|s| (name(s.primary), name(s.secondary))).collect()
    }

    #[test]
    fn the_logarithm_is_one() {
        for x in [1u64, 2, 3, 12_345, 1 << 40, u64::MAX / 3, u64::MAX - 5, u64::MAX] {
            let exact = 64.0 - ((x | 1) as f64).log2();
            let ours = minus_log2(x) as f64 / 4_294_967_296.0;
            assert!((exact - ours).abs() < 1e-6, "{x}: {ours}, not {exact}");
        }
    }

    #[test]
    fn shares_are_within_five_percent_of_the_weights() {
        for count in [1u8, 2, 3, 5, 16, 32, 64] {
            for seed in [[0; 16], [9; 16]] {
                let mut seats = ready(count);
                seats.iter_mut().enumerate().for_each(|(i, s)| s.weight = if i % 3 == 2 { 50 } else { 100 });
                let total: u32 = seats.iter().map(|s| s.weight).sum();
                for (seat, share) in seats.iter().zip(shares(&plan(seed, &seats), seats.len())) {
                    let ideal = f64::from(seat.weight) / f64::from(total);
                    assert!((share / ideal - 1.0).abs() < 0.05, "{count} members, {seat:?}: {share:.4} of {ideal:.4}");
                }
            }
        }
    }

    #[test]
    fn while_one_drains_the_others_share_evenly() {
        for count in [3u8, 5, 16] {
            let mut seats = ready(count);
            seats[0].state = SteerState::Draining;
            let found = shares(&plan([1; 16], &seats), seats.len());
            assert!(found[0] == 0.0, "{found:?}");
            let ideal = 1.0 / f64::from(count - 1);
            assert!(found[1..].iter().all(|s| (s / ideal - 1.0).abs() < 0.05), "{found:?}");
        }
    }

    #[test]
    fn with_nobody_ready_those_that_drain_serve_and_with_nobody_at_all_nobody() {
        let all = |state| nodes([3; 16], &[seat(1, state, 100), seat(2, SteerState::Lost, 100)]);
        assert!(all(SteerState::Draining).iter().all(|s| *s == (Some(1), None)));
        assert!(all(SteerState::Lost).iter().all(|s| *s == (None, None)));
        assert!(all(SteerState::Silent).iter().all(|s| *s == (None, Some(1))));
        assert!(plan([3; 16], &[]).iter().all(|s| *s == Slot::default()));
    }

    /// With corrected weights a few connections are found neither first nor second.
    #[test]
    fn a_newcomer_among_many_leaves_few_slots_without_a_trace() {
        let before = nodes([5; 16], &ready(20));
        let mut seats = ready(20);
        seats.push(seat(200, SteerState::Ready, 100));
        let after = nodes([5; 16], &seats);
        let lost = before.iter().zip(&after).filter(|(old, new)| old.0 != new.0 && old.0 != new.1).count();
        assert!(lost * 100 <= SLOTS, "{lost} slots");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// The order in which a node lists its peers is its own affair.
        #[test]
        fn order_does_not_matter(seed: [u8; 16], count in 1u8..12, turn in 0usize..12) {
            let seats = ready(count);
            let mut turned = seats.clone();
            turned.rotate_left(turn % seats.len());
            prop_assert_eq!(nodes(seed, &seats), nodes(seed, &turned));
        }

        /// A drain, a silence: who drains keeps second place where it was first, and nothing else changes hands.
        #[test]
        fn one_that_drains_is_second_where_it_was_first(seed: [u8; 16], count in 2u8..12, silent: bool) {
            let mut seats = ready(count);
            let before = nodes(seed, &seats);
            seats[0].state = if silent { SteerState::Silent } else { SteerState::Draining };
            for (old, new) in before.iter().zip(nodes(seed, &seats)) {
                if old.0 == Some(1) {
                    prop_assert_eq!((new.0, new.1), (old.1, Some(1)));
                } else {
                    prop_assert_eq!(new.0, old.0);
                }
            }
        }

        /// A member that comes takes slots, moves none between the others, and whoever had one is its second.
        #[test]
        fn who_had_a_slot_before_is_its_second(seed: [u8; 16], count in 1u8..8, weight in 1u32..=100) {
            let before = nodes(seed, &ready(count));
            let mut seats = ready(count);
            seats.push(seat(200, SteerState::Ready, weight));
            for (old, new) in before.iter().zip(nodes(seed, &seats)) {
                if old.0 != new.0 {
                    prop_assert_eq!((new.0, new.1), (Some(200), old.0));
                }
            }
        }
    }
}
