//! Where this kernel's structures hold what the programs look at, by its BTF: a kernel's next version may hold it elsewhere.

use std::ffi::{CStr, CString};
use std::io;
use std::ptr::NonNull;

use libbpf_sys as sys;

/// Octets from the beginning of each structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    pub task_filters: u32,
    pub binary_name: u32,
    pub file_mode: u32,
    pub file_path: u32,
}

impl Fields {
    /// # Errors
    /// When the kernel tells nothing of its types, or lacks one.
    pub fn of_this_kernel() -> io::Result<Self> {
        let types = Types::of_this_kernel()?;
        Ok(Self {
            task_filters: types.field("task_struct", "seccomp")? + types.field("seccomp", "filter_count")?,
            binary_name: types.field("linux_binprm", "filename")?,
            file_mode: types.field("file", "f_mode")?,
            file_path: types.field("file", "f_path")?,
        })
    }
}

struct Types(NonNull<sys::btf>);

impl Drop for Types {
    fn drop(&mut self) {
        // SAFETY: it is ours alone, and not used any more.
        unsafe { sys::btf__free(self.0.as_ptr()) };
    }
}

impl Types {
    fn of_this_kernel() -> io::Result<Self> {
        // SAFETY: takes nothing; gives a pointer that is ours, or null with an error.
        NonNull::new(unsafe { sys::btf__load_vmlinux_btf() }).map(Self).ok_or_else(io::Error::last_os_error)
    }

    fn field(&self, structure: &str, field: &str) -> io::Result<u32> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("this kernel has no {structure}.{field}"));
        let name = CString::new(structure)?;
        // SAFETY: the types live as long as this, and the name as long as the call.
        let id = unsafe { sys::btf__find_by_name_kind(self.0.as_ptr(), name.as_ptr(), sys::BTF_KIND_STRUCT) };
        u32::try_from(id).ok().and_then(|id| self.within(id, field, 0)).ok_or_else(missing)
    }

    /// Octets from the beginning of a structure, or a union, to one of its fields; also of those within it that have no name. Structures do not
    /// lie in themselves, and `depth` bounds a BTF that says so.
    fn within(&self, id: u32, field: &str, depth: u32) -> Option<u32> {
        // SAFETY: as above; the type says itself how many members follow it.
        let kind = unsafe { sys::btf__type_by_id(self.0.as_ptr(), id).as_ref() }?;
        let (count, is_packed) = (kind.info & 0xffff, kind.info >> 31 == 1);
        if !matches!((kind.info >> 24) & 0x1f, sys::BTF_KIND_STRUCT | sys::BTF_KIND_UNION) || depth > 8 {
            return None;
        }
        let first = std::ptr::from_ref(kind).wrapping_add(1).cast::<sys::btf_member>();
        (0..count as usize).find_map(|n| {
            // SAFETY: one of the members that follow.
            let member = unsafe { first.add(n).read_unaligned() };
            let bits = if is_packed { member.offset & 0x00ff_ffff } else { member.offset };
            match self.name(member.name_off) {
                Some(name) if name.to_bytes() == field.as_bytes() => Some(bits / 8),
                Some(name) if name.is_empty() => self.within(self.plain(member.type_), field, depth + 1).map(|below| bits / 8 + below),
                _ => None,
            }
        })
    }

    fn name(&self, offset: u32) -> Option<&CStr> {
        // SAFETY: a text of the types, which live as long as this.
        let text = unsafe { sys::btf__name_by_offset(self.0.as_ptr(), offset) };
        // SAFETY: not null, and ends with a zero.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
    }

    /// Without `const` and the like.
    fn plain(&self, id: u32) -> u32 {
        // SAFETY: the types live as long as this.
        u32::try_from(unsafe { sys::btf__resolve_type(self.0.as_ptr(), id) }).unwrap_or(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_this_kernel() {
        match Fields::of_this_kernel() {
            Ok(fields) => {
                assert!(fields.task_filters > 100 && fields.binary_name > 0 && fields.file_path > 0, "{fields:?}");
                assert!(fields.file_path.is_multiple_of(8) && fields.file_mode.is_multiple_of(4));
            }
            Err(e) => println!("skipped: this kernel tells nothing of its types: {e}"),
        }
        if let Ok(types) = Types::of_this_kernel() {
            assert!(types.field("file", "no_such_field").is_err() && types.field("no_such_structure", "x").is_err());
        }
    }
}
