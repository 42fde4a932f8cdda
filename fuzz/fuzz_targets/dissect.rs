#![no_main]

#[path = "../checks/dissect.rs"]
mod dissect;

libfuzzer_sys::fuzz_target!(|input: &[u8]| dissect::check(input));
