//! The watch's programs in the kernel: loaded, attached, told which cgroups, read.
//!
//! Their links are not pinned: when this process ends nobody reads what they see, and they end with it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::maps::{MapData, RingBuf};
use aya::programs::{BtfTracePoint, FEntry};
use aya::{Btf, Ebpf, EbpfLoader};
use libbpf_sys as sys;
use postern_ebpf_abi::watch::{Call, Cell, Sight};

use super::calls;
use super::fields::Fields;
use crate::kernel::maps::duplicate;
use crate::kernel::object::WATCH;
use crate::kernel::table::{Table, TableError, check};

/// Each program, and the function at whose beginning it stands.
const ENTRIES: &[(&str, &str)] =
    &[("attempt", "__secure_computing"), ("connected", "security_socket_connect"), ("opened", "security_file_open")];
const EXECUTED: (&str, &str) = ("executed", "sched_process_exec");
/// In place of the first of them, where the kernel lets nobody stand there.
const RETURNED: (&str, &str) = ("returned", "sys_exit");

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error("the watch does not run on this kind of machine")]
    Machine,
    #[error("this kernel does not say where its structures hold what is looked at: {0}")]
    Fields(#[source] io::Error),
    #[error("the watch does not load: {0}")]
    Load(String),
    #[error(transparent)]
    Table(#[from] TableError),
}

pub struct Programs {
    watched: Table<u64, Cell>,
    sights: RingBuf<MapData>,
    /// Of each program, to ask how often it was not run.
    descriptors: Vec<OwnedFd>,
    /// What is not seen, and why: nothing at the gate of seccomp and of the kernel's own copies.
    pub partly: Option<String>,
    /// Holds the links.
    _ebpf: Ebpf,
}

impl Programs {
    /// # Errors
    /// When bpf() is not permitted, or this kernel lacks what the programs hang on.
    pub fn load() -> Result<Self, WatchError> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err(WatchError::Machine);
        }
        let failed = |e: &dyn std::error::Error| WatchError::Load(crate::kernel::guard::chain(e));
        let fields = Fields::of_this_kernel().map_err(WatchError::Fields)?;
        let types = Btf::from_sys_fs().map_err(|e| failed(&e))?;
        let mut loader = EbpfLoader::new();
        loader.btf(Some(&types));
        loader.override_global("TASK_FILTERS", &fields.task_filters, true);
        loader.override_global("BINARY_NAME", &fields.binary_name, true);
        loader.override_global("FILE_MODE", &fields.file_mode, true);
        loader.override_global("FILE_PATH", &fields.file_path, true);
        let mut ebpf = loader.load(WATCH).map_err(|e| failed(&e))?;
        let mut descriptors = vec![at_point(&mut ebpf, EXECUTED, &types)?];
        let entered: Result<Vec<_>, _> = ENTRIES.iter().map(|entry| at_entry(&mut ebpf, *entry, &types)).collect();
        let partly = match entered {
            Ok(entered) => {
                descriptors.extend(entered);
                None
            }
            Err(why) => {
                descriptors.push(at_point(&mut ebpf, RETURNED, &types)?);
                Some(format!("calls that a tracer refuses, and the kernel's own copies of what calls name, are not seen: {why}"))
            }
        };

        let map = |name: &str| {
            let error = |source| TableError { map: name.to_owned(), what: "is not in the object", source };
            duplicate(ebpf.map(name).ok_or_else(|| error(io::Error::from(io::ErrorKind::NotFound)))?).map_err(error)
        };
        let told: Table<u32, Call> = Table::from_fd("CALLS_TOLD", map("CALLS_TOLD")?)?;
        for (number, call) in calls::table() {
            told.set(&number, &call)?;
        }
        let watched = Table::from_fd("WATCHED", map("WATCHED")?)?;
        let sights = ebpf.take_map("SIGHTS").ok_or_else(|| WatchError::Load("the object has no map SIGHTS".into()))?;
        let sights = RingBuf::try_from(sights).map_err(|e| failed(&e))?;
        Ok(Self { watched, sights, descriptors, partly, _ebpf: ebpf })
    }

    /// From now on, who is in this cgroup and behind more filters.
    ///
    /// # Errors
    /// As the kernel says: so many are watched already.
    pub fn add(&self, cgroup: u64, filters: u32, is_strict: bool) -> Result<(), TableError> {
        self.watched.set(&cgroup, &Cell { filters, is_strict: u32::from(is_strict), ..Cell::default() })
    }

    /// No more; what was counted.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn remove(&self, cgroup: u64) -> Result<Cell, TableError> {
        let cell = self.watched.get(&cgroup)?.unwrap_or_default();
        self.watched.delete(&cgroup)?;
        Ok(cell)
    }

    /// The next sighting, of any cell.
    pub fn next(&mut self) -> Option<Sight> {
        while let Some(item) = self.sights.next() {
            if item.len() >= size_of::<Sight>() {
                // SAFETY: the program writes whole sightings; every bit pattern is one.
                return Some(unsafe { item.as_ptr().cast::<Sight>().read_unaligned() });
            }
        }
        None
    }

    /// How often a program was not run because another process had interrupted it on the same processor.
    pub fn missed(&self) -> u64 {
        self.descriptors.iter().map(missed).sum()
    }

    /// Ready to be read when there is something.
    ///
    /// # Errors
    /// When descriptors are used up.
    pub fn ring(&self) -> io::Result<OwnedFd> {
        self.sights.as_fd().try_clone_to_owned()
    }
}

/// Stands at the beginning of a function of the kernel.
fn at_entry(ebpf: &mut Ebpf, (name, function): (&str, &str), types: &Btf) -> Result<OwnedFd, WatchError> {
    let failed = |e: &dyn std::error::Error| WatchError::Load(crate::kernel::guard::chain(e));
    let program: &mut FEntry = program(ebpf, name)?.try_into().map_err(|e| failed(&e))?;
    program.load(function, types).map_err(|e| failed(&e))?;
    program.attach().map_err(|e| failed(&e))?;
    let descriptor = program.fd().map_err(|e| failed(&e))?;
    descriptor.as_fd().try_clone_to_owned().map_err(|e| failed(&e))
}

/// Stands at a tracepoint.
fn at_point(ebpf: &mut Ebpf, (name, point): (&str, &str), types: &Btf) -> Result<OwnedFd, WatchError> {
    let failed = |e: &dyn std::error::Error| WatchError::Load(crate::kernel::guard::chain(e));
    let program: &mut BtfTracePoint = program(ebpf, name)?.try_into().map_err(|e| failed(&e))?;
    program.load(point, types).map_err(|e| failed(&e))?;
    program.attach().map_err(|e| failed(&e))?;
    let descriptor = program.fd().map_err(|e| failed(&e))?;
    descriptor.as_fd().try_clone_to_owned().map_err(|e| failed(&e))
}

fn program<'e>(ebpf: &'e mut Ebpf, name: &str) -> Result<&'e mut aya::programs::Program, WatchError> {
    ebpf.program_mut(name).ok_or_else(|| WatchError::Load(format!("the object has no program {name}")))
}

fn missed(program: &OwnedFd) -> u64 {
    let mut info = sys::bpf_prog_info::default();
    let mut length = size_of::<sys::bpf_prog_info>() as u32;
    // SAFETY: `length` octets lie behind the pointer.
    let told = check(unsafe { sys::bpf_obj_get_info_by_fd(program.as_raw_fd(), (&raw mut info).cast(), &raw mut length) });
    if told.is_ok() { info.recursion_misses } else { 0 }
}
