//! Stage 5: steering. What the decision asks, answered from maps and sockets.

use aya_ebpf::bindings::{bpf_sock, bpf_sock_tuple};
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap, LruHashMap, PerCpuArray};
use aya_ebpf::helpers::{bpf_sk_release, bpf_skc_lookup_tcp, bpf_tcp_raw_check_syncookie_ipv4, bpf_tcp_raw_check_syncookie_ipv6};
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::XdpContext;
use postern_ebpf_abi::config::ports;
use postern_ebpf_abi::steer::address::{Address, MAX_ADDRESSES};
use postern_ebpf_abi::steer::connection::Connection;
use postern_ebpf_abi::steer::decide::{Arrival, SteerTables};
use postern_ebpf_abi::steer::ring::{PEERS as PEERS_OF_A_RING, PeerCount, Ring};
use postern_ebpf_abi::steer::seen::Seen;

use crate::tables::Maps;
use crate::write;

/// One slot: the ring in force. Userspace makes each new one beside it.
#[btf_map]
static RING: ArrayOfMaps<Array<Ring, 1>, 1> = ArrayOfMaps::new();

/// One slot: as large as the settings say.
#[btf_map]
static CONNECTIONS: ArrayOfMaps<LruHashMap<Connection, u32, 1>, 1> = ArrayOfMaps::new();

#[btf_map]
static ADDRESSES: HashMap<Address, u32, { MAX_ADDRESSES as usize }> = HashMap::new();

#[btf_map]
static PEERS: PerCpuArray<PeerCount, { PEERS_OF_A_RING }> = PerCpuArray::new();

/// `TCP_LISTEN` of the kernel.
const LISTEN: u32 = 10;
/// The network namespace of the interface (`BPF_F_CURRENT_NETNS`).
const THIS_NAMESPACE: u64 = u64::MAX;

/// Octets of a tuple of each family.
const TUPLE_V4: u32 = 12;
const TUPLE_V6: u32 = 36;

/// Answers from the maps, for one packet.
pub struct Steering<'a> {
    pub ctx: &'a XdpContext,
    pub maps: &'a Maps<'a>,
    pub ring: Option<&'static Ring>,
}

/// The ring in force: read once per packet.
#[inline(always)]
pub fn ring() -> Option<&'static Ring> {
    match RING.get_value(0, &0) {
        Some(ring) if ring.version != 0 => Some(ring),
        _ => None,
    }
}

/// How the frame came in.
#[inline(always)]
pub fn arrival(ctx: &XdpContext) -> Option<Arrival> {
    let ethernet = write::get_linear::<14>(ctx, 0)?;
    Some(Arrival::of(&ethernet, unsafe { (*ctx.ctx).ingress_ifindex }))
}

impl SteerTables for Steering<'_> {
    #[inline(always)]
    fn roles_of(&self, address: &Address) -> u32 {
        unsafe { ADDRESSES.get(address).copied() }.unwrap_or(0)
    }

    #[inline(always)]
    fn is_service(&self, port: u16) -> bool {
        ports::roles(self.maps.front.port_word(ports::word(port)), port) != 0
    }

    #[inline(always)]
    fn ring(&self) -> Option<&Ring> {
        self.ring
    }

    #[inline(always)]
    fn has_socket(&self, connection: &Connection) -> bool {
        let Some(found) = socket(self.ctx, connection) else { return false };
        let state = state_of(found);
        unsafe { bpf_sk_release(found.cast()) };
        state != LISTEN
    }

    #[inline(always)]
    fn remembered(&self, connection: &Connection) -> Option<u32> {
        CONNECTIONS.get_value_ptr_mut(0, connection).map(|p| unsafe { *p })
    }

    #[inline(always)]
    fn is_cookie(&self, seen: &Seen) -> bool {
        let Some(mut segment) = write::get::<20>(self.ctx, seen.ip_at + seen.headers) else { return false };
        if seen.is_v6 {
            let Some(mut ip) = write::get::<40>(self.ctx, seen.ip_at) else { return false };
            unsafe { bpf_tcp_raw_check_syncookie_ipv6(ip.as_mut_ptr().cast(), segment.as_mut_ptr().cast()) == 0 }
        } else {
            let Some(mut ip) = write::get::<20>(self.ctx, seen.ip_at) else { return false };
            unsafe { bpf_tcp_raw_check_syncookie_ipv4(ip.as_mut_ptr().cast(), segment.as_mut_ptr().cast()) == 0 }
        }
    }
}

/// The tuple of a packet from the client, as the kernel's lookup wants it, and its octets.
#[inline(always)]
pub fn tuple_of(connection: &Connection) -> (bpf_sock_tuple, u32) {
    let mut tuple: bpf_sock_tuple = unsafe { core::mem::zeroed() };
    let (client, address) = (&connection.client, &connection.address);
    if address.is_v4() {
        let v4 = unsafe { &mut tuple.__bindgen_anon_1.ipv4 };
        v4.saddr = (client.low as u32).to_be();
        v4.daddr = (address.low as u32).to_be();
        v4.sport = connection.client_port.to_be();
        v4.dport = connection.port.to_be();
        (tuple, TUPLE_V4)
    } else {
        let v6 = unsafe { &mut tuple.__bindgen_anon_1.ipv6 };
        let words = |a: &Address| [(a.high >> 32) as u32, a.high as u32, (a.low >> 32) as u32, a.low as u32].map(u32::to_be);
        v6.saddr = words(client);
        v6.daddr = words(address);
        v6.sport = connection.client_port.to_be();
        v6.dport = connection.port.to_be();
        (tuple, TUPLE_V6)
    }
}

/// The socket that a packet from the client would reach; to be released.
#[inline(always)]
fn socket(ctx: &XdpContext, connection: &Connection) -> Option<*mut bpf_sock> {
    let (mut tuple, octets) = tuple_of(connection);
    let socket = unsafe {
        // The size is a constant on each way: the verifier wants to know it.
        if octets == TUPLE_V4 {
            bpf_skc_lookup_tcp(ctx.ctx.cast(), &raw mut tuple, TUPLE_V4, THIS_NAMESPACE, 0)
        } else {
            bpf_skc_lookup_tcp(ctx.ctx.cast(), &raw mut tuple, TUPLE_V6, THIS_NAMESPACE, 0)
        }
    };
    if socket.is_null() { None } else { Some(socket) }
}

#[inline(always)]
fn state_of(socket: *mut bpf_sock) -> u32 {
    unsafe { (&raw const (*socket).state).read_volatile() }
}

/// The listener that a new connection would reach; to be released.
#[inline(always)]
pub fn listener(ctx: &XdpContext, connection: &Connection) -> Option<*mut bpf_sock> {
    let found = socket(ctx, connection)?;
    if state_of(found) == LISTEN {
        return Some(found);
    }
    unsafe { bpf_sk_release(found.cast()) };
    None
}

/// Remembers that a peer has the connection.
#[inline(always)]
pub fn keep(connection: &Connection, peer: u32) {
    if let Some(table) = CONNECTIONS.get(0) {
        let _ = table.insert(connection, &peer, 0);
    }
}

#[inline(always)]
pub fn forget(connection: &Connection) {
    if let Some(table) = CONNECTIONS.get(0) {
        let _ = table.remove(connection);
    }
}

#[inline(always)]
pub fn count_sent(peer: u32, octets: usize) {
    if let Some(count) = PEERS.get_ptr_mut(peer) {
        unsafe {
            (*count).sent_packets += 1;
            (*count).sent_octets += octets as u64;
        }
    }
}

#[inline(always)]
pub fn count_received(peer: u32, octets: usize) {
    if let Some(count) = PEERS.get_ptr_mut(peer) {
        unsafe {
            (*count).received_packets += 1;
            (*count).received_octets += octets as u64;
        }
    }
}
