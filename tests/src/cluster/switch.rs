//! A switch in userspace between hosts in network namespaces: it can cut a way in one direction or both, delay it, and count.
//!
//! The kernel's own means for that (netem, bridge filters) are not on every machine. Each port is one end of a veth pair; a
//! thread for each port reads frames from a packet socket and writes them to the port where the receiver was seen last.
//!
//! Large segments pass in one piece, with sums that a card would fill in (`PACKET_VNET_HDR`): cutting and summing are a network card's work,
//! and here they would come out of the same cores as the nodes'.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// What the kernel puts before each frame: `struct virtio_net_hdr` of linux/virtio_net.h.
const OFFLOAD: usize = 10;
/// The largest segment, its headers and what is put before them.
const FRAME: usize = 1 << 17;
/// Readers look this often whether the switch has ended.
const LOOK: Duration = Duration::from_millis(200);
/// Octets of frames that wait for their time; more are lost, as in a real queue.
const WAITING: usize = 32 << 20;

/// Not yet in the libc crate's table for every target.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;
const PACKET_VNET_HDR: libc::c_int = 15;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub is_cut: bool,
    pub delay: Duration,
}

/// What went one way since the switch was started, frames that were cut not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub frames: u64,
    /// Whole frames, Ethernet's 14 octets included.
    pub octets: u64,
    /// UDP datagrams by the octets of their payload.
    pub datagrams: BTreeMap<usize, u64>,
}

impl Carried {
    /// What was added since an earlier look.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |size: &usize| earlier.datagrams.get(size).copied().unwrap_or(0);
        let new = self.datagrams.iter().map(|(size, n)| (*size, n - before(size))).filter(|(_, n)| *n > 0);
        Self { frames: self.frames - earlier.frames, octets: self.octets - earlier.octets, datagrams: new.collect() }
    }
}

pub struct Switch {
    shared: Arc<Shared>,
}

struct Shared {
    ports: Vec<OwnedFd>,
    /// Where an Ethernet address was seen last.
    seen: Mutex<HashMap<[u8; 6], usize>>,
    ways: Mutex<HashMap<(usize, usize), Way>>,
    frames: AtomicU64,
    carried: Mutex<BTreeMap<(usize, usize), Carried>>,
    late: Mutex<Delayed>,
    later: Condvar,
    ended: AtomicBool,
}

#[derive(Default)]
struct Delayed {
    frames: BinaryHeap<Late>,
    octets: usize,
}

/// A frame that waits; the earliest is the greatest.
struct Late {
    at: Instant,
    number: u64,
    to: usize,
    frame: Vec<u8>,
}

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Late {}

impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Late {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Switch {
    /// Joins interfaces of the calling thread's network namespace.
    ///
    /// # Errors
    /// When a packet socket cannot be had.
    pub fn start(interfaces: &[String]) -> anyhow::Result<Self> {
        let ports = interfaces.iter().map(|name| port(name).with_context(|| format!("a packet socket on {name}")));
        let shared = Arc::new(Shared {
            ports: ports.collect::<anyhow::Result<_>>()?,
            seen: Mutex::default(),
            ways: Mutex::default(),
            frames: AtomicU64::new(0),
            carried: Mutex::default(),
            late: Mutex::default(),
            later: Condvar::new(),
            ended: AtomicBool::new(false),
        });
        for port in 0..interfaces.len() {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name(format!("switch-port-{port}")).spawn(move || shared.forward(port))?;
        }
        let delayed = Arc::clone(&shared);
        thread::Builder::new().name("switch-delay".into()).spawn(move || delayed.deliver_late())?;
        Ok(Self { shared })
    }

    /// How frames go from one port to another from now on.
    ///
    /// # Panics
    /// When it has no such port: nothing would be cut or delayed.
    pub fn set_way(&self, from: usize, to: usize, way: Way) {
        assert!(from.max(to) < self.shared.ports.len(), "the switch has no way from {from} to {to}");
        lock(&self.shared.ways).insert((from, to), way);
    }

    /// By sender and receiver. Frames for everybody are counted for each.
    pub fn carried(&self) -> BTreeMap<(usize, usize), Carried> {
        lock(&self.shared.carried).clone()
    }

    /// Frames taken from hosts so far.
    pub fn frames(&self) -> u64 {
        self.shared.frames.load(Ordering::Relaxed)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.later.notify_all();
    }
}

impl Shared {
    fn forward(&self, from: usize) {
        let mut frame = vec![0u8; FRAME];
        while !self.ended.load(Ordering::Relaxed) {
            let Ok(length) = receive(&self.ports[from], &mut frame) else { continue };
            self.frames.fetch_add(1, Ordering::Relaxed);
            let Some(head) = frame[..length].get(OFFLOAD..OFFLOAD + 12) else { continue };
            let (mut to, mut sender) = ([0; 6], [0; 6]);
            to.copy_from_slice(&head[..6]);
            sender.copy_from_slice(&head[6..]);
            let target = {
                let mut seen = lock(&self.seen);
                seen.insert(sender, from);
                seen.get(&to).copied()
            };
            match target {
                Some(target) if to[0] & 1 == 0 => self.carry(from, target, &frame[..length]),
                _ => (0..self.ports.len()).filter(|p| *p != from).for_each(|p| self.carry(from, p, &frame[..length])),
            }
        }
    }

    fn carry(&self, from: usize, to: usize, frame: &[u8]) {
        let way = lock(&self.ways).get(&(from, to)).copied().unwrap_or_default();
        if way.is_cut || from == to {
            return;
        }
        self.count(from, to, frame);
        if way.delay.is_zero() {
            return send(&self.ports[to], frame);
        }
        let mut late = lock(&self.late);
        if late.octets < WAITING {
            let number = self.frames.load(Ordering::Relaxed);
            late.octets += frame.len();
            late.frames.push(Late { at: Instant::now() + way.delay, number, to, frame: frame.to_vec() });
            self.later.notify_one();
        }
    }

    fn count(&self, from: usize, to: usize, frame: &[u8]) {
        let mut carried = lock(&self.carried);
        let way = carried.entry((from, to)).or_default();
        let pieces = Pieces::of(frame);
        way.frames += pieces.count;
        way.octets += pieces.octets;
        for size in pieces.datagrams {
            *way.datagrams.entry(size).or_default() += 1;
        }
    }

    fn deliver_late(&self) {
        let mut late = lock(&self.late);
        while !self.ended.load(Ordering::Relaxed) {
            let wait = late.frames.peek().map_or(LOOK, |first| first.at.saturating_duration_since(Instant::now()));
            if wait.is_zero() {
                if let Some(first) = late.frames.pop() {
                    late.octets -= first.frame.len();
                    send(&self.ports[first.to], &first.frame);
                }
                continue;
            }
            late = self.later.wait_timeout(late, wait).map_or_else(|e| e.into_inner().0, |(late, _)| late);
        }
    }
}

/// What goes over a cable for a frame that passes in one piece.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pieces {
    count: u64,
    octets: u64,
    /// Payload of each UDP datagram.
    datagrams: Vec<usize>,
}

impl Pieces {
    /// Of IPv4 and IPv6 without extension headers, in plain Ethernet: all that hosts here speak.
    fn of(frame: &[u8]) -> Self {
        let whole = Self { count: 1, octets: frame.len().saturating_sub(OFFLOAD) as u64, datagrams: Vec::new() };
        let Some((offload, ethernet)) = frame.split_at_checked(OFFLOAD) else { return whole };
        let most = usize::from(u16::from_ne_bytes([offload[4], offload[5]]));
        let Some((protocol, transport)) = transport(ethernet) else { return whole };
        let header = match protocol {
            UDP => 8,
            TCP => usize::from(ethernet.get(transport + 12).copied().unwrap_or(0x50) >> 4) * 4,
            _ => return whole,
        };
        let above = transport + header;
        let payload = match protocol {
            // Short frames are filled up to 60 octets: the datagram's own length counts.
            UDP => {
                ethernet.get(transport + 4..transport + 6).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])).saturating_sub(8))
            }
            _ => ethernet.len().saturating_sub(above),
        };
        let is_cut = most > 0 && payload > most;
        let count = if is_cut { payload.div_ceil(most) } else { 1 };
        let datagrams = if protocol == UDP {
            (0..count).map(|i| if is_cut { most.min(payload - i * most) } else { payload }).collect()
        } else {
            Vec::new()
        };
        Self { count: count as u64, octets: (ethernet.len() + (count - 1) * above) as u64, datagrams }
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// The protocol above IP, and where it begins.
fn transport(ethernet: &[u8]) -> Option<(u8, usize)> {
    match ethernet.get(12..14)? {
        [8, 0] => Some((*ethernet.get(23)?, 14 + usize::from(ethernet.get(14)? & 15) * 4)),
        [0x86, 0xdd] => Some((*ethernet.get(20)?, 14 + 40)),
        _ => None,
    }
}

/// A socket for whole frames on an interface; with protocol 0 it receives none.
///
/// # Errors
/// When we are not root, or there is no such interface in the calling thread's namespace.
pub fn packet_socket(interface: &str, protocol: libc::c_int) -> io::Result<OwnedFd> {
    let index = nix::net::if_::if_nametoindex(interface)?;
    // SAFETY: plain system calls on a socket made here, with structures of the size they are told.
    unsafe {
        let protocol = (protocol as u16).to_be();
        let raw = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, i32::from(protocol));
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(raw);
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = protocol;
        address.sll_ifindex = i32::try_from(index).unwrap_or(0);
        let size = size_of::<libc::sockaddr_ll>() as u32;
        if libc::bind(raw, (&raw const address).cast(), size) != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(socket)
    }
}

fn port(interface: &str) -> io::Result<OwnedFd> {
    let socket = packet_socket(interface, libc::ETH_P_ALL)?;
    let raw = socket.as_raw_fd();
    // SAFETY: options of a socket that lives through it, with values of the size they are told.
    unsafe {
        let one: libc::c_int = 1;
        let patience = libc::timeval { tv_sec: 0, tv_usec: LOOK.subsec_micros().into() };
        let room: libc::c_int = 8 << 20;
        let set = |level, name, value: *const libc::c_void, size: usize| libc::setsockopt(raw, level, name, value, size as u32);
        let mut failed = set(libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, (&raw const one).cast(), size_of_val(&one));
        failed |= set(libc::SOL_PACKET, PACKET_VNET_HDR, (&raw const one).cast(), size_of_val(&one));
        failed |= set(libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const patience).cast(), size_of_val(&patience));
        failed |= set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, (&raw const room).cast(), size_of_val(&room));
        if failed != 0 { Err(io::Error::last_os_error()) } else { Ok(socket) }
    }
}

fn receive(port: &OwnedFd, frame: &mut [u8]) -> nix::Result<usize> {
    nix::sys::socket::recv(port.as_raw_fd(), frame, nix::sys::socket::MsgFlags::empty())
}

/// A frame that a full interface does not take is lost, as on a cable.
fn send(port: &OwnedFd, frame: &[u8]) {
    let _ = nix::sys::socket::send(port.as_raw_fd(), frame, nix::sys::socket::MsgFlags::MSG_DONTWAIT);
}

/// Turns off what a cable between two hosts of one kernel leaves to a network card that is not there: sums, and cutting
/// large segments. (`ETHTOOL_STXCSUM`, `ETHTOOL_STSO`, `ETHTOOL_SGSO`, `ETHTOOL_SGRO` of linux/ethtool.h.)
///
/// # Errors
/// When there is no such interface in the calling thread's namespace.
pub fn without_offloads(interface: &str) -> io::Result<()> {
    [0x17, 0x1f, 0x24, 0x2c].into_iter().try_for_each(|command| ethtool(interface, command, 0))
}

/// Makes one end of a veth pair take frames that an XDP program at the other end sends back: they go through the receive queue that
/// the driver has only with GRO, or with a program of its own.
///
/// # Errors
/// When there is no such interface in the calling thread's namespace.
pub fn receives_frames(interface: &str) -> io::Result<()> {
    ethtool(interface, 0x2c, 1)
}

fn ethtool(interface: &str, command: u32, data: u32) -> io::Result<()> {
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").or_else(|_| std::net::UdpSocket::bind("0.0.0.0:0"))?;
    let mut value = Value { command, data };
    // SAFETY: an ifreq whose name ends with a zero, and a value that outlives the call.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes().take(libc::IFNAMSIZ - 1)) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_data = (&raw mut value).cast();
        match libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
