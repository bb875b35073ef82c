//! What a decision costs: a native policy, and a guest written in WebAssembly text that ranks by the same rule, called in place.
//!
//! Median of rounds, by the number of candidates. `--smoke` makes one short round: its figures mean nothing.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and fails by panicking"
)]

#[path = "../../tests/guests/guest.rs"]
#[expect(dead_code, unreachable_pub, reason = "shared with the tests")]
mod guest;

use std::time::{Duration, Instant};

use andera_lb::policy::{Candidate, Candidates, Loader, PolicyLimits, RankContext, Setup, native};
use andera_lb::task::Mode;

const SIZES: [u32; 5] = [1, 16, 64, 1_000, 10_000];

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let (rounds, round) = if smoke { (1, Duration::from_millis(5)) } else { (9, Duration::from_millis(100)) };
    let limits =
        PolicyLimits { deadline: Duration::from_secs(1), load_deadline: Duration::from_mins(1), memory: 64 << 20 };
    let loader = Loader::new(limits, None).expect("an engine");
    let module = guest::Guest::least_loaded().module();
    let mut policy = loader.load("wasm:bench", &module, Setup::default()).expect("a policy");
    println!("{} bytes, compiled in {:?}", module.len(), policy.compiled_in());

    let least_loaded = native("least-loaded").unwrap();
    println!("{:>10} {:>12} {:>12}", "candidates", "native ns", "wasm ns");
    for size in SIZES {
        let fleet = fleet(size);
        let (mut rows, mut answer) = (Vec::new(), Vec::new());
        let native = median(rounds, round, |seed| {
            rows.clear();
            least_loaded.rank(&context(seed), &fleet, &mut rows);
        });
        let wasm = median(rounds, round, |seed| {
            policy.rank(&context(seed), &fleet, &mut answer).expect("an answer");
        });
        println!("{size:>10} {native:>12} {wasm:>12}");
    }
}

/// Nanoseconds a call.
fn median(rounds: usize, round: Duration, mut call: impl FnMut(u64)) -> u128 {
    let mut figures: Vec<u128> = (0..rounds)
        .map(|_| {
            let (began, mut calls) = (Instant::now(), 0_u64);
            while began.elapsed() < round {
                for seed in 0..16 {
                    call(calls + seed);
                }
                calls += 16;
            }
            began.elapsed().as_nanos() / u128::from(calls)
        })
        .collect();
    figures.sort_unstable();
    figures[rounds / 2]
}

fn fleet(size: u32) -> Candidates {
    let worker = |worker| Candidate {
        worker,
        slots: 8 + worker % 9,
        used: worker % 7,
        in_flight: worker % 5,
        cpu: 0.5,
        memory: 40.0,
        report_age_ms: 500,
        latency_ms: 20.0,
        weight: 1.0,
        ..Candidate::default()
    };
    (0..size).map(worker).collect()
}

fn context(seed: u64) -> RankContext {
    RankContext {
        lane: 1,
        function: 1,
        priority: 0,
        attempt: 1,
        mode: Mode::Sync,
        age_ms: 1,
        body_bytes: 300,
        key_hash: 0,
        tenant_hash: 0,
        now_ms: 1_750_000_000_000,
        seed,
        tried: 0,
    }
}
