#![no_main]

#[path = "../checks/disk.rs"]
mod disk;
#[path = "../checks/dissect.rs"]
mod dissect;

libfuzzer_sys::fuzz_target!(|input: &[u8]| disk::check(input));
