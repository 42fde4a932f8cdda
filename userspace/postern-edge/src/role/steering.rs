//! Keeps ring, maps and virtual addresses in step with the plan that node tells, and with the neighbours as they come, go and change
//! their MAC addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_ebpf_abi::steer::ring::{Peer, Router};
use postern_model::node::NodeId;
use postern_model::steering::{self, SteerPlan, SteeringStatus, VirtualAddress, VirtualAddressStatus};
use tokio::task;

use super::Shared;
use super::state::SteeringOrder;
use crate::kernel::maps::KernelMaps;
use crate::kernel::steer::Role;
use crate::steer::announce::{Claim, Segment};
use crate::steer::peers::{Numbers, Resolved, Surroundings, mac_text, resolve, seats};
use crate::steer::ring::{self, Slot};
use crate::steer::wire::{Link, Mac, Placed, Wire, WireError};

/// Between two looks at interface and neighbours.
const LOOK: Duration = Duration::from_millis(250);
/// After so long without a word of node this machine owns no address: its peers have taken them by then.
const LEASE: Duration = Duration::from_secs(3);
/// A neighbour that is known is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// An address that came here is announced at once and so much later (frames are lost), and then every [`REMIND`].
const ANNOUNCE: [Duration; 3] = [Duration::ZERO, Duration::from_millis(200), Duration::from_secs(1)];
const REMIND: Duration = Duration::from_secs(30);
/// Somebody else's announcement of an address of ours is answered by one, but not more often (RFC 5227 §2.4 c).
const DEFEND: Duration = Duration::from_secs(1);
/// Connections that are remembered: 120 octets each.
const CONNECTIONS: u32 = 1 << 18;

/// The longest headers of a segment in a tunnel: IPv6 in IPv6, and TCP's.
const TUNNEL_HEADERS: u32 = 40 + 40 + 20;

pub async fn keep(shared: Arc<Shared>) {
    let wire = match Wire::open() {
        Ok(wire) => wire,
        Err(error) => return tracing::error!("nothing can be steered: no socket for routes and addresses: {error}"),
    };
    let mut keeper = Keeper {
        wire,
        numbers: Numbers::default(),
        planned: None,
        in_force: None,
        segment: None,
        owned: BTreeMap::new(),
        yielded: BTreeSet::new(),
        me: None,
        neighbours: HashMap::new(),
        version: 0,
        asked: None,
    };
    loop {
        let order = shared.state.lock().steering_order();
        let status = keeper.step(&order).await;
        shared.state.lock().steered(status);
        let pause = if order.plan.is_some() { LOOK } else { LOOK * 4 };
        tokio::select! {
            () = shared.steering.notified() => {}
            claim = next_claim(keeper.segment.as_ref()) => keeper.note(claim),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn next_claim(segment: Option<&Segment>) -> Claim {
    match segment {
        Some(segment) => segment.claim().await,
        None => std::future::pending().await,
    }
}

struct Keeper {
    wire: Wire,
    numbers: Numbers,
    /// The slots of the plan with this digest.
    planned: Option<(u64, Vec<Slot>)>,
    in_force: Option<InForce>,
    segment: Option<Segment>,
    owned: BTreeMap<IpAddr, Owned>,
    /// Addresses that a peer announced which comes before us; until the plan is another.
    yielded: BTreeSet<IpAddr>,
    me: Option<NodeId>,
    /// Peers on the segment.
    neighbours: HashMap<Mac, NodeId>,
    version: u64,
    asked: Option<Instant>,
}

/// What the maps hold.
#[derive(PartialEq)]
struct InForce {
    digest: u64,
    peers: Vec<Peer>,
    routers: [Router; 2],
    addresses: Vec<(IpAddr, Role)>,
}

/// An address that packets from outside come here for.
struct Owned {
    since: Instant,
    announced: usize,
    last: Instant,
    conflicts: u64,
    rival: Option<Claim>,
}

impl Keeper {
    async fn step(&mut self, order: &SteeringOrder) -> Option<SteeringStatus> {
        let Some(plan) = &order.plan else {
            self.withdraw(order).await;
            return None;
        };
        let digest = plan.digest();
        let mut status = SteeringStatus {
            digest: format!("{digest:016x}"),
            stale: order.told.elapsed() > LEASE,
            interface: order.interface.clone().unwrap_or_default(),
            ..SteeringStatus::default()
        };
        let trouble = match self.put_in_force(plan, digest, order, &mut status).await {
            Ok(()) => None,
            Err(why) => {
                if order.trouble.as_deref() != Some(why.as_str()) {
                    tracing::error!("steering is not as it should be: {why}");
                }
                Some(why)
            }
        };
        status.addresses = self.show(plan, status.stale);
        status.trouble = trouble;
        Some(status)
    }

    async fn put_in_force(
        &mut self,
        plan: &SteerPlan,
        digest: u64,
        order: &SteeringOrder,
        status: &mut SteeringStatus,
    ) -> Result<(), String> {
        let name = order.interface.as_deref().ok_or("no interface to meet peers on: set edge.steering.interface or edge.interfaces")?;
        let maps = order.maps.as_ref().ok_or("the XDP program is not loaded")?;
        let link = self.wire.link(name).await.map_err(|e| e.to_string())?;
        self.numbers.assign(&plan.members);
        let around = self.look_around(plan).await.map_err(|e| e.to_string())?;
        let slots = self.slots(plan, digest).await?;
        let resolved = resolve(plan, &slots, self.version + 1, &link, &around, &self.numbers);
        self.planned = Some((digest, slots));
        self.ask(&resolved, &around).await;
        status.members.clone_from(&resolved.members);
        status.segments = (!resolved.outer.is_empty()).then(|| link.mtu.saturating_sub(TUNNEL_HEADERS));
        self.fill(plan, digest, resolved, maps)?;
        if !order.guarded.iter().any(|g| g == name) {
            return Err(format!("interface {name} is not guarded, so nothing that comes in there is steered: add it to edge.interfaces"));
        }
        self.place(plan, order, &link, status.stale).await
    }

    async fn look_around(&self, plan: &SteerPlan) -> Result<Surroundings, WireError> {
        let (neighbours, routers) = (self.wire.neighbours().await?, self.wire.routers().await?);
        let mut around = Surroundings { neighbours, routers, ..Surroundings::default() };
        for address in plan.members.iter().filter(|m| !m.this).flat_map(|m| &m.addresses) {
            if let Ok(way) = self.wire.way(*address).await {
                around.ways.insert(*address, way);
            }
        }
        Ok(around)
    }

    async fn slots(&mut self, plan: &SteerPlan, digest: u64) -> Result<Vec<Slot>, String> {
        match self.planned.take() {
            Some((planned, slots)) if planned == digest => Ok(slots),
            _ => {
                let (seed, seats) = (plan.seed, seats(plan));
                task::spawn_blocking(move || ring::plan(seed, &seats)).await.map_err(|e| format!("the ring could not be planned: {e}"))
            }
        }
    }

    async fn ask(&mut self, resolved: &Resolved, around: &Surroundings) {
        let is_time = self.asked.is_none_or(|at| at.elapsed() >= ASK_AGAIN);
        for (interface, hop) in &resolved.ask {
            if is_time || !around.neighbours.contains_key(&(*interface, *hop)) {
                self.wire.ask(*interface, *hop).await;
            }
        }
        if is_time {
            self.asked = Some(Instant::now());
        }
    }

    fn fill(&mut self, plan: &SteerPlan, digest: u64, resolved: Resolved, maps: &KernelMaps) -> Result<(), String> {
        let mut addresses: Vec<(IpAddr, Role)> = plan.addresses.iter().map(|a| (a.address, Role::Virtual)).collect();
        addresses.extend(resolved.outer.iter().map(|a| (*a, Role::Outer)));
        let wanted = InForce { digest, peers: resolved.ring.peers.to_vec(), routers: resolved.ring.routers, addresses };
        if self.in_force.as_ref() == Some(&wanted) {
            return Ok(());
        }
        if self.in_force.is_none() {
            maps.steer.set_capacity(CONNECTIONS).map_err(|e| e.to_string())?;
        }
        self.me = plan.members.iter().find(|m| m.this).map(|m| m.node);
        self.neighbours = resolved.neighbours;
        let is_new_ring = self
            .in_force
            .as_ref()
            .is_none_or(|old| (old.digest, &old.peers, old.routers) != (wanted.digest, &wanted.peers, wanted.routers));
        if is_new_ring {
            maps.steer.put_ring(resolved.ring).map_err(|e| e.to_string())?;
            self.version += 1;
            let members: Vec<String> = plan.members.iter().map(|m| format!("{} {} {}", m.name, m.state.name(), m.weight)).collect();
            tracing::info!(digest = format!("{digest:016x}"), members = members.join(", "), "a ring is in force");
        }
        maps.steer.set_addresses(&maps.front, &wanted.addresses).map_err(|e| e.to_string())?;
        self.yielded.clear();
        self.in_force = Some(wanted);
        Ok(())
    }

    /// The virtual addresses on this machine, and those that are ours on the segment.
    async fn place(&mut self, plan: &SteerPlan, order: &SteeringOrder, link: &Link, stale: bool) -> Result<(), String> {
        for name in order.guarded.iter().map(String::as_str).chain(order.interface.as_deref()) {
            answer_for_own_addresses_only(name)?;
        }
        let loopback = self.wire.link("lo").await.map_err(|e| e.to_string())?.index;
        let mine: BTreeSet<IpAddr> = plan.addresses.iter().filter(|a| self.is_ours(a, stale)).map(|a| a.address).collect();
        let mut wanted: BTreeSet<Placed> = plan.addresses.iter().map(|a| Placed { interface: loopback, address: a.address }).collect();
        wanted.extend(mine.iter().map(|a| Placed { interface: link.index, address: *a }));
        let there: BTreeSet<Placed> = self.wire.placed().await.map_err(|e| e.to_string())?.into_iter().collect();
        // Those to come first: at no moment is a connection's address nowhere.
        for placed in wanted.difference(&there) {
            self.wire.place(*placed).await.map_err(|e| e.to_string())?;
        }
        for placed in there.difference(&wanted) {
            self.wire.remove(*placed).await.map_err(|e| e.to_string())?;
        }
        if self.segment.as_ref().is_none_or(|s| s.index != link.index || s.mac() != link.mac) {
            self.segment =
                Some(Segment::open(link).map_err(|e| format!("no packet socket on {}: {e}", order.interface.as_deref().unwrap_or("")))?);
        }
        for gone in self.owned.keys().filter(|a| !mine.contains(a)) {
            tracing::info!(address = %gone, "a virtual address is another node's now");
        }
        self.owned.retain(|a, _| mine.contains(a));
        for address in mine {
            self.owned.entry(address).or_insert_with(|| {
                tracing::info!(%address, "a virtual address is this node's now");
                Owned { since: Instant::now(), announced: 0, last: Instant::now(), conflicts: 0, rival: None }
            });
        }
        self.announce()
    }

    /// Whether packets to an address are to come in here.
    fn is_ours(&self, address: &VirtualAddress, stale: bool) -> bool {
        address.owned && !stale && !self.yielded.contains(&address.address)
    }

    fn announce(&mut self) -> Result<(), String> {
        let Some(segment) = &self.segment else { return Ok(()) };
        for (address, owned) in &mut self.owned {
            let is_due = match ANNOUNCE.get(owned.announced) {
                Some(after) => owned.since.elapsed() >= *after,
                None => owned.last.elapsed() >= REMIND,
            };
            if is_due {
                segment.announce(*address).map_err(|e| format!("{address} cannot be announced: {e}"))?;
                (owned.announced, owned.last) = (owned.announced + 1, Instant::now());
            }
        }
        Ok(())
    }

    /// Somebody announced an address. If it is ours by the plan we say so again, unless it is a peer that comes before us: two nodes
    /// that do not hear each other's pulses, but each other's announcements, have one owner all the same.
    fn note(&mut self, claim: Claim) {
        let rival = self.neighbours.get(&claim.mac).copied();
        let Some(owned) = self.owned.get_mut(&claim.address) else { return };
        if owned.conflicts == 0 || owned.rival.is_some_and(|r| r.mac != claim.mac) {
            tracing::warn!(address = %claim.address, by = mac_text(claim.mac), "somebody else announces a virtual address of this node");
        }
        owned.conflicts += 1;
        owned.rival = Some(claim);
        if let (Some(rival), Some(me)) = (rival, self.me)
            && steering::owner(claim.address, [rival, me]) == Some(rival)
        {
            self.yielded.insert(claim.address);
            return;
        }
        if owned.last.elapsed() >= DEFEND
            && let Some(segment) = &self.segment
            && segment.announce(claim.address).is_ok()
        {
            owned.last = Instant::now();
        }
    }

    /// Nothing is steered any more: packets to the addresses stay here until those are gone.
    async fn withdraw(&mut self, order: &SteeringOrder) {
        if let (Some(_), Some(maps)) = (self.in_force.take(), &order.maps)
            && let Err(error) = maps.steer.set_addresses(&maps.front, &[])
        {
            tracing::error!("packets are still steered: {error}");
        }
        self.planned = None;
        self.segment = None;
        self.owned.clear();
        // After a start the plan may still come: what an earlier run placed stays so long.
        if order.told.elapsed() < LEASE {
            return;
        }
        for placed in self.wire.placed().await.unwrap_or_default() {
            match self.wire.remove(placed).await {
                Ok(()) => tracing::info!(address = %placed.address, "a virtual address is taken away"),
                Err(error) => tracing::error!("{error}"),
            }
        }
    }

    fn show(&self, plan: &SteerPlan, stale: bool) -> Vec<VirtualAddressStatus> {
        let show = |a: &VirtualAddress| {
            let owned = self.owned.get(&a.address);
            VirtualAddressStatus {
                address: a.address,
                owned: self.is_ours(a, stale),
                conflicts: owned.map_or(0, |o| o.conflicts),
                rival: owned.and_then(|o| o.rival).map(|r| mac_text(r.mac)),
            }
        };
        plan.addresses.iter().map(show).collect()
    }
}

/// The virtual addresses are on the loopback interface of every node: by default Linux would answer ARP for them on all others, and
/// name them in its own questions (`arp_ignore`, `arp_announce`: Documentation/networking/ip-sysctl.rst).
fn answer_for_own_addresses_only(interface: &str) -> Result<(), String> {
    for (setting, wanted) in [("arp_ignore", "1"), ("arp_announce", "2")] {
        let path = format!("/proc/sys/net/ipv4/conf/{interface}/{setting}");
        let path = Path::new(&path);
        let failed = |e: std::io::Error| format!("{}: {e}", path.display());
        if std::fs::read_to_string(path).map_err(failed)?.trim() != wanted {
            std::fs::write(path, wanted).map_err(failed)?;
        }
    }
    Ok(())
}
