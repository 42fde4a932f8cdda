//! The binary `postern`.

use std::process::ExitCode;

use postern::Generation;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    postern::main(Generation::current())
}
