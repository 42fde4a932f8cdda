//! The edge: what keeps known-bad addresses away from the mail server, at the network card.
//!
//! This crate loads the XDP program (`ebpf/postern-ebpf`), keeps its maps in step with settings, feeds and bans, and serves the
//! other roles over a unix socket. It is the only owner of aya and libbpf-sys.
//!
//! What it is not: it decides nothing about packets; those rules are `postern-ebpf-abi`'s, the same lines in the kernel and
//! here. It opens no network listener.
//!
//! Invariants: an address on the allow list is never dropped or banned. Program, link and maps are pinned: they stay in force
//! when this process dies, and a new version replaces the program in the live link. A feed is in force as a whole or not at all. The
//! role works on when bpf() is not permitted or no interface is set; its status says so.
//!
//! Beside it: the watch over the sandbox's cells, a program and a socket of their own ([`watch`]).
//!
//! Read first: [`kernel::guard`], [`feed::plan`], `bans::authority`, `role`.

pub mod allow_list;
pub mod bans;
pub mod client;
pub mod clock;
pub mod feed;
pub mod http;
pub mod kernel;
pub mod network;
pub mod offences;
pub mod role;
pub mod steer;
pub mod trace;
pub mod watch;
