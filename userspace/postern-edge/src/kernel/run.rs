//! Running XDP programs without a network (`BPF_PROG_TEST_RUN`), and the two tiny programs that need no compiler:
//! the probe for "may we use bpf() here at all?", and the one that gives each run another source address.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use libbpf_sys as sys;

use super::table::{check, owned};

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_TX: u32 = 3;
pub const XDP_REDIRECT: u32 = 4;

/// Octets by which a program may lengthen a packet: the outer header of a tunnel.
const MOST_ADDED: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ran {
    /// What the program returned: [`XDP_DROP`], [`XDP_PASS`], ….
    pub action: u32,
    /// Mean time of one run as the kernel measured it, whole nanoseconds.
    pub each: Duration,
}

/// Source addresses to choose from at random: those that have the fixed bits and any of the varying ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    pub fixed: u32,
    pub varying: u32,
}

impl Rotation {
    /// All of IPv4.
    pub const ALL: Self = Self { fixed: 0, varying: u32::MAX };
}

/// A loaded XDP program that packets can be given to.
#[derive(Debug)]
pub struct Runner {
    program: OwnedFd,
    /// The kernel empties a map of programs when its last descriptor is closed: it stays open as long as its user.
    _jump: Option<OwnedFd>,
}

impl Runner {
    pub fn new(program: OwnedFd) -> Self {
        Self { program, _jump: None }
    }

    /// A program that only returns `action`; what remains when ours costs nothing.
    ///
    /// # Errors
    /// When bpf() is not permitted here.
    pub fn empty(action: u32) -> io::Result<Self> {
        minimal(action).map(Self::new)
    }

    /// A program that writes a random IPv4 source address out of `addresses` into each packet and then goes on to `program`. Given one
    /// packet many times, `program` sees another address each time: a fixed one would measure a warm cache only. What a program that
    /// forwards changes (MAC addresses, TTL, type of service) is put back as well.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn rotating(program: BorrowedFd<'_>, addresses: Rotation) -> io::Result<Self> {
        // SAFETY: plain numbers.
        let jump = owned(unsafe { sys::bpf_map_create(sys::BPF_MAP_TYPE_PROG_ARRAY, c"rotate".as_ptr(), 4, 4, 1, ptr::null()) })?;
        let code = [
            op(0xbf, 6, 1, 0, 0),                        // r6 = ctx
            op(0x61, 7, 1, 0, 0),                        // r7 = ctx->data
            op(0x61, 2, 1, 4, 0),                        // r2 = ctx->data_end
            op(0xbf, 3, 7, 0, 0),                        // r3 = r7
            op(0x07, 3, 0, 0, 34),                       // r3 += 34: Ethernet and IPv4 header
            op(0x2d, 3, 2, 10, 0),                       // if r3 > r2 goto end
            op(0x85, 0, 0, 0, 7),                        // r0 = bpf_get_prandom_u32()
            op(0x54, 0, 0, 0, addresses.varying as i32), // w0 &= the bits that vary
            op(0x44, 0, 0, 0, addresses.fixed as i32),   // w0 |= the others
            op(0xdc, 0, 0, 0, 32),                       // to network order
            op(0x63, 7, 0, 26, 0),                       // the source address = r0
            op(0x62, 7, 0, 0, 0x0202_0202),              // MAC addresses: to 02:02:02:02:02:02,
            op(0x62, 7, 0, 4, 0x0102_0202),              // from 02:01 and zeros
            op(0x62, 7, 0, 8, 0),
            op(0x72, 7, 0, 15, 0),               // type of service
            op(0x72, 7, 0, 22, 64),              // TTL
            op(0xbf, 1, 6, 0, 0),                // r1 = ctx
            op(0x18, 2, 1, 0, jump.as_raw_fd()), // r2 = map
            op(0, 0, 0, 0, 0),                   // (second half)
            op(0xb7, 3, 0, 0, 0),                // r3 = 0
            op(0x85, 0, 0, 0, 12),               // bpf_tail_call(ctx, map, 0)
            op(0xb7, 0, 0, 0, 0),                // end: r0 = XDP_ABORTED
            op(0x95, 0, 0, 0, 0),                // return r0
        ];
        let rotating = load(&code)?;
        let (slot, raw) = (0u32, program.as_raw_fd());
        // SAFETY: key and value are four octets each.
        check(unsafe { sys::bpf_map_update_elem(jump.as_raw_fd(), (&raw const slot).cast(), (&raw const raw).cast(), 0) })?;
        Ok(Self { program: rotating, _jump: Some(jump) })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }

    /// Gives `packet` to the program `repeat` times.
    ///
    /// # Errors
    /// When the kernel refuses: a packet below 14 octets, no rights.
    pub fn run(&self, packet: &[u8], repeat: u32) -> io::Result<Ran> {
        let mut options = options(packet, repeat);
        // SAFETY: the packet outlives the call.
        check(unsafe { sys::bpf_prog_test_run_opts(self.program.as_raw_fd(), &raw mut options) })?;
        Ok(Ran { action: options.retval, each: Duration::from_nanos(options.duration.into()) })
    }

    /// Gives `packet` to the program once; what it did, and the packet as it left it.
    ///
    /// # Errors
    /// As for [`Runner::run`].
    pub fn run_out(&self, packet: &[u8]) -> io::Result<(Ran, Vec<u8>)> {
        let mut out = vec![0u8; packet.len() + MOST_ADDED];
        let mut options = options(packet, 1);
        options.data_out = out.as_mut_ptr().cast();
        options.data_size_out = out.len() as u32;
        // SAFETY: both packets outlive the call.
        check(unsafe { sys::bpf_prog_test_run_opts(self.program.as_raw_fd(), &raw mut options) })?;
        out.truncate(options.data_size_out as usize);
        Ok((Ran { action: options.retval, each: Duration::from_nanos(options.duration.into()) }, out))
    }

    /// Sends `count` copies of `packet` as live frames of the interface with index `interface`: what the program passes goes
    /// up the network stack.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn live(&self, packet: &[u8], count: u32, interface: u32) -> io::Result<()> {
        let context = sys::xdp_md { data_end: packet.len() as u32, ingress_ifindex: interface, ..Default::default() };
        let mut options = options(packet, count);
        options.ctx_in = ptr::from_ref(&context).cast();
        options.ctx_size_in = size_of::<sys::xdp_md>() as u32;
        options.flags = sys::BPF_F_TEST_XDP_LIVE_FRAMES;
        options.batch_size = 64;
        // SAFETY: packet and context outlive the call.
        check(unsafe { sys::bpf_prog_test_run_opts(self.program.as_raw_fd(), &raw mut options) })
    }
}

/// Whether this process may load XDP programs.
///
/// # Errors
/// The kernel's refusal: `EPERM` without CAP_BPF and CAP_NET_ADMIN.
pub fn permitted() -> io::Result<()> {
    minimal(XDP_PASS).map(drop)
}

fn minimal(action: u32) -> io::Result<OwnedFd> {
    load(&[op(0xb7, 0, 0, 0, action as i32), op(0x95, 0, 0, 0, 0)])
}

fn load(code: &[sys::bpf_insn]) -> io::Result<OwnedFd> {
    let mut options = sys::bpf_prog_load_opts { sz: size_of::<sys::bpf_prog_load_opts>() as _, ..Default::default() };
    // As the guard is: programs that call each other must agree on fragments and on how they are attached.
    options.prog_flags = sys::BPF_F_XDP_HAS_FRAGS;
    options.expected_attach_type = sys::BPF_XDP;
    // SAFETY: code and names outlive the call.
    owned(unsafe {
        sys::bpf_prog_load(
            sys::BPF_PROG_TYPE_XDP,
            c"postern_probe".as_ptr(),
            c"GPL".as_ptr(),
            code.as_ptr(),
            code.len() as _,
            &raw mut options,
        )
    })
}

fn options(packet: &[u8], repeat: u32) -> sys::bpf_test_run_opts {
    sys::bpf_test_run_opts {
        sz: size_of::<sys::bpf_test_run_opts>() as _,
        data_in: packet.as_ptr().cast(),
        data_size_in: packet.len() as u32,
        repeat: repeat as i32,
        ..Default::default()
    }
}

fn op(code: u8, to: u8, from: u8, offset: i16, value: i32) -> sys::bpf_insn {
    let mut insn = sys::bpf_insn { code, off: offset, imm: value, ..Default::default() };
    insn.set_dst_reg(to);
    insn.set_src_reg(from);
    insn
}
