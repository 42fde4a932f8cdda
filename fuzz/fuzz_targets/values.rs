#![no_main]

#[path = "../checks/dissect.rs"]
mod dissect;
#[path = "../checks/values.rs"]
mod values;

libfuzzer_sys::fuzz_target!(|input: &[u8]| values::check(input));
