#![no_main]

#[path = "../checks/smtp_server.rs"]
mod smtp_server;

libfuzzer_sys::fuzz_target!(|input: &[u8]| smtp_server::check(input));
