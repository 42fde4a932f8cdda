#![no_main]

#[path = "../checks/mime.rs"]
mod mime;

libfuzzer_sys::fuzz_target!(|input: &[u8]| mime::check(input));
