//! Writing down what happens to a task, as the embedded queue does: a group of the log with one task that is new and one that has ended.

use std::hint::black_box;

use andera_lb::config::Settings;
use andera_lb::queue::{LogEntries, Sealer};
use andera_lb::task::TaskRecord;
use gungraun::prelude::*;
use instructions_bench::TIMES;

use crate::tasks::Tasks;

/// Records, and what is needed to write them down.
struct Scene {
    records: Vec<(TaskRecord, TaskRecord)>,
    sealer: Sealer,
    entries: LogEntries,
}

impl Scene {
    fn new() -> Self {
        let settings = Settings::from_pairs([("LB_AUTH_KEY", "bench")]).expect("settings");
        let sealer = Sealer::new(&settings.auth).expect("a sealer");
        let mut tasks = Tasks::new();
        let records: Vec<_> = (0..TIMES).map(|_| tasks.new_and_ended()).collect();
        // The writer's buffer has been in use too.
        let mut entries = LogEntries::default();
        for (new, ended) in &records {
            entries.added(new, &sealer).and_then(|()| entries.settled(ended)).expect("entries");
        }
        Self { records, sealer, entries }
    }
}

#[library_benchmark]
#[bench::of_two_entries(Scene::new())]
fn group(mut scene: Scene) -> Scene {
    for (new, ended) in &scene.records {
        scene.entries.clear();
        let _ = black_box(scene.entries.added(new, &scene.sealer));
        let _ = black_box(scene.entries.settled(ended));
        black_box(scene.entries.bytes());
    }
    scene
}

library_benchmark_group!(name = journal, benchmarks = group);
