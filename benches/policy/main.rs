//! What a decision costs: a native policy, and a guest written in WebAssembly text that ranks by the same rule, called in place. The
//! measuring is that of `andera-lb policy bench`.
//!
//! `--smoke` takes little time: its figures mean nothing.

#![expect(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a bench prints, and fails by panicking"
)]

#[path = "../../tests/guests/guest.rs"]
#[expect(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared with the tests")]
mod guest;

use std::time::Duration;

use andera_lb::policy::{Loader, PolicyLimits, Setup, measure};

const SIZES: [u32; 6] = [1, 8, 16, 64, 1_000, 10_000];

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let time = if smoke { Duration::from_millis(5) } else { Duration::from_secs(2) };
    let limits =
        PolicyLimits { deadline: Duration::from_secs(1), load_deadline: Duration::from_mins(1), memory: 64 << 20 };
    let loader = Loader::new(limits, None).expect("an engine");
    let module = guest::Guest::least_loaded().module();
    let mut policy = loader.load("wasm:bench", &module, Setup::default()).expect("a policy");
    println!("{} bytes, compiled in {:?}", module.len(), policy.compiled_in());
    let measurement = measure(&mut policy, &SIZES, time, &mut |next| eprintln!("{next} …")).expect("answers");
    print!("{measurement}");
}
