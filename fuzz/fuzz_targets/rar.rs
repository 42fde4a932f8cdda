#![no_main]

#[path = "../checks/dissect.rs"]
mod dissect;
#[path = "../checks/rar.rs"]
mod rar;

libfuzzer_sys::fuzz_target!(|input: &[u8]| rar::check(input));
