//! What fuzzing begins with (fuzz/seeds) and what it has found (tests/fuzzed), given to the fuzz targets' own checks; and each
//! frame to the XDP program in the kernel, whose answer must be that of the same rules on the host.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../fuzz/checks/cut.rs"]
mod cut;
#[path = "../../../fuzz/checks/feeds.rs"]
mod feeds;
mod frames;
#[path = "../../../fuzz/checks/packets.rs"]
mod packets;
#[path = "../../../fuzz/checks/steering.rs"]
mod steering;

use std::path::{Path, PathBuf};

use postern_ebpf_abi::config::feature;
use postern_ebpf_abi::packet::parse;
use postern_ebpf_abi::reason::Reason;
use postern_edge::kernel::guard::Guard;
use postern_edge::kernel::run::{XDP_DROP, XDP_PASS};
use postern_edge::trace;

use frames::kernel::open;

/// Frames that a test run takes: Ethernet's header at least, and what fits into a page beside the kernel's own.
const RUN: std::ops::RangeInclusive<usize> = 14..=3000;

fn inputs(folders: &[&str]) -> Vec<(PathBuf, Vec<u8>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut inputs = Vec::new();
    for folder in folders {
        // What a run has gathered on this machine is there or not.
        let Ok(entries) = std::fs::read_dir(here.join(folder)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let octets = std::fs::read(&path).unwrap();
            inputs.push((path, octets));
        }
    }
    inputs
}

#[test]
fn inputs_of_feeds() {
    let inputs = inputs(&["../../fuzz/seeds/feeds", "tests/fuzzed/feeds"]);
    assert!(inputs.len() >= 9, "only {} inputs", inputs.len());
    for (path, octets) in inputs {
        eprintln!("{}", path.display());
        feeds::check(&octets);
    }
}

#[test]
fn inputs_of_packets() {
    let inputs = inputs(&["../../fuzz/seeds/packets", "tests/fuzzed/packets"]);
    assert!(inputs.len() >= 20, "only {} inputs", inputs.len());
    for (path, frame) in inputs {
        eprintln!("{}", path.display());
        packets::check(&frame);
        steering::check(&frame);
    }
}

fn counted(guard: &Guard, reason: Reason) -> u64 {
    guard.maps().counters().unwrap().iter().find(|c| c.reason == reason).unwrap().packets
}

#[test]
fn the_program_in_the_kernel_answers_as_the_host() {
    // Without rates: they would count the frames of a test.
    let opened = skip_unless!(open(feature::ALL & !feature::RATES));
    let guard = &opened.guard;
    guard.maps().front.set_ports(&[25, 587, 993, 8443], &[25, 587]);
    let runner = guard.runner().unwrap();
    let mut count = 0;
    for (path, frame) in inputs(&["../../fuzz/seeds/packets", "tests/fuzzed/packets", "../../fuzz/corpus/packets"]) {
        if !RUN.contains(&frame.len()) {
            continue;
        }
        let reason = match parse(frame.as_slice()) {
            Ok(packet) => trace::decide(guard.maps(), guard.features(), &packet).unwrap().0.reason,
            Err(reason) => reason,
        };
        let before = counted(guard, reason);
        let ran = runner.run(&frame, 1).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let action = if reason.drops() { XDP_DROP } else { XDP_PASS };
        assert_eq!(ran.action, action, "{}: {} on the host", path.display(), reason.name());
        assert_eq!(counted(guard, reason), before + 1, "{}: {} on the host", path.display(), reason.name());
        count += 1;
    }
    eprintln!("{count} frames");
    assert!(count >= 20, "only {count} frames");
}
