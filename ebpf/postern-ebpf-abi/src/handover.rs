//! From one program to the next: tail calls carry no arguments.

/// Numbers of programs in `JUMPS`, in order of [`PROGRAMS`].
pub mod jump {
    /// Steers a packet that the stages have let pass.
    pub const STEER: u32 = 0;
    /// All stages but the rates, and steering, for a packet out of a tunnel.
    pub const INNER: u32 = 1;
    /// Tells a sender that its packet is too big for a tunnel.
    pub const TOO_BIG: u32 = 2;
    /// Answers a SYN by a SYN cookie.
    pub const COOKIE: u32 = 3;
    /// Reads a packet whose headers lie in several pieces, for steering.
    pub const SCATTERED: u32 = 4;
    /// Steers what was read there.
    pub const STEER_READ: u32 = 5;
    pub const COUNT: u32 = 6;

    /// Their names in the object.
    pub const PROGRAMS: [&str; COUNT as usize] = ["steer", "inner", "too_big", "cookie", "scattered", "steer_read"];
}

/// The one element of the map `HANDOVER`, for each CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// Number of the reason so far.
    pub reason: u32,
    /// Number of the peer through whose tunnel it came, or [`crate::steer::decide::NO_PEER`].
    pub peer: u32,
    /// How often the packet out of a tunnel was forwarded.
    pub hop: u32,
    /// Whether the mark is to be taken off before the network stack sees the packet.
    pub mark_off: u32,
    /// Whether the answer goes back where the packet came from; else to the router.
    pub straight_back: u32,
    /// Largest packet for which the tunnel has room.
    pub limit: u32,
}
