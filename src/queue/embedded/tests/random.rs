//! Anything that may happen to a queue, in any order, closed and opened anew in between: it is as the queue in memory would be, had that
//! been told that all its claims were cut off.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::queue::conformance::{cancel, complete, retry};
use crate::task::{ErrorCode, Idempotency, IdempotencyKey, Timestamp};

/// Something that is done to a queue. Tasks are chosen by number, of those there have been.
#[derive(Clone, Debug)]
enum Step {
    Add { lane: u8, priority: u32, delayed: bool, once: bool, key: Option<u8>, bytes: usize },
    AddAndClaim { lane: u8 },
    Claim { lane: u8 },
    Complete(usize),
    Fail(usize),
    Retry { claim: usize, later: bool },
    Release { claim: usize, interrupted: bool },
    Cancel(usize),
    Promote(usize),
    Prefer { task: usize, priority: u32 },
    Again(usize),
    Pause { lane: u8, paused: bool },
    Purge,
    Reopen,
}

const LANES: u8 = 3;

fn step() -> impl Strategy<Value = Step> {
    let (lane, task) = (0..LANES, any::<usize>());
    let add = (lane.clone(), 0..3_u32, any::<[bool; 2]>(), proptest::option::weighted(0.2, 0..4_u8), 0..1_500_usize);
    let add = add.prop_map(|(lane, priority, [delayed, once], key, bytes)| Step::Add {
        lane,
        priority,
        delayed: delayed && once,
        once,
        key,
        bytes,
    });
    prop_oneof![
        8 => add,
        3 => lane.clone().prop_map(|lane| Step::AddAndClaim { lane }),
        8 => lane.clone().prop_map(|lane| Step::Claim { lane }),
        6 => task.prop_map(Step::Complete),
        2 => task.prop_map(Step::Fail),
        2 => (task, any::<bool>()).prop_map(|(claim, later)| Step::Retry { claim, later }),
        2 => (task, any::<bool>()).prop_map(|(claim, interrupted)| Step::Release { claim, interrupted }),
        1 => task.prop_map(Step::Cancel),
        1 => task.prop_map(Step::Promote),
        1 => (task, 0..3_u32).prop_map(|(task, priority)| Step::Prefer { task, priority }),
        1 => task.prop_map(Step::Again),
        1 => (lane, any::<bool>()).prop_map(|(lane, paused)| Step::Pause { lane, paused }),
        1 => Just(Step::Purge),
        2 => Just(Step::Reopen),
    ]
}

/// Both queues, and what their caller knows.
struct Pair<'a> {
    bench: &'a Bench,
    model: MemoryQueue,
    queue: Option<EmbeddedQueue>,
    tasks: Vec<TaskId>,
    claims: Vec<Lease>,
}

fn group(number: u8) -> String {
    format!("g{number}")
}

fn fail() -> Settlement {
    Settlement::Fail { attempt: None, error: "no".into(), code: ErrorCode::WorkerFailed, result: None }
}

impl Pair<'_> {
    fn queue(&self) -> &EmbeddedQueue {
        self.queue.as_ref().unwrap()
    }

    fn any_task(&self, number: usize) -> Option<TaskId> {
        (!self.tasks.is_empty()).then(|| self.tasks[number % self.tasks.len()])
    }

    async fn settle(&mut self, claim: usize, settlement: Settlement) {
        if self.claims.is_empty() {
            return;
        }
        let lease = self.claims.swap_remove(claim % self.claims.len());
        let expected = self.model.settle(&lease, settlement.clone()).await;
        assert_eq!(self.queue().settle(&lease, settlement).await, expected);
    }

    fn takes(&mut self, claim: Option<Claim>, expected: Option<&Claim>) {
        assert_eq!(format!("{:?}", claim.as_ref()), format!("{expected:?}"));
        self.claims.extend(claim.map(|claim| claim.lease));
    }

    async fn does(&mut self, step: Step) {
        let far = self.bench.clock.now().after(Duration::from_hours(1));
        match step {
            Step::Add { lane, priority, delayed, once, key, bytes } => {
                let mut task = self.bench.task(&group(lane), bytes);
                let spec = Arc::make_mut(&mut task.spec);
                spec.options.attempts = once.then_some(1);
                spec.idempotency = key.map(|key| {
                    let key = IdempotencyKey::parse(&format!("key-{key}"), "key").unwrap();
                    Idempotency::new(key, b"", &spec.worker_key)
                });
                task.priority = Priority::new(priority);
                task.run_at = delayed.then_some(far);
                self.tasks.push(task.spec.id);
                let expected = self.model.enqueue(task.clone()).await;
                assert_eq!(self.queue().enqueue(task).await, expected);
            }
            Step::AddAndClaim { lane } => {
                let (task, request) = (self.bench.task(&group(lane), 50), self.bench.request());
                self.tasks.push(task.spec.id);
                let (expected, first) = self.model.enqueue_and_claim(task.clone(), request.clone()).await.unwrap();
                let (enqueued, claim) = self.queue().enqueue_and_claim(task, request).await.unwrap();
                assert_eq!(enqueued, expected);
                self.takes(claim, first.as_ref());
            }
            Step::Claim { lane: number } => {
                let (lane, request) = (lane(&group(number)), self.bench.request());
                let expected = self.model.claim(&lane, request.clone()).await.unwrap();
                let claim = self.queue().claim(&lane, request).await.unwrap();
                self.takes(claim, expected.as_ref());
            }
            Step::Complete(claim) => self.settle(claim, complete()).await,
            Step::Fail(claim) => self.settle(claim, fail()).await,
            Step::Retry { claim, later } => self.settle(claim, retry(later.then_some(far))).await,
            Step::Release { claim, interrupted } => {
                if !self.claims.is_empty() {
                    let lease = self.claims.swap_remove(claim % self.claims.len());
                    let expected = self.model.release(&lease, interrupted).await;
                    assert_eq!(self.queue().release(&lease, interrupted).await, expected);
                }
            }
            Step::Reopen => self.reopens().await,
            Step::Purge => {
                let filter = TaskFilter { limit: 1_000, ..TaskFilter::default() };
                let expected = self.model.purge(&filter).await;
                assert_eq!(self.queue().purge(&filter).await, expected);
            }
            Step::Pause { lane: number, paused } => {
                self.model.set_paused(&lane(&group(number)), paused).await.unwrap();
                self.queue().set_paused(&lane(&group(number)), paused).await.unwrap();
            }
            Step::Cancel(task) | Step::Promote(task) | Step::Prefer { task, .. } | Step::Again(task) => {
                if let Some(id) = self.any_task(task) {
                    let expected = touch(&self.model, id, &step, far).await;
                    assert_eq!(touch(self.queue(), id, &step, far).await, expected);
                }
            }
        }
    }

    /// A restart cuts off every claim.
    async fn reopens(&mut self) {
        self.queue = None;
        self.queue = Some(self.bench.open());
        for lease in self.claims.drain(..) {
            self.model.release(&lease, true).await.unwrap();
        }
    }

    /// Both know the same of every task and lane.
    async fn agrees(&self) {
        for id in &self.tasks {
            let (record, expected) = (self.queue().get(*id).await.unwrap(), self.model.get(*id).await.unwrap());
            assert_eq!(format!("{record:#?}"), format!("{expected:#?}"));
        }
        for number in 0..LANES {
            let lane = lane(&group(number));
            let counts = self.queue().lane_counts(&lane).await.unwrap();
            assert_eq!(counts, self.model.lane_counts(&lane).await.unwrap());
        }
    }

    /// All that waits is claimed in the same order.
    async fn drains(&mut self) {
        for number in 0..LANES {
            self.does(Step::Pause { lane: number, paused: false }).await;
            let mut claims = 0;
            while claims < self.claims.len() || claims == 0 {
                claims = self.claims.len().max(1);
                self.does(Step::Claim { lane: number }).await;
            }
        }
    }
}

/// Does something to one task; what was answered.
async fn touch(queue: &dyn TaskQueue, id: TaskId, step: &Step, far: Timestamp) -> String {
    match step {
        Step::Cancel(_) => format!("{:?}", queue.cancel(id, cancel()).await),
        Step::Promote(_) => format!("{:?}", queue.promote(id).await),
        Step::Prefer { priority, .. } => format!("{:?}", queue.reprioritize(id, Priority::new(*priority)).await),
        Step::Again(_) => format!("{:?}", queue.requeue(id, far).await),
        _ => unreachable!("{step:?} is about no task"),
    }
}

fn holds(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        // Without a timer paused time stands still.
        let clock = Clock::simulated(Timestamp::from_millis(1_700_000_000_000));
        // Smaller than most tasks, and never too large: everything is copied again and again.
        let sizes = Sizes { segment: 1_024, slack: 0, ..SMALL };
        let bench = Bench { clock: clock.clone(), sizes, ..Bench::new() };
        let model = MemoryQueue::new(limits(), clock);
        let mut pair = Pair { bench: &bench, model, queue: Some(bench.open()), tasks: Vec::new(), claims: Vec::new() };
        for step in steps {
            let reopened = matches!(step, Step::Reopen);
            pair.does(step).await;
            if reopened {
                pair.agrees().await;
            }
        }
        pair.agrees().await;
        pair.reopens().await;
        pair.agrees().await;
        pair.drains().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_queue_opened_anew_is_as_one_whose_claims_were_cut_off(steps in proptest::collection::vec(step(), 1..150)) {
        holds(steps);
    }
}
