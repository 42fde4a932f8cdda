#![no_main]

#[path = "../checks/yara.rs"]
mod yara;

libfuzzer_sys::fuzz_target!(|input: &[u8]| yara::check(input));
