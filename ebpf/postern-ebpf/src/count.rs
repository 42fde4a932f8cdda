//! Counters per reason and samples of dropped packets.

use aya_ebpf::btf_maps::{PerCpuArray, RingBuf};
use aya_ebpf::helpers::bpf_ktime_get_boot_ns;
use aya_ebpf::macros::btf_map;
use postern_ebpf_abi::address::Source;
use postern_ebpf_abi::config::Config;
use postern_ebpf_abi::judge::Decision;
use postern_ebpf_abi::packet::Packet;
use postern_ebpf_abi::reason::Reason;
use postern_ebpf_abi::sample::{Count, Sample, Sampling, Turn, turn};

#[btf_map]
static COUNTERS: PerCpuArray<Count, { Reason::SLOTS as usize }> = PerCpuArray::new();

#[btf_map]
static SAMPLING: PerCpuArray<Sampling, 1> = PerCpuArray::new();

/// 256 KiB: five thousand samples for a reader that looks every few hundred milliseconds.
#[btf_map]
static SAMPLES: RingBuf<Sample, { 256 * 1024 }> = RingBuf::new();

#[inline(always)]
pub fn count(reason: Reason, octets: u32) {
    if let Some(slot) = COUNTERS.get_ptr_mut(reason as u32) {
        unsafe {
            (*slot).packets += 1;
            (*slot).octets += u64::from(octets);
        }
    }
}

#[inline(always)]
pub fn sample(config: &Config, decision: &Decision, packet: Option<&Packet>, octets: u32) {
    let Some(state) = SAMPLING.get_ptr_mut(0) else { return };
    let state = unsafe { &mut *state };
    let now = || unsafe { bpf_ktime_get_boot_ns() };
    if turn(state, config.sample_every, config.samples_per_second, now) != Turn::Take {
        return;
    }
    let (family, high, low, port) = match packet {
        Some(Packet { source: Source::V4(a), port, .. }) => (4, 0, u64::from(*a), *port),
        Some(Packet { source: Source::V6(high, low), port, .. }) => (6, *high, *low, *port),
        None => (0, 0, 0, 0),
    };
    let sample = Sample { at: now(), high, low, reason: decision.reason as u32, octets, detail: decision.detail, port, family };
    if SAMPLES.output(sample, 0).is_err() {
        state.lost += 1;
    }
}
