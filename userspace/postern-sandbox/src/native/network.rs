//! The network of a native cell: one interface that leads back to itself, by which every address there is can be reached, and is ours.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The loopback interface is the first of every network namespace.
const LOOPBACK: u32 = 1;
/// linux/rtnetlink.h
const RT_TABLE_LOCAL: u8 = 255;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_HOST: u8 = 254;
const RTN_LOCAL: u8 = 2;
const RTA_OIF: u16 = 4;

/// # Errors
/// When the kernel refuses what the owner of a network may do.
pub fn up() -> io::Result<()> {
    start_loopback()?;
    route_all(libc::AF_INET)?;
    // A machine without IPv6 has one way less to be fooled.
    let _ = route_all(libc::AF_INET6);
    Ok(())
}

fn socket(family: libc::c_int, kind: libc::c_int, protocol: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: plain numbers.
    let fd = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn start_loopback() -> io::Result<()> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    // SAFETY: all zeros is a value of it.
    let mut request: libc::ifreq = unsafe { zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request outlives the call.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[repr(C)]
struct Route {
    header: libc::nlmsghdr,
    family: u8,
    to_length: u8,
    from_length: u8,
    tos: u8,
    table: u8,
    protocol: u8,
    scope: u8,
    kind: u8,
    flags: u32,
    /// The one attribute: by which interface.
    length: u16,
    attribute: u16,
    interface: u32,
}

/// `ip route add local default dev lo`
fn route_all(family: libc::c_int) -> io::Result<()> {
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    let route = Route {
        header: libc::nlmsghdr {
            nlmsg_len: size_of::<Route>() as u32,
            nlmsg_type: libc::RTM_NEWROUTE,
            nlmsg_flags: (libc::NLM_F_REQUEST | libc::NLM_F_CREATE | libc::NLM_F_ACK) as u16,
            nlmsg_seq: 1,
            nlmsg_pid: 0,
        },
        family: family as u8,
        to_length: 0,
        from_length: 0,
        tos: 0,
        table: RT_TABLE_LOCAL,
        protocol: RTPROT_BOOT,
        scope: RT_SCOPE_HOST,
        kind: RTN_LOCAL,
        flags: 0,
        length: 8,
        attribute: RTA_OIF,
        interface: LOOPBACK,
    };
    // SAFETY: the message is as long as it says.
    let sent = unsafe { libc::send(socket.as_raw_fd(), (&raw const route).cast(), size_of::<Route>(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = [0_u8; 256];
    // SAFETY: into a buffer of that length.
    let got = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    // A header of 16 octets, then the error: 0, or a negative errno.
    let error = answer.get(16..20).filter(|_| got >= 20).map_or(-libc::EIO, |e| i32::from_ne_bytes([e[0], e[1], e[2], e[3]]));
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-error)) }
}
