#![no_main]

#[path = "../checks/cut.rs"]
mod cut;
#[path = "../checks/packets.rs"]
mod packets;
#[path = "../checks/steering.rs"]
mod steering;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    packets::check(input);
    steering::check(input);
});
