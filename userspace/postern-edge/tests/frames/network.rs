//! Network namespaces for tests.

use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};
use postern_edge::kernel::run::{Runner, XDP_PASS};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A new network namespace, alive as long as the descriptor.
pub fn namespace() -> OwnedFd {
    thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        std::fs::File::open("/proc/thread-self/ns/net").unwrap().into()
    })
    .join()
    .unwrap()
}

/// Runs `work` in a thread of that namespace.
pub fn within<T: Send>(namespace: &OwnedFd, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            enter(namespace);
            work()
        });
        inside.join().unwrap()
    })
}

/// This thread lives there from now on.
pub fn enter(namespace: &OwnedFd) {
    setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
}

/// As `ip` names it.
pub fn path_of(namespace: &OwnedFd) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd())
}

pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().expect("ip (Debian package iproute2)");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A setting of this namespace below /proc/sys/net.
pub fn sysctl(name: &str, value: &str) {
    // Of the namespace of the thread that opens it.
    std::fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|e| panic!("{name}: {e}"));
}

pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

/// `ETHTOOL_STXCSUM` (linux/ethtool.h).
const TX_CHECKSUMS: u32 = 0x17;
/// `XDP_FLAGS_DRV_MODE` (linux/if_link.h).
const NATIVE: u32 = 4;

/// Checksums are made when a packet is sent: those that a card would fill in later are lost when XDP sends the frame on.
pub fn without_offload(interface: &str) {
    let mut asked = [TX_CHECKSUMS, 0u32];
    // SAFETY: the kernel reads the name and the two words behind the pointer, which outlive the call.
    let failed = unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_data = asked.as_mut_ptr().cast();
        let failed = libc::ioctl(socket, libc::SIOCETHTOOL as _, &raw mut request);
        libc::close(socket);
        failed
    };
    assert_eq!(failed, 0, "{interface}: {}", std::io::Error::last_os_error());
}

/// Prepares one end of a veth pair for what a program at the other end sends by itself (`XDP_TX`, a redirect). Without a program of its own
/// this end is not woken for such frames; the kernel says nothing about them (veth_xdp_flush in drivers/net/veth.c).
pub fn takes_xdp(interface: &str) {
    let program = Runner::empty(XDP_PASS).unwrap();
    let index = nix::net::if_::if_nametoindex(interface).unwrap();
    // SAFETY: plain numbers; the interface keeps the program.
    let failed = unsafe { libbpf_sys::bpf_xdp_attach(index as i32, program.fd().as_raw_fd(), NATIVE, std::ptr::null()) };
    assert_eq!(failed, 0, "{interface}");
}
