//! Who serves the virtual addresses, as one node sees it: its plan from what it hears of the others. Pure.
//!
//! Every node decides for itself, and two may differ for a moment: then a packet takes one more hop (ADR 16), or two nodes announce an
//! address and say so until they hear of each other. Nothing waits for agreement, so a node that is alone serves everybody.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use postern_model::node::NodeId;
use postern_model::settings::edge::SteeringSettings;
use postern_model::steering::{self, SteerMember, SteerPlan, SteerState, VirtualAddress};

use crate::pulse::{BEAT, Heard, Pulse};

/// Five pulses that did not come: new connections go to others.
pub const SILENT_AFTER: Duration = BEAT.saturating_mul(5);
/// A node that only we do not hear may still serve its old connections; after this nobody believes that any more, and their clients
/// are told by a reset. Mail clients wait five minutes for an answer (RFC 5321 §4.5.3.2).
pub const LOST_AFTER: Duration = Duration::from_secs(60);
/// Longest wait for a first word of every member: links are made in a second or two.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// A node that comes back gets its share in so many steps: each moves slots, which costs their connections a hop.
const RAMP_STEPS: u32 = 10;

/// The members, this node among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roll {
    /// With their names.
    pub members: Vec<(NodeId, String)>,
    /// The cluster's id.
    pub seed: [u8; 16],
}

/// What a node knows at a moment.
pub struct View<'a> {
    pub settings: &'a SteeringSettings,
    pub me: NodeId,
    pub own: &'a Pulse,
    pub roll: &'a Roll,
    pub heard: &'a BTreeMap<NodeId, Heard>,
    pub now: Instant,
}

pub fn plan(view: &View<'_>) -> SteerPlan {
    let mut members: Vec<SteerMember> = view.roll.members.iter().map(|(node, name)| member(view, *node, name)).collect();
    members.sort_unstable_by_key(|m| m.node);
    let addresses = view.settings.addresses.iter().map(|address| {
        let owned = owner(*address, &members) == Some(view.me);
        VirtualAddress { address: *address, owned }
    });
    SteerPlan { addresses: addresses.collect(), by: view.settings.by, seed: view.roll.seed, members }
}

fn member(view: &View<'_>, node: NodeId, name: &str) -> SteerMember {
    let state_of = |pulse: &Pulse| if pulse.ready { SteerState::Ready } else { SteerState::Draining };
    let (pulse, state) = if node == view.me {
        (view.own.clone(), state_of(view.own))
    } else {
        match view.heard.get(&node) {
            None => (Pulse::default(), SteerState::Lost),
            Some(heard) => {
                let age = view.now.saturating_duration_since(heard.at);
                let state = match age {
                    _ if age < SILENT_AFTER => state_of(&heard.pulse),
                    _ if age < LOST_AFTER => SteerState::Silent,
                    _ => SteerState::Lost,
                };
                (heard.pulse.clone(), state)
            }
        }
    };
    SteerMember { node, name: name.to_owned(), this: node == view.me, addresses: pulse.addresses, state, weight: pulse.weight.max(1) }
}

/// Who answers for an address: one of those that are ready, else of those that drain.
fn owner(address: IpAddr, members: &[SteerMember]) -> Option<NodeId> {
    let of = |state| steering::owner(address, members.iter().filter(|m| m.state == state).map(|m| m.node));
    of(SteerState::Ready).or_else(|| of(SteerState::Draining))
}

/// Whether a node that has just begun may believe what it hears, and does not hear: before that it would take itself for the only one.
pub fn is_settled(roll: &Roll, me: NodeId, heard: &BTreeMap<NodeId, Heard>, running_for: Duration) -> bool {
    running_for >= SETTLED_AFTER || roll.members.iter().all(|(node, _)| *node == me || heard.contains_key(node))
}

/// The weight of a node that has been ready for so long.
pub fn ramped(weight: u32, ready_for: Duration, ramp_up: Duration) -> u32 {
    if ready_for >= ramp_up {
        return weight;
    }
    let step = (ready_for.as_secs_f64() / ramp_up.as_secs_f64() * f64::from(RAMP_STEPS)) as u32 + 1;
    (weight * step.min(RAMP_STEPS) / RAMP_STEPS).max(1)
}

/// Whether all that are heard have the same ring as this node.
pub fn is_agreed(plan: &SteerPlan, heard: &BTreeMap<NodeId, Heard>) -> bool {
    let digest = plan.digest();
    plan.members
        .iter()
        .filter(|m| !m.this && matches!(m.state, SteerState::Ready | SteerState::Draining))
        .all(|m| heard.get(&m.node).is_some_and(|h| h.pulse.digest == digest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn node(n: u8) -> NodeId {
        NodeId([n; 16])
    }

    fn pulse(ready: bool) -> Pulse {
        Pulse { ready, weight: 100, ..Pulse::default() }
    }

    struct Scene {
        settings: SteeringSettings,
        own: Pulse,
        roll: Roll,
        heard: BTreeMap<NodeId, Heard>,
        start: Instant,
    }

    /// Node 1 of four; 2 and 3 were heard at the start, 4 never.
    fn scene() -> Scene {
        let start = Instant::now();
        let addresses = ["198.51.100.250", "198.51.100.251", "2001:db8::250"].map(|a| a.parse().unwrap()).to_vec();
        Scene {
            settings: SteeringSettings { addresses, ..SteeringSettings::default() },
            own: pulse(true),
            roll: Roll { members: (1..=4).map(|n| (node(n), format!("node{n}"))).collect(), seed: [7; 16] },
            heard: [2, 3].map(|n| (node(n), Heard { pulse: pulse(true), at: start })).into(),
            start,
        }
    }

    impl Scene {
        fn plan(&self, me: u8, after: Duration) -> SteerPlan {
            plan(&View {
                settings: &self.settings,
                me: node(me),
                own: &self.own,
                roll: &self.roll,
                heard: &self.heard,
                now: self.start + after,
            })
        }

        fn states(&self, after: Duration) -> Vec<SteerState> {
            self.plan(1, after).members.iter().map(|m| m.state).collect()
        }
    }

    #[test]
    fn a_node_is_silent_after_five_pulses_and_lost_after_a_minute() {
        use SteerState::{Draining, Lost, Ready, Silent};
        let mut scene = scene();
        assert_eq!(scene.states(Duration::from_millis(490)), [Ready, Ready, Ready, Lost]);
        assert_eq!(scene.states(Duration::from_millis(510)), [Ready, Silent, Silent, Lost]);
        assert_eq!(scene.states(Duration::from_secs(61)), [Ready, Lost, Lost, Lost]);
        scene.heard.get_mut(&node(2)).unwrap().pulse.ready = false;
        scene.own.ready = false;
        assert_eq!(scene.states(Duration::ZERO), [Draining, Draining, Ready, Lost]);
    }

    #[test]
    fn each_address_has_one_owner_whoever_is_asked_and_a_node_alone_has_all() {
        let mut scene = scene();
        scene.heard.insert(node(4), Heard { pulse: pulse(true), at: scene.start });
        scene.heard.insert(node(1), Heard { pulse: pulse(true), at: scene.start });
        let owned_by = |me: u8| scene.plan(me, Duration::ZERO).addresses.iter().map(|a| a.owned).collect::<Vec<_>>();
        for at in 0..3 {
            assert_eq!((1..=4).filter(|me| owned_by(*me)[at]).count(), 1, "address {at}");
        }
        let alone = scene.plan(1, Duration::from_secs(2));
        assert!(alone.addresses.iter().all(|a| a.owned));
    }

    #[test]
    fn who_drains_owns_nothing_unless_all_do() {
        let mut scene = scene();
        scene.own.ready = false;
        assert!(scene.plan(1, Duration::ZERO).addresses.iter().all(|a| !a.owned));
        assert!(scene.plan(1, Duration::from_secs(2)).addresses.iter().all(|a| a.owned));
    }

    #[test]
    fn a_node_that_begins_waits_for_the_others_but_not_for_ever() {
        let mut scene = scene();
        let settled = |scene: &Scene, ms| is_settled(&scene.roll, node(1), &scene.heard, Duration::from_millis(ms));
        assert_eq!((settled(&scene, 4900), settled(&scene, 5000)), (false, true));
        scene.heard.insert(node(4), Heard { pulse: pulse(true), at: scene.start });
        assert!(settled(&scene, 0));
        scene.roll.members.truncate(1);
        assert!(is_settled(&scene.roll, node(1), &BTreeMap::new(), Duration::ZERO));
    }

    #[test]
    fn a_share_grows_in_ten_steps() {
        let seconds = Duration::from_secs;
        let weights: Vec<u32> = [0, 5, 6, 30, 59, 60, 100].map(|s| ramped(100, seconds(s), seconds(60))).to_vec();
        assert_eq!(weights, [10, 10, 20, 60, 100, 100, 100]);
        assert_eq!((ramped(1, seconds(0), seconds(60)), ramped(100, seconds(0), seconds(0))), (1, 100));
    }

    #[test]
    fn nodes_agree_when_all_that_are_heard_show_the_same_ring() {
        let mut scene = scene();
        let plan = scene.plan(1, Duration::ZERO);
        assert!(!is_agreed(&plan, &scene.heard));
        scene.heard.values_mut().for_each(|h| h.pulse.digest = plan.digest());
        assert!(is_agreed(&plan, &scene.heard));
        let alone = scene.plan(1, Duration::from_secs(2));
        assert!(is_agreed(&alone, &BTreeMap::new()));
    }
}
