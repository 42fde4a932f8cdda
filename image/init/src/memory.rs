//! What a small machine does with its memory.

/// Below this, memory is worth more than the few percent of speed that huge pages bring: a heap of ours takes half as much again with them.
const SMALL: u64 = 2 << 30;
/// Kernel: Documentation/admin-guide/mm/transhuge.rst.
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Sets what depends on how much memory there is. A kernel that knows no huge pages needs nothing.
pub fn fit() {
    let is_small = nix::sys::sysinfo::sysinfo().is_ok_and(|info| info.ram_total() < SMALL);
    if is_small {
        let _ = std::fs::write(HUGE_PAGES, "never");
    }
}
