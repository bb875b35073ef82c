//! Steps of a lane, through the queue in memory: alone in it, and with tasks that wait.

use std::hint::black_box;
use std::time::Duration;

use andera_lb::queue::{Claim, ClaimRequest, Lease, MemoryQueue, NewTask, QueueLimits, Settlement, TaskQueue};
use andera_lb::task::Clock;
use futures_util::FutureExt;
use gungraun::prelude::*;
use instructions_bench::TIMES;

use crate::tasks::{Tasks, request};

/// So many ended tasks are kept: each further one has another forgotten.
const KEPT: u64 = 200;

/// A queue, and what is to be done to it.
struct Scene {
    queue: MemoryQueue,
    new: Vec<NewTask>,
    held: Vec<(Lease, Settlement)>,
    requests: Vec<ClaimRequest>,
}

impl Scene {
    /// A queue that has been in use, with so many tasks that wait.
    fn new(waiting: usize) -> (Self, Tasks) {
        let limits = QueueLimits {
            max_waiting: 1_000_000,
            max_interruptions: 3,
            retention: Duration::from_hours(24),
            retention_count: KEPT,
            retention_bytes: 1 << 30,
        };
        let queue = MemoryQueue::new(limits, Clock::system());
        let mut tasks = Tasks::new();
        for _ in 0..2 * KEPT {
            let (lease, settlement) = claim(&queue, &mut tasks);
            now(queue.settle(&lease, settlement)).expect("a lease");
        }
        for _ in 0..waiting {
            now(queue.enqueue(tasks.task())).expect("room");
        }
        let requests = (0..TIMES.into()).map(request).collect();
        (Self { queue, new: Vec::new(), held: Vec::new(), requests }, tasks)
    }

    /// The same, with tasks to enqueue.
    fn with_new(waiting: usize) -> Self {
        let (mut scene, mut tasks) = Self::new(waiting);
        scene.new = (0..TIMES).map(|_| tasks.task()).collect();
        scene
    }

    /// The same, with tasks that have been claimed.
    fn with_held(waiting: usize) -> Self {
        let (mut scene, mut tasks) = Self::new(waiting);
        scene.held = (0..TIMES).map(|_| claim(&scene.queue, &mut tasks)).collect();
        scene
    }
}

/// Enqueues a task, claims the head of the lane; says how that is settled.
fn claim(queue: &MemoryQueue, tasks: &mut Tasks) -> (Lease, Settlement) {
    let claim: Option<Claim> = now(queue.enqueue_and_claim(tasks.task(), request(0))).expect("room").1;
    tasks.completed(&claim.expect("a task"))
}

/// What the queue in memory does is done at once.
fn now<T>(step: impl Future<Output = T>) -> T {
    step.now_or_never().expect("nothing to wait for")
}

#[library_benchmark]
#[bench::alone(Scene::with_new(0))]
#[bench::behind_10_000(Scene::with_new(10_000))]
fn enqueue(mut scene: Scene) -> Scene {
    for task in scene.new.drain(..) {
        let _ = black_box(now(scene.queue.enqueue(task)));
    }
    scene
}

#[library_benchmark]
#[bench::alone(Scene::with_new(0))]
#[bench::behind_10_000(Scene::with_new(10_000))]
fn enqueue_and_claim(mut scene: Scene) -> Scene {
    for (task, request) in scene.new.drain(..).zip(scene.requests.drain(..)) {
        let _ = black_box(now(scene.queue.enqueue_and_claim(task, request)));
    }
    scene
}

#[library_benchmark]
#[bench::alone(Scene::with_held(0))]
#[bench::behind_10_000(Scene::with_held(10_000))]
fn settle(mut scene: Scene) -> Scene {
    for (lease, settlement) in scene.held.drain(..) {
        let _ = black_box(now(scene.queue.settle(&lease, settlement)));
    }
    scene
}

#[library_benchmark]
#[bench::alone(Scene::with_held(0))]
#[bench::behind_10_000(Scene::with_held(10_000))]
fn settle_and_claim(mut scene: Scene) -> Scene {
    for ((lease, settlement), request) in scene.held.drain(..).zip(scene.requests.drain(..)) {
        let _ = black_box(now(scene.queue.settle_and_claim(&lease, settlement, request)));
    }
    scene
}

library_benchmark_group!(name = lane, benchmarks = [enqueue, enqueue_and_claim, settle, settle_and_claim]);
