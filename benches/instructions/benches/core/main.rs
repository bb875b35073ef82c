//! Instructions of the pure core: what is done for a task without a socket, a file or another thread.
//!
//! Each function does its work [`TIMES`](instructions_bench::TIMES) times, on what was made before; that, and what becomes of it
//! afterwards, is not counted. All chance is seeded.

#![expect(clippy::expect_used, reason = "a bench fails by panicking")]

mod parsing;
mod ranking;
mod steps;
mod tasks;
mod writing;

use gungraun::Callgrind;
use gungraun::prelude::*;

use crate::parsing::parse;
use crate::ranking::rank;
use crate::steps::lane;
use crate::writing::journal;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

main!(
    // The caches of a model of a processor say little, and take time.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [parse, lane, rank, journal]
);
