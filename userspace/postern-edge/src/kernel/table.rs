//! A kernel map with the types of its keys and values, over libbpf: single and batched access.

use std::ffi::{CString, c_void};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr;

use libbpf_sys as sys;
use postern_ebpf_abi::Plain;

/// Elements moved by one system call: large enough that the call costs nothing per element, small enough to stay
/// interruptible.
const BATCH: usize = 65_536;

#[derive(Debug, thiserror::Error)]
#[error("map {map}: {what}: {source}")]
pub struct TableError {
    pub map: String,
    pub what: &'static str,
    #[source]
    pub source: io::Error,
}

/// What a map is made of, as the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub kind: u32,
    pub key_size: u32,
    pub value_size: u32,
    pub max_entries: u32,
}

/// Kinds of maps made from userspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Array,
    /// An array that userspace writes through memory; those of a kind may differ in size within an array of maps.
    Mapped,
    Hash,
    /// A hash that makes room by dropping what was not used for longest.
    Recent,
}

#[derive(Debug)]
pub struct Table<K, V> {
    fd: OwnedFd,
    name: String,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: Plain, V: Plain> Table<K, V> {
    /// Takes over a map; its sizes are compared with the types'.
    ///
    /// # Errors
    /// When the kernel's sizes differ: a map of another version.
    pub fn from_fd(name: &str, fd: OwnedFd) -> Result<Self, TableError> {
        let shape = shape_of(name, fd.as_fd())?;
        // Per-CPU maps and arrays of maps are not opened here, so sizes are those of the types.
        if (shape.key_size as usize, shape.value_size as usize) != (size_of::<K>(), size_of::<V>()) {
            let text =
                format!("holds {}/{} octets per element, not {}/{}", shape.key_size, shape.value_size, size_of::<K>(), size_of::<V>());
            return Err(TableError { map: name.to_owned(), what: "another version", source: io::Error::other(text) });
        }
        Ok(Self { fd, name: name.to_owned(), types: PhantomData })
    }

    /// A new map, for an array of maps.
    ///
    /// # Errors
    /// When the kernel refuses: no memory, no rights.
    pub fn create(kind: Kind, name: &str, max_entries: u32) -> Result<Self, TableError> {
        let map_type = match kind {
            Kind::Array | Kind::Mapped => sys::BPF_MAP_TYPE_ARRAY,
            Kind::Hash => sys::BPF_MAP_TYPE_HASH,
            Kind::Recent => sys::BPF_MAP_TYPE_LRU_HASH,
        };
        let c_name = CString::new(name).unwrap_or_default();
        let (key, value) = (size_of::<K>() as u32, size_of::<V>() as u32);
        let mut options = sys::bpf_map_create_opts { sz: size_of::<sys::bpf_map_create_opts>() as _, ..Default::default() };
        options.map_flags = match kind {
            Kind::Array | Kind::Recent => 0,
            Kind::Mapped => sys::BPF_F_INNER_MAP | sys::BPF_F_MMAPABLE,
            Kind::Hash => sys::BPF_F_NO_PREALLOC,
        };
        // SAFETY: plain numbers and a NUL-terminated name that outlives the call.
        let fd = unsafe { sys::bpf_map_create(map_type, c_name.as_ptr(), key, value, max_entries, &raw const options) };
        let fd = owned(fd).map_err(|source| TableError { map: name.to_owned(), what: "cannot be made", source })?;
        Ok(Self { fd, name: name.to_owned(), types: PhantomData })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// # Errors
    /// As the kernel says; a missing key is `None`.
    pub fn get(&self, key: &K) -> Result<Option<V>, TableError> {
        let mut value = MaybeUninit::<V>::uninit();
        // SAFETY: sizes were compared when the map was opened.
        let failed = unsafe { sys::bpf_map_lookup_elem(self.raw(), ptr::from_ref(key).cast(), value.as_mut_ptr().cast()) };
        match check(failed) {
            // SAFETY: the kernel has written the value.
            Ok(()) => Ok(Some(unsafe { value.assume_init() })),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(source) => Err(self.error("lookup", source)),
        }
    }

    /// The same for values that are too large for a stack.
    ///
    /// # Errors
    /// As the kernel says; a missing key is `None`.
    pub fn get_boxed(&self, key: &K) -> Result<Option<Box<V>>, TableError> {
        let mut value = zeroed::<V>();
        // SAFETY: sizes were compared when the map was opened.
        let failed = unsafe { sys::bpf_map_lookup_elem(self.raw(), ptr::from_ref(key).cast(), (&raw mut *value).cast()) };
        match check(failed) {
            Ok(()) => Ok(Some(value)),
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(source) => Err(self.error("lookup", source)),
        }
    }

    /// # Errors
    /// As the kernel says: `E2BIG` when the map is full.
    pub fn set(&self, key: &K, value: &V) -> Result<(), TableError> {
        // SAFETY: sizes were compared when the map was opened.
        let failed = unsafe { sys::bpf_map_update_elem(self.raw(), ptr::from_ref(key).cast(), ptr::from_ref(value).cast(), 0) };
        check(failed).map_err(|source| self.error("update", source))
    }

    /// # Errors
    /// As the kernel says; deleting what is not there is no error.
    pub fn delete(&self, key: &K) -> Result<(), TableError> {
        // SAFETY: sizes were compared when the map was opened.
        let failed = unsafe { sys::bpf_map_delete_elem(self.raw(), ptr::from_ref(key).cast()) };
        match check(failed) {
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            other => other.map_err(|source| self.error("delete", source)),
        }
    }

    /// Sets many elements.
    ///
    /// # Errors
    /// As the kernel says; the elements before the one at fault are set.
    pub fn set_batch(&self, keys: &[K], values: &[V]) -> Result<(), TableError> {
        for (keys, values) in keys.chunks(BATCH).zip(values.chunks(BATCH)) {
            let mut count = keys.len().min(values.len()) as u32;
            let options = batch_options();
            // SAFETY: `count` elements lie behind both pointers.
            let failed = unsafe {
                sys::bpf_map_update_batch(self.raw(), keys.as_ptr().cast(), values.as_ptr().cast(), &raw mut count, &raw const options)
            };
            check(failed).map_err(|source| self.error("batch update", source))?;
        }
        Ok(())
    }

    /// Writes the first elements of a map of [`Kind::Mapped`] through memory: no system call and no copy for each.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn write(&self, values: &[V]) -> Result<(), TableError> {
        let shape = shape_of(&self.name, self.fd())?;
        // The kernel rounds elements up to 8 octets: others would not lie side by side.
        if !size_of::<V>().is_multiple_of(8) || values.len() > shape.max_entries as usize {
            return Err(self.error("write", io::Error::from(io::ErrorKind::InvalidInput)));
        }
        let octets = size_of_val(values);
        if octets == 0 {
            return Ok(());
        }
        // SAFETY: a new mapping, no longer than the map, unmapped at once; nobody else knows its address.
        unsafe {
            let to = libc::mmap(ptr::null_mut(), octets, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, self.raw(), 0);
            if to == libc::MAP_FAILED {
                return Err(self.error("mapping into memory", io::Error::last_os_error()));
            }
            ptr::copy_nonoverlapping(values.as_ptr().cast::<u8>(), to.cast::<u8>(), octets);
            libc::munmap(to, octets);
        }
        Ok(())
    }

    /// Deletes many elements; those that are not there are skipped.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn delete_batch(&self, keys: &[K]) -> Result<(), TableError> {
        let mut left = keys;
        while !left.is_empty() {
            let chunk = &left[..left.len().min(BATCH)];
            let mut count = chunk.len() as u32;
            let options = batch_options();
            // SAFETY: `count` elements lie behind the pointer.
            let failed = unsafe { sys::bpf_map_delete_batch(self.raw(), chunk.as_ptr().cast(), &raw mut count, &raw const options) };
            let done = match check(failed) {
                Ok(()) => chunk.len(),
                // `count` says how far it came; the next one is missing.
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => (count as usize + 1).min(chunk.len()),
                Err(source) => return Err(self.error("batch delete", source)),
            };
            left = &left[done..];
        }
        Ok(())
    }

    /// All keys. A map that changes meanwhile may repeat or miss some.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn keys(&self, limit: usize) -> Result<Vec<K>, TableError> {
        let mut keys: Vec<K> = Vec::new();
        let mut next = MaybeUninit::<K>::uninit();
        while keys.len() < limit {
            let last: *const c_void = keys.last().map_or(ptr::null(), |k| ptr::from_ref(k).cast());
            // SAFETY: a null key asks for the first one; sizes were compared when the map was opened.
            let failed = unsafe { sys::bpf_map_get_next_key(self.raw(), last, next.as_mut_ptr().cast()) };
            match check(failed) {
                // SAFETY: the kernel has written the key.
                Ok(()) => keys.push(unsafe { next.assume_init() }),
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => break,
                Err(source) => return Err(self.error("walk", source)),
            }
        }
        Ok(keys)
    }

    fn raw(&self) -> i32 {
        self.fd.as_raw_fd()
    }

    fn error(&self, what: &'static str, source: io::Error) -> TableError {
        TableError { map: self.name.clone(), what, source }
    }
}

/// A map with one value per CPU.
#[derive(Debug)]
pub struct PerCpuTable<V> {
    fd: OwnedFd,
    name: String,
    cpus: usize,
    types: PhantomData<fn() -> V>,
}

impl<V: Plain> PerCpuTable<V> {
    /// # Errors
    /// When the number of CPUs cannot be read or sizes differ.
    pub fn from_fd(name: &str, fd: OwnedFd) -> Result<Self, TableError> {
        let error = |what, source| TableError { map: name.to_owned(), what, source };
        if !size_of::<V>().is_multiple_of(8) || shape_of(name, fd.as_fd())?.value_size as usize != size_of::<V>() {
            return Err(error("another version", io::Error::from(io::ErrorKind::InvalidData)));
        }
        // SAFETY: no arguments.
        let cpus = unsafe { sys::libbpf_num_possible_cpus() };
        let cpus = usize::try_from(cpus).map_err(|_| error("CPUs unknown", io::Error::from_raw_os_error(-cpus)))?;
        Ok(Self { fd, name: name.to_owned(), cpus, types: PhantomData })
    }

    /// The values of all CPUs.
    ///
    /// # Errors
    /// As the kernel says.
    pub fn get(&self, index: u32) -> Result<Vec<V>, TableError> {
        let mut values: Vec<V> = Vec::with_capacity(self.cpus);
        // SAFETY: the kernel writes one value of this size for each possible CPU.
        let failed = unsafe { sys::bpf_map_lookup_elem(self.fd.as_raw_fd(), (&raw const index).cast(), values.as_mut_ptr().cast()) };
        check(failed).map_err(|source| TableError { map: self.name.clone(), what: "lookup", source })?;
        // SAFETY: all were written.
        unsafe { values.set_len(self.cpus) };
        Ok(values)
    }
}

/// An array of maps: its values are maps.
#[derive(Debug)]
pub struct Maps {
    fd: OwnedFd,
    name: String,
}

impl Maps {
    pub fn from_fd(name: &str, fd: OwnedFd) -> Self {
        Self { fd, name: name.to_owned() }
    }

    /// Puts a map into a slot. When this returns, no running program still uses the map that was there: the kernel waits for a
    /// grace period.
    ///
    /// # Errors
    /// When the map's shape is not the declared one.
    pub fn put(&self, slot: u32, map: BorrowedFd<'_>) -> Result<(), TableError> {
        let raw = map.as_raw_fd();
        // SAFETY: key and value are four octets each in every array of maps.
        let failed = unsafe { sys::bpf_map_update_elem(self.fd.as_raw_fd(), (&raw const slot).cast(), (&raw const raw).cast(), 0) };
        check(failed).map_err(|source| TableError { map: self.name.clone(), what: "put", source })
    }

    /// Opens the map in a slot.
    ///
    /// # Errors
    /// As the kernel says; an empty slot is `None`.
    pub fn open(&self, slot: u32) -> Result<Option<OwnedFd>, TableError> {
        let error = |what, source| TableError { map: self.name.clone(), what, source };
        let mut id = 0u32;
        // SAFETY: key and value are four octets each.
        let failed = unsafe { sys::bpf_map_lookup_elem(self.fd.as_raw_fd(), (&raw const slot).cast(), (&raw mut id).cast()) };
        match check(failed) {
            Ok(()) => {}
            Err(e) if e.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            Err(source) => return Err(error("lookup", source)),
        }
        // SAFETY: a plain number.
        owned(unsafe { sys::bpf_map_get_fd_by_id(id) }).map(Some).map_err(|source| error("open", source))
    }
}

/// A value of zeros, made where it lies: some are too large for a stack.
pub fn zeroed<V: Plain>() -> Box<V> {
    // SAFETY: every bit pattern is a value of a `Plain` type.
    unsafe { Box::<V>::new_zeroed().assume_init() }
}

/// # Errors
/// As the kernel says.
pub fn shape_of(name: &str, fd: BorrowedFd<'_>) -> Result<Shape, TableError> {
    let mut info = sys::bpf_map_info::default();
    let mut length = size_of::<sys::bpf_map_info>() as u32;
    // SAFETY: `length` octets lie behind the pointer.
    let failed = unsafe { sys::bpf_obj_get_info_by_fd(fd.as_raw_fd(), (&raw mut info).cast(), &raw mut length) };
    check(failed).map_err(|source| TableError { map: name.to_owned(), what: "info", source })?;
    Ok(Shape { kind: info.type_, key_size: info.key_size, value_size: info.value_size, max_entries: info.max_entries })
}

/// Opens what is pinned at `path`; `None` when nothing is.
pub(super) fn open_pin(path: &Path) -> io::Result<Option<OwnedFd>> {
    use std::os::unix::ffi::OsStrExt;
    let c_path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a NUL-terminated path that outlives the call.
    match owned(unsafe { sys::bpf_obj_get(c_path.as_ptr()) }) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// libbpf answers with a negative error number.
pub(crate) fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(()) }
}

pub(super) fn owned(fd: i32) -> io::Result<OwnedFd> {
    check(fd)?;
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn batch_options() -> sys::bpf_map_batch_opts {
    sys::bpf_map_batch_opts { sz: size_of::<sys::bpf_map_batch_opts>() as _, ..Default::default() }
}
