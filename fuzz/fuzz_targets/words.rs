#![no_main]

#[path = "../checks/words.rs"]
mod words;

libfuzzer_sys::fuzz_target!(|input: &[u8]| words::check(input));
