//! The calls a worker needs once its walls are up: memory, its two files, and an end. Every other one kills it.
//!
//! The list is short because a worker opens nothing, starts nothing and waits for nothing. A call that is not on it means that
//! the content took the worker over, and is reported as that.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch};

const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    // A panic's and abort's last words.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What a thread of ours calls beside that, when it begins and while it waits. It may not have come so far when the walls close around it.
pub const OF_A_THREAD: &[libc::c_long] =
    &[libc::SYS_rseq, libc::SYS_set_robust_list, libc::SYS_sched_getaffinity, libc::SYS_clock_nanosleep];

/// With memory that is not to be run: what is written stays data.
const NOT_EXECUTABLE: &[libc::c_long] = &[libc::SYS_mmap, libc::SYS_mprotect];
/// The argument of both that says what the memory is for.
const PROTECTION: u8 = 2;

/// For all threads of this process. `more`: calls beside those of every cell.
///
/// # Errors
/// When the filter cannot be put together or the kernel does not take it.
pub fn apply(more: &[libc::c_long]) -> Result<(), String> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().chain(more).map(|call| (*call, Vec::new())).collect();
    for call in NOT_EXECUTABLE {
        let is_data = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
        let condition = SeccompCondition::new(PROTECTION, SeccompCmpArgLen::Dword, is_data, 0).map_err(|e| e.to_string())?;
        rules.insert(*call, vec![SeccompRule::new(vec![condition]).map_err(|e| e.to_string())?]);
    }
    let arch: TargetArch = std::env::consts::ARCH.try_into().map_err(|e| format!("{e}"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch).map_err(|e| e.to_string())?;
    let program: BpfProgram = filter.try_into().map_err(|e: seccompiler::BackendError| e.to_string())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|e| e.to_string())
}
