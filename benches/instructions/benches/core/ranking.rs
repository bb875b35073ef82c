//! A decision of the default policy.

use std::hint::black_box;
use std::sync::Arc;

use andera_lb::policy::{Candidate, Candidates, NATIVE_NAMES, Policy, RankContext, native};
use andera_lb::task::{Chance, Mode};
use gungraun::prelude::*;
use instructions_bench::TIMES;

/// A policy, and what it is asked.
struct Scene {
    policy: Arc<dyn Policy>,
    contexts: Vec<RankContext>,
    candidates: Candidates,
    rows: Vec<u32>,
}

impl Scene {
    fn new(candidates: u32) -> Self {
        let chance = Chance::seeded(2);
        let below = |limit: u16| {
            u16::from_le_bytes([chance.number().to_le_bytes()[0], chance.number().to_le_bytes()[0]]) % limit
        };
        let candidate = |worker| {
            let slots = 1 + below(32);
            let used = below(slots);
            Candidate {
                worker,
                slots: slots.into(),
                used: used.into(),
                in_flight: used.into(),
                queue: 0,
                cpu: f32::from(below(100)) / 100.0,
                memory: f32::from(below(100)),
                report_age_ms: below(1_000).into(),
                latency_ms: f32::from(1 + below(500)),
                failure_rate: if below(10) == 0 { 0.1 } else { 0.0 },
                weight: 1.0,
            }
        };
        let context = |_| RankContext {
            lane: 1,
            function: 2,
            priority: 0,
            attempt: 1,
            mode: Mode::Async,
            age_ms: 3,
            body_bytes: 1_024,
            key_hash: 0,
            tenant_hash: 0,
            now_ms: 1_798_761_600_000,
            seed: chance.number(),
            tried: 0,
        };
        Self {
            policy: native(NATIVE_NAMES[0]).expect("the default policy"),
            candidates: (0..candidates).map(candidate).collect(),
            contexts: (0..TIMES).map(context).collect(),
            rows: Vec::with_capacity(64),
        }
    }
}

#[library_benchmark]
#[bench::of_16(Scene::new(16))]
#[bench::of_64(Scene::new(64))]
#[bench::of_1_000(Scene::new(1_000))]
fn candidates(mut scene: Scene) -> Scene {
    for context in &scene.contexts {
        scene.rows.clear();
        scene.policy.rank(black_box(context), black_box(&scene.candidates), &mut scene.rows);
        black_box(&scene.rows);
    }
    scene
}

library_benchmark_group!(name = rank, benchmarks = candidates);
