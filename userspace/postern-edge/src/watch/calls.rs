//! The calls that the watch tells, by the machine's numbers.

use postern_ebpf_abi::watch::{Call, FOREIGN, NONE, rule};

/// A call that is told, or that a cell for reading makes.
pub struct Told {
    pub number: libc::c_long,
    pub name: &'static str,
    pub call: Call,
}

macro_rules! calls {
    ($($kind:ident: $($number:ident $(($($argument:literal),*))?),+;)+) => {
        &[$($(Told {
            number: libc::$number,
            name: stringify!($number),
            call: look(rule::$kind, &[$($($argument),*)?]),
        }),+),+]
    };
}

/// `texts`: the numbers of arguments that point to text; at most two.
const fn look(rule: u32, texts: &[u32]) -> Call {
    let text = if texts.is_empty() { NONE } else { texts[0] };
    let more = if texts.len() < 2 { NONE } else { texts[1] };
    Call { rule, text, more, address: NONE }
}

/// Behind a name: the numbers of its arguments that are text.
const BY_TEXT: &[Told] = calls! {
    ALWAYS: SYS_execve(0), SYS_execveat(1), SYS_creat(0), SYS_openat2(1),
        SYS_unlink(0), SYS_unlinkat(1), SYS_rmdir(0), SYS_rename(0, 1), SYS_renameat(1, 3), SYS_renameat2(1, 3),
        SYS_link(0, 1), SYS_linkat(1, 3), SYS_symlink(0, 1), SYS_symlinkat(0, 2), SYS_memfd_create(0);
    WRITES_BY_SECOND: SYS_open(0);
    WRITES_BY_THIRD: SYS_openat(1);
    MAPS_CODE: SYS_mmap;
    BECOMES_CODE: SYS_mprotect, SYS_pkey_mprotect;
    NAMESPACES: SYS_clone;
    NAMESPACES_IN_MEMORY: SYS_clone3;
    ALWAYS: SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_setgroups;
    // Only who wants out makes them.
    ALWAYS: SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_kcmp, SYS_pidfd_getfd,
        SYS_mount(0, 1), SYS_umount2(0), SYS_pivot_root(0, 1), SYS_chroot(0), SYS_move_mount(1, 3), SYS_open_tree(1), SYS_fsopen(0),
        SYS_fspick(1), SYS_fsmount, SYS_fsconfig, SYS_mount_setattr(1), SYS_unshare, SYS_setns,
        SYS_keyctl, SYS_add_key(0, 1), SYS_request_key(0, 1), SYS_userfaultfd, SYS_perf_event_open, SYS_bpf, SYS_io_uring_setup,
        SYS_init_module, SYS_finit_module, SYS_delete_module(0), SYS_kexec_load, SYS_kexec_file_load, SYS_open_by_handle_at,
        SYS_name_to_handle_at(1), SYS_reboot, SYS_swapon(0), SYS_swapoff(0), SYS_acct(0), SYS_quotactl, SYS_fanotify_init, SYS_syslog,
        SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_sethostname(0), SYS_setdomainname(0),
        SYS_vhangup, SYS_lookup_dcookie;
    // What a cell for reading is made of (postern-sandbox, `cell/seccomp.rs`): there all else is told.
    ORDINARY: SYS_read, SYS_write, SYS_lseek, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_close, SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk,
        SYS_futex, SYS_clock_gettime, SYS_getrandom, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_sigaltstack, SYS_getpid,
        SYS_gettid, SYS_tgkill, SYS_exit, SYS_exit_group, SYS_rseq, SYS_set_robust_list, SYS_sched_getaffinity, SYS_clock_nanosleep,
        SYS_restart_syscall,
        // The last act of walling in, which comes back behind the wall.
        SYS_seccomp;
};

/// Those with a socket's address.
const BY_ADDRESS: &[(Told, u32)] = &[
    (Told { number: libc::SYS_connect, name: "SYS_connect", call: look(rule::ALWAYS, &[]) }, 1),
    (Told { number: libc::SYS_bind, name: "SYS_bind", call: look(rule::ALWAYS, &[]) }, 1),
    (Told { number: libc::SYS_sendto, name: "SYS_sendto", call: look(rule::BY_FIFTH, &[]) }, 4),
];

/// All of them with their looks, as they go into the kernel's table.
pub fn table() -> impl Iterator<Item = (u32, Call)> {
    let by_address = BY_ADDRESS.iter().map(|(told, address)| (told.number as u32, Call { address: *address, ..told.call }));
    BY_TEXT.iter().map(|told| (told.number as u32, told.call)).chain(by_address)
}

/// Whether what was copied of a call is an address, and no text.
pub fn has_address(number: u32) -> bool {
    BY_ADDRESS.iter().any(|(told, _)| told.number as u32 == number)
}

/// As the manual names it; others by number.
pub fn name(number: u32) -> String {
    if number & FOREIGN != 0 {
        return format!("call {} by int 0x80", number & !FOREIGN);
    }
    let known = BY_TEXT.iter().chain(BY_ADDRESS.iter().map(|(told, _)| told)).find(|told| told.number as u32 == number);
    known.map_or_else(|| format!("call {number}"), |told| told.name.trim_start_matches("SYS_").to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use postern_ebpf_abi::watch::CALLS;

    use super::*;

    #[test]
    fn each_call_stands_once_and_in_the_table() {
        let numbers: Vec<u32> = table().map(|(number, _)| number).collect();
        assert!(numbers.iter().all(|number| *number < CALLS));
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
        assert_eq!((name(libc::SYS_ptrace as u32).as_str(), name(libc::SYS_socket as u32).as_str()), ("ptrace", "call 41"));
        assert_eq!(name(11 | FOREIGN), "call 11 by int 0x80");
    }
}
