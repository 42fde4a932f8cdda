//! Steering, the userspace side: who serves which client ([`ring`]), how peers are reached ([`peers`]), the virtual addresses and
//! their announcements ([`wire`], [`announce`]). `role::steering` keeps all of it in step with the plan.
//!
//! Read first: [`ring`], then `role::steering`. What happens to a packet is `postern_ebpf_abi::steer`'s.

pub mod announce;
pub mod peers;
pub mod ring;
pub mod wire;
