//! The map `FRONT`, which userspace reads and writes through memory. Words are atomic: the program may read any of them at any moment,
//! and finds the old one or the new one.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};

use postern_ebpf_abi::allow::BITS_WORDS;
use postern_ebpf_abi::ban::FILTER_WORDS;
use postern_ebpf_abi::config::{Config, ports};
use postern_ebpf_abi::front::Front;
use postern_ebpf_abi::steer::address::FILTER_WORDS as DESTINATION_WORDS;

use super::table::{TableError, shape_of};

const WORDS: usize = size_of::<Front>() / 8;
const CONFIG: usize = offset_of!(Front, config) / 8;
const CONFIG_WORDS: usize = size_of::<Config>() / 8;
const PORTS: usize = offset_of!(Front, ports) / 8;
const DESTINATIONS: usize = offset_of!(Front, destinations) / 8;
const ALLOW: usize = offset_of!(Front, allow) / 8;
const BANS: usize = offset_of!(Front, bans) / 8;

#[derive(Debug)]
pub struct FrontMap {
    words: NonNull<AtomicU64>,
}

// SAFETY: the mapping belongs to this value alone and is only used as atomic words.
unsafe impl Send for FrontMap {}
// SAFETY: as above.
unsafe impl Sync for FrontMap {}

impl FrontMap {
    /// # Errors
    /// When the map is of another layout, or cannot be mapped.
    pub fn open(fd: OwnedFd) -> Result<Self, TableError> {
        let error = |what, source| TableError { map: "FRONT".to_owned(), what, source };
        if shape_of("FRONT", fd.as_fd())?.value_size as usize != size_of::<Front>() {
            return Err(error("another version", io::Error::from(io::ErrorKind::InvalidData)));
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of the whole value; it keeps the map alive by itself.
        let at = unsafe { libc::mmap(ptr::null_mut(), size_of::<Front>(), protection, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
        match NonNull::new(at.cast()) {
            Some(words) if at != libc::MAP_FAILED => Ok(Self { words }),
            _ => Err(error("mapping into memory", io::Error::last_os_error())),
        }
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: so many words are mapped as long as this value lives.
        unsafe { slice::from_raw_parts(self.words.as_ptr(), WORDS) }
    }

    fn get(&self, at: usize) -> u64 {
        self.words()[at].load(Ordering::Relaxed)
    }

    fn set(&self, at: usize, words: &[u64]) {
        for (to, word) in self.words()[at..].iter().zip(words) {
            to.store(*word, Ordering::Release);
        }
    }

    pub fn config(&self) -> Config {
        let words: [u64; CONFIG_WORDS] = std::array::from_fn(|i| self.get(CONFIG + i));
        // SAFETY: as large, and every bit pattern is a value.
        unsafe { std::mem::transmute(words) }
    }

    /// The configuration in force; `None` where it was never set.
    pub fn configured(&self) -> Option<Config> {
        Some(self.config()).filter(|c| c.seed != 0 && c.version == postern_ebpf_abi::VERSION)
    }

    pub fn set_config(&self, config: &Config) {
        // SAFETY: as large, without padding.
        let words: [u64; CONFIG_WORDS] = unsafe { std::mem::transmute(*config) };
        self.set(CONFIG, &words);
    }

    pub fn port_word(&self, word: u32) -> u64 {
        self.get(PORTS + (word % ports::WORDS) as usize)
    }

    /// Replaces the table of ports.
    pub fn set_ports(&self, service: &[u16], smtp: &[u16]) {
        let mut words = [0u64; ports::WORDS as usize];
        for (list, role) in [(service, ports::SERVICE), (smtp, ports::SMTP)] {
            for port in list {
                let word = &mut words[ports::word(*port) as usize];
                *word = ports::with(*word, *port, role);
            }
        }
        self.set(PORTS, &words);
    }

    pub fn destination_bits(&self, word: u32) -> u64 {
        self.get(DESTINATIONS + (word % DESTINATION_WORDS) as usize)
    }

    /// Replaces the bits of destinations with a role.
    pub fn set_destination_bits(&self, words: &[u64]) {
        self.set(DESTINATIONS, &words[..words.len().min(DESTINATION_WORDS as usize)]);
    }

    pub fn allow_bits(&self, word: u32) -> u64 {
        self.get(ALLOW + (word % BITS_WORDS) as usize)
    }

    /// Replaces the bits before the allow list.
    pub fn set_allow_bits(&self, words: &[u64]) {
        self.set(ALLOW, &words[..words.len().min(BITS_WORDS as usize)]);
    }

    pub fn ban_filter(&self, word: u32) -> u64 {
        self.get(BANS + (word % FILTER_WORDS) as usize)
    }

    pub fn set_ban_filter(&self, word: u32, bits: u64) {
        self.set(BANS + (word % FILTER_WORDS) as usize, &[bits]);
    }
}

impl Drop for FrontMap {
    fn drop(&mut self) {
        // SAFETY: mapped in `open`, and no reference outlives this value.
        unsafe { libc::munmap(self.words.as_ptr().cast(), size_of::<Front>()) };
    }
}
