//! The watch over the sandbox's cells: which calls are worth a word, and how one looks in the ring.
//!
//! What it is not: it refuses nothing. Walls do that (docs/adr/0034-cells.md); this sees who runs against them.

/// Cells that are watched at a time.
pub const CELLS: u32 = 1024;
/// Sightings of one cell that are told; what is beyond them is counted. More than a report shows, and few enough that no cell
/// fills the ring for another.
pub const MOST: u64 = 512;
/// Octets of the ring.
pub const RING: usize = 2 << 20;
/// Octets of a text: longer than a report's.
pub const TEXT: usize = 320;
/// Numbers of calls that the table has room for.
pub const CALLS: u32 = 512;
/// Beside a call's number: it came by another door than the machine's own (`int 0x80`), and means another call.
pub const FOREIGN: u32 = 1 << 31;

/// What the program keeps of a cell, by its cgroup.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Told so far, those beyond [`MOST`] among them.
    pub told: u64,
    /// For which the ring had no room.
    pub lost: u64,
    /// Who is behind no more filters than that is one of ours.
    pub filters: u32,
    /// Calls that are not in the table are told as well.
    pub is_strict: u32,
}

/// What a sighting is of.
pub mod kind {
    /// A call as it is made.
    pub const CALL: u32 = 0;
    /// A program has been started.
    pub const EXEC: u32 = 1;
    /// A connection is opened.
    pub const CONNECT: u32 = 2;
    /// A file is opened to be written.
    pub const WRITE: u32 = 3;
}

/// One sighting, in the ring. Of the texts only as much as their lengths say was written.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Nanoseconds of CLOCK_BOOTTIME.
    pub at: u64,
    pub cgroup: u64,
    /// Of a call. The last two are none: an index is made safe by a mask.
    pub arguments: [u64; 8],
    pub process: u32,
    pub thread: u32,
    /// [`kind`].
    pub kind: u32,
    /// Number of the call, perhaps with [`FOREIGN`].
    pub call: u32,
    pub text_length: u32,
    pub more_length: u32,
    pub name: [u8; 16],
    pub text: [u8; TEXT],
    pub more: [u8; TEXT],
}

/// When a call is told.
pub mod rule {
    /// Not in the table.
    pub const UNKNOWN: u32 = 0;
    /// Never: whoever is at all does it.
    pub const ORDINARY: u32 = 1;
    pub const ALWAYS: u32 = 2;
    /// When its second, or third, argument opens a file to be written.
    pub const WRITES_BY_SECOND: u32 = 3;
    pub const WRITES_BY_THIRD: u32 = 4;
    /// When it makes memory that is run and is no file's.
    pub const MAPS_CODE: u32 = 5;
    /// When it makes memory one that is run.
    pub const BECOMES_CODE: u32 = 6;
    /// When its first argument, or what lies there, asks for namespaces.
    pub const NAMESPACES: u32 = 7;
    pub const NAMESPACES_IN_MEMORY: u32 = 8;
    /// When its fifth argument is one: without an address there is nothing to tell.
    pub const BY_FIFTH: u32 = 9;
}

/// No argument: of those that are always zero.
pub const NONE: u32 = 7;

/// How a call is looked at. The numbers are those of arguments.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// [`rule`].
    pub rule: u32,
    /// A text that ends with a zero.
    pub text: u32,
    pub more: u32,
    /// A socket's address, whose length is the argument behind it.
    pub address: u32,
}

impl Call {
    pub const UNKNOWN: Self = Self { rule: rule::UNKNOWN, text: NONE, more: NONE, address: NONE };
}

impl Default for Call {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const MAP_ANONYMOUS: u64 = 0x20;
/// O_WRONLY, O_RDWR, O_CREAT, O_TRUNC.
const WRITES: u64 = 1 | 2 | 0o100 | 0o1000;
/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
pub const NEW_NAMESPACES: u64 = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;

/// Whether a call is told. `in_memory`: the number that its first argument points to.
#[inline(always)]
pub fn is_told(rule: u32, is_strict: bool, arguments: &[u64; 8], in_memory: impl FnOnce() -> u64) -> bool {
    match rule {
        rule::UNKNOWN => is_strict,
        rule::ALWAYS => true,
        rule::WRITES_BY_SECOND => arguments[1] & WRITES != 0,
        rule::WRITES_BY_THIRD => arguments[2] & WRITES != 0,
        rule::MAPS_CODE => arguments[2] & PROT_EXEC != 0 && (arguments[3] & MAP_ANONYMOUS != 0 || arguments[2] & PROT_WRITE != 0),
        rule::BECOMES_CODE => arguments[2] & PROT_EXEC != 0,
        rule::NAMESPACES => arguments[0] & NEW_NAMESPACES != 0,
        rule::NAMESPACES_IN_MEMORY => in_memory() & NEW_NAMESPACES != 0,
        rule::BY_FIFTH => arguments[4] != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rule: u32, arguments: [u64; 6]) -> bool {
        let [a, b, c, d, e, f] = arguments;
        is_told(rule, false, &[a, b, c, d, e, f, 0, 0], || 0x1000_0000)
    }

    #[test]
    fn each_rule_has_what_it_tells_and_what_it_does_not() {
        for (rule, yes, no) in [
            (rule::WRITES_BY_SECOND, [0, 0o101, 0, 0, 0, 0], [0, 0o2_000_000, 0, 0, 0, 0]),
            (rule::WRITES_BY_THIRD, [0, 0, 2, 0, 0, 0], [0, 2, 0, 0, 0, 0]),
            // Memory of its own, a file's that may be written, and what the linker does with each library.
            (rule::MAPS_CODE, [0, 1, 7, 0x22, 0, 0], [0, 1, 5, 0x2, 3, 0]),
            (rule::MAPS_CODE, [0, 1, 6, 0x2, 3, 0], [0, 1, 3, 0x22, 3, 0]),
            (rule::BECOMES_CODE, [0, 1, 5, 0, 0, 0], [0, 1, 1, 0, 0, 0]),
            (rule::NAMESPACES, [0x1000_0011, 0, 0, 0, 0, 0], [0x0100_0011, 0, 0, 0, 0, 0]),
            (rule::BY_FIFTH, [0, 1, 1, 0, 1, 16], [0, 1, 1, 0, 0, 0]),
            (rule::ALWAYS, [0; 6], [0; 6]),
        ] {
            assert!(told(rule, yes), "{rule}");
            assert!(rule == rule::ALWAYS || !told(rule, no), "{rule}");
        }
        assert!(told(rule::NAMESPACES_IN_MEMORY, [0; 6]) && !is_told(rule::NAMESPACES_IN_MEMORY, true, &[0; 8], || 0x11));
        assert!(!told(rule::ORDINARY, [0; 6]) && !is_told(rule::ORDINARY, true, &[0; 8], || 0));
        assert!(!told(rule::UNKNOWN, [0; 6]) && is_told(rule::UNKNOWN, true, &[0; 8], || 0));
    }

    #[test]
    fn no_argument_is_none_of_six() {
        assert!(NONE >= 6 && (NONE as usize) < 8 && (Call::UNKNOWN.text, Call::default()) == (NONE, Call::UNKNOWN));
        assert_eq!(size_of::<Sight>() % 8, 0);
    }
}
