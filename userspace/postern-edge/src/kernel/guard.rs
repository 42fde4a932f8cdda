//! The program in the kernel: loaded, attached, pinned, replaced while it runs, found again after a restart.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::{ProgramArray, RingBuf};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::XdpLink;
use aya::programs::{Xdp, XdpMode as Flavour};
use aya::{Ebpf, EbpfLoader};
use libbpf_sys as sys;
use postern_ebpf_abi::config::{Config, feature};
use postern_ebpf_abi::handover::jump;
use postern_ebpf_abi::sample::Sample;
use postern_model::settings::edge::XdpMode;

use super::maps::{KernelMaps, NAMES, duplicate, fits};
use super::object::{JUMPS, OBJECT, PROGRAM};
use super::pins::{Pins, PinsError, Which};
use super::run::{Runner, permitted};
use super::table::{TableError, check, shape_of};

#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("this process may not use bpf(): {0}; run edge with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")]
    NotPermitted(#[source] io::Error),
    #[error("the XDP program does not load: {0}")]
    Load(String),
    #[error(transparent)]
    Pins(#[from] PinsError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("interface {interface}: {why}")]
    Interface { interface: String, why: String },
}

/// How a link runs; the name is part of its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Native,
    Generic,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

pub struct Guard {
    pins: Pins,
    /// Where the programs that this one goes on to are pinned; none where it goes on to none.
    jumps: Option<PathBuf>,
    maps: Arc<KernelMaps>,
    ebpf: Ebpf,
    features: u32,
    max_bans: u32,
    samples: RingBuf<aya::maps::MapData>,
}

impl Guard {
    /// Loads the program over the pinned maps, or over new ones where there are none or where they are of another layout. Nothing is
    /// attached or replaced yet: fill the maps first, then call [`Guard::guard`].
    ///
    /// # Errors
    /// When bpf() is not permitted, the directory is no bpffs, or the kernel refuses the program.
    pub fn open(pins: Pins, features: u32, max_bans: u32) -> Result<Self, GuardError> {
        permitted().map_err(GuardError::NotPermitted)?;
        if !pinned_maps_fit(&pins)? {
            tracing::warn!(dir = %pins.maps().display(), "pinned maps of another layout are replaced");
            pins.remove_maps(Which::ThisVersion)?;
        }
        let max_bans = max_bans.clamp(1, 1 << 24);
        let (mut ebpf, jumps) = load(&pins, features, max_bans)?;
        let maps = KernelMaps::open(|name| {
            let error = |source| TableError { map: name.to_owned(), what: "is not in the object", source };
            duplicate(ebpf.map(name).ok_or_else(|| error(io::Error::from(io::ErrorKind::NotFound)))?).map_err(error)
        })?;
        maps.prepare_feeds()?;
        if maps.front.configured().is_none() {
            let config = Config { seed: rand::random::<u64>() | 1, version: postern_ebpf_abi::VERSION, ..Config::default() };
            maps.front.set_config(&config);
        }
        let samples = ebpf.take_map("SAMPLES").ok_or_else(|| GuardError::Load("the object has no map SAMPLES".into()))?;
        let samples = RingBuf::try_from(samples).map_err(|e| GuardError::Load(e.to_string()))?;
        Ok(Self { pins, jumps, maps: Arc::new(maps), ebpf, features, max_bans, samples })
    }

    pub fn maps(&self) -> &Arc<KernelMaps> {
        &self.maps
    }

    pub fn features(&self) -> u32 {
        self.features
    }

    /// Guards exactly these interfaces: each gets the program in its link (replaced without a gap where one is pinned),
    /// links of other interfaces are taken away. What became of each, in order.
    ///
    /// # Errors
    /// Only what concerns all of them; an interface's own trouble stands in its place in the list.
    pub fn guard(&mut self, interfaces: &[String], mode: XdpMode) -> Result<Vec<Result<Mode, GuardError>>, GuardError> {
        for (interface, old) in self.pins.pinned_links() {
            if !interfaces.contains(&interface) {
                self.pins.remove(&self.pins.link(&interface, &old))?;
                tracing::info!(interface, "no longer guarded");
            }
        }
        let outcome = interfaces.iter().map(|name| self.guard_one(name, mode)).collect();
        self.pin_program()?;
        self.forget_old_jumps()?;
        self.pins.remove_maps(Which::OtherVersions)?;
        Ok(outcome)
    }

    /// Loads the program with other features and puts it into every link in force.
    ///
    /// # Errors
    /// When it does not load; then the old one stays.
    pub fn set_features(&mut self, features: u32) -> Result<(), GuardError> {
        if features == self.features {
            return Ok(());
        }
        let (fresh, jumps) = load(&self.pins, features, self.max_bans)?;
        let old = std::mem::replace(&mut self.ebpf, fresh);
        self.jumps = jumps;
        self.features = features;
        for (interface, mode) in self.pins.pinned_links() {
            let path = self.pins.link(&interface, &mode);
            // Its interface was taken away: the link guards nothing, and must not keep the others from the new program.
            if self.pins.get(&path)?.and_then(|fd| link_interface(&fd)).is_none() {
                continue;
            }
            self.replace(&path).map_err(|why| GuardError::Interface { interface, why })?;
        }
        self.pin_program()?;
        self.forget_old_jumps()?;
        drop(old);
        Ok(())
    }

    /// Takes the program off all interfaces.
    ///
    /// # Errors
    /// When a pin cannot be removed.
    pub fn release(&mut self) -> Result<(), GuardError> {
        for (interface, mode) in self.pins.pinned_links() {
            self.pins.remove(&self.pins.link(&interface, &mode))?;
        }
        self.pins.remove(&self.pins.program())?;
        self.jumps = None;
        self.forget_old_jumps()
    }

    /// Whether an interface's link is still alive: one whose interface was taken away is not.
    pub fn is_attached(&self, interface: &str) -> bool {
        let index = index_of(interface);
        self.pins.pinned_links().iter().any(|(name, mode)| {
            name == interface
                && index.is_some()
                && self.pins.get(&self.pins.link(name, mode)).ok().flatten().and_then(|fd| link_interface(&fd)) == index
        })
    }

    /// The program, to give packets to.
    ///
    /// # Errors
    /// When descriptors are exhausted.
    pub fn runner(&self) -> Result<Runner, GuardError> {
        let program = self.ebpf.program(PROGRAM).and_then(|p| <&Xdp>::try_from(p).ok()).ok_or_else(no_program)?;
        let fd = program.fd().map_err(|e| GuardError::Load(e.to_string()))?;
        fd.as_fd().try_clone_to_owned().map(Runner::new).map_err(|e| GuardError::Load(e.to_string()))
    }

    /// The next sample of a dropped packet.
    pub fn next_sample(&mut self) -> Option<Sample> {
        while let Some(item) = self.samples.next() {
            if item.len() >= size_of::<Sample>() {
                // SAFETY: the program writes whole samples; every bit pattern is one.
                return Some(unsafe { item.as_ptr().cast::<Sample>().read_unaligned() });
            }
        }
        None
    }

    fn guard_one(&mut self, interface: &str, mode: XdpMode) -> Result<Mode, GuardError> {
        let error = |why: String| GuardError::Interface { interface: interface.to_owned(), why };
        let index = index_of(interface).ok_or_else(|| error("no such interface".into()))?;
        let wanted: &[Mode] = match mode {
            XdpMode::Auto => &[Mode::Native, Mode::Generic],
            XdpMode::Native => &[Mode::Native],
            XdpMode::Generic => &[Mode::Generic],
        };
        for (name, old) in self.pins.pinned_links() {
            if name != interface {
                continue;
            }
            let path = self.pins.link(&name, &old);
            let kept = wanted.iter().find(|m| m.name() == old);
            let alive = self.pins.get(&path)?.and_then(|fd| link_interface(&fd)) == Some(index);
            match kept {
                Some(kept) if alive => match self.replace(&path) {
                    Ok(()) => return Ok(*kept),
                    Err(why) => tracing::warn!(interface, "the link in force does not take the program, it is made anew: {why}"),
                },
                _ => {}
            }
            self.pins.remove(&path)?;
        }
        let mut refused = String::new();
        for mode in wanted {
            match self.attach(index, &self.pins.link(interface, mode.name()), *mode) {
                Ok(()) => return Ok(*mode),
                Err(why) => refused = if refused.is_empty() { why } else { format!("{refused}; {why}") },
            }
        }
        Err(error(refused))
    }

    fn attach(&mut self, index: u32, pin: &Path, mode: Mode) -> Result<(), String> {
        let flavour = match mode {
            Mode::Native => Flavour::Driver,
            Mode::Generic => Flavour::Skb,
        };
        let program = program_of(&mut self.ebpf).map_err(|e| e.to_string())?;
        let refused = |e: &dyn std::error::Error| format!("{} mode: {}", mode.name(), chain(e));
        let id = program.attach_to_if_index(index, flavour).map_err(|e| refused(&e))?;
        let link: FdLink = program.take_link(id).map_err(|e| refused(&e))?.try_into().map_err(|e| refused(&e))?;
        link.pin(pin).map_err(|e| refused(&e))?;
        Ok(())
    }

    /// Puts the program into a pinned link; the kernel exchanges them atomically.
    fn replace(&mut self, pin: &Path) -> Result<(), String> {
        let link: FdLink = PinnedLink::from_pin(pin).map_err(|e| chain(&e))?.into();
        let link: XdpLink = link.try_into().map_err(|e| chain(&e))?;
        let program = program_of(&mut self.ebpf).map_err(|e| e.to_string())?;
        let id = program.attach_to_link(link).map_err(|e| chain(&e))?;
        // The pin alone keeps the link: held by the program, too, it would outlive its pin.
        program.take_link(id).map(drop).map_err(|e| chain(&e))
    }

    /// Unpins the programs that programs before this one went on to. The kernel empties a map of programs with its last pin: a packet
    /// that is on its way through an old program must be through first.
    fn forget_old_jumps(&self) -> Result<(), GuardError> {
        let old: Vec<PathBuf> = self.pins.pinned_jumps().into_iter().filter(|path| Some(path) != self.jumps.as_ref()).collect();
        if !old.is_empty() {
            self.maps.wait_for_packets()?;
        }
        for path in old {
            self.pins.remove(&path)?;
        }
        Ok(())
    }

    fn pin_program(&mut self) -> Result<(), GuardError> {
        let path = self.pins.program();
        self.pins.remove(&path)?;
        let program = program_of(&mut self.ebpf)?;
        program.pin(&path).map_err(|e| GuardError::Load(chain(&e)))
    }
}

/// The program, and the pin of those that it goes on to. Each load has its own, so that a link gets all of them in one step.
fn load(pins: &Pins, features: u32, max_bans: u32) -> Result<(Ebpf, Option<PathBuf>), GuardError> {
    let paths: Vec<_> = NAMES.iter().map(|name| (*name, pins.map(name))).collect();
    let mut loader = EbpfLoader::new();
    loader.override_global("FEATURES", &features, true);
    for name in ["BANS_V4", "BANS_V6"] {
        loader.map_max_entries(name, max_bans);
    }
    for (name, path) in &paths {
        loader.map_pin_path(name, path.as_path());
    }
    let mut ebpf = loader.load(OBJECT).map_err(|e| GuardError::Load(chain(&e)))?;
    program_of(&mut ebpf)?.load().map_err(|e| GuardError::Load(chain(&e)))?;
    if features & (feature::STEER | feature::COOKIES) == 0 {
        return Ok((ebpf, None));
    }
    let refused = |name: &str, e: &dyn std::error::Error| GuardError::Load(format!("{name}: {}", chain(e)));
    let jumps = ebpf.take_map(JUMPS).ok_or_else(|| GuardError::Load(format!("the object has no map {JUMPS}")))?;
    let mut jumps = ProgramArray::try_from(jumps).map_err(|e| refused(JUMPS, &e))?;
    for (number, name) in jump::PROGRAMS.iter().enumerate() {
        let program = ebpf.program_mut(name).and_then(|p| <&mut Xdp>::try_from(p).ok());
        let program = program.ok_or_else(|| GuardError::Load(format!("the object has no XDP program {name}")))?;
        program.load().map_err(|e| refused(name, &e))?;
        let fd = program.fd().map_err(|e| refused(name, &e))?;
        jumps.set(number as u32, fd, 0).map_err(|e| refused(name, &e))?;
    }
    let pin = pins.next_jumps();
    jumps.pin(&pin).map_err(|e| refused(JUMPS, &e))?;
    Ok((ebpf, Some(pin)))
}

/// Maps of an earlier process are used again only if all are there, with our layout.
fn pinned_maps_fit(pins: &Pins) -> Result<bool, GuardError> {
    let mut found = 0;
    for name in NAMES {
        let Some(fd) = pins.get(&pins.map(name))? else { continue };
        found += 1;
        if !fits(name, shape_of(name, fd.as_fd())?) {
            return Ok(false);
        }
    }
    Ok(found == 0 || found == NAMES.len())
}

fn program_of(ebpf: &mut Ebpf) -> Result<&mut Xdp, GuardError> {
    ebpf.program_mut(PROGRAM).and_then(|p| <&mut Xdp>::try_from(p).ok()).ok_or_else(no_program)
}

fn no_program() -> GuardError {
    GuardError::Load(format!("the object has no XDP program {PROGRAM}"))
}

fn index_of(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}

/// Index of the interface that an XDP link is on; `None` when that is gone.
fn link_interface(link: &OwnedFd) -> Option<u32> {
    let mut info = sys::bpf_link_info::default();
    let mut length = size_of::<sys::bpf_link_info>() as u32;
    // SAFETY: `length` octets lie behind the pointer.
    check(unsafe { sys::bpf_obj_get_info_by_fd(link.as_raw_fd(), (&raw mut info).cast(), &raw mut length) }).ok()?;
    // SAFETY: every bit pattern is a number; the kernel fills this field for XDP links.
    let index = unsafe { info.__bindgen_anon_1.xdp.ifindex };
    (info.type_ == sys::BPF_LINK_TYPE_XDP && index != 0).then_some(index)
}

/// An error with all its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let more = e.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = e.source();
    }
    // The verifier's log can be megabytes: its end says what it refused.
    match text.char_indices().rev().nth(2000) {
        Some((at, _)) => format!("… {}", &text[at..]),
        None => text,
    }
}
