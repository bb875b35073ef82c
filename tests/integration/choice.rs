//! Why an attempt went to its worker, as its task's history tells. Dispatch, queue and slots are real; workers and policy are not.

use std::sync::Arc;
use std::time::Duration;

use andera_lb::config::Settings;
use andera_lb::dispatch::{Accepted, DispatchSettings, Dispatcher, Parts, Submission};
use andera_lb::policy::{Candidates, Policy, PolicyEngine, RankContext};
use andera_lb::queue::{MemoryQueue, QueueLimits};
use andera_lb::task::{
    Attempt, Candidate, Chance, Choice, Clock, Contract, LaneKey, TaskRequest, Timestamp, WorkerKey,
};
use andera_lb::telemetry::Metrics;
use andera_lb::upstream::{Answer, AnswerBody, Delivery, DeliveryError, Notice, Notifier, Upstream};
use andera_lb::workers::{
    LaneSlots, Reservation, SlotReport, Slots, WorkerAddress, WorkerId, WorkerProbe, WorkerStanding,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use parking_lot::Mutex;
use serde_json::json;

/// Ranks the workers in the order of their numbers. Before it answers, somebody else takes the last slots of the `taken` first ones.
struct InOrder {
    lane: Arc<LaneSlots>,
    taken: u32,
    thief: Mutex<Vec<Reservation>>,
}

impl Policy for InOrder {
    fn name(&self) -> &'static str {
        "in-order"
    }

    fn rank(&self, _: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) {
        for worker in 0..self.taken {
            self.thief.lock().push(self.lane.try_permit().unwrap().reserve([WorkerId(worker)]).unwrap());
        }
        rows.extend(0..u32::try_from(candidates.len()).unwrap());
    }
}

/// Workers of which some break off whatever they are sent. Nobody ever passes a health check.
struct Workers {
    breaking: &'static str,
}

#[async_trait]
impl Upstream for Workers {
    async fn deliver(&self, delivery: Delivery) -> Result<Answer, DeliveryError> {
        if delivery.uri.host() == Some(self.breaking) {
            return Err(DeliveryError::Broken("reset".to_owned()));
        }
        let body = AnswerBody::from_stream(futures_util::stream::iter([Ok(Bytes::from_static(b"{}"))]).boxed());
        Ok(Answer { status: 200, content_type: None, retry_after: None, body })
    }
}

#[async_trait]
impl Notifier for Workers {
    async fn notify(&self, notice: Notice) {
        panic!("no task here has a webhook: {notice:?}");
    }
}

impl WorkerProbe for Workers {
    fn probe_now(&self, _: WorkerId) {}

    fn suspect(&self, _: WorkerId) {}
}

/// The attempts of a task that is sent to workers `w0`, `w1`, … with so many slots each.
async fn attempts(limits: &[u32], taken: u32, breaking: &'static str) -> Vec<Attempt> {
    let clock = Clock::simulated(Timestamp::from_millis(1_700_000_000_000));
    let slots = Arc::new(Slots::default());
    let lane = slots.lane(&LaneKey::new("g", Contract::new(1.0).unwrap()));
    for (n, limit) in (0..).zip(limits) {
        let address = Arc::new(WorkerAddress::parse(&format!("http://w{n}")).unwrap());
        lane.set_worker(WorkerId(n), &address, WorkerStanding { ready: true, eligible: true, weight: 1.0 });
        lane.report(WorkerId(n), &SlotReport { limit: *limit, ..SlotReport::default() });
    }
    let limits = QueueLimits {
        max_waiting: 10,
        max_interruptions: 1,
        retention: Duration::from_hours(1),
        retention_count: 10,
        retention_bytes: u64::MAX,
    };
    let workers = Arc::new(Workers { breaking });
    let dispatcher = Dispatcher::new(Parts {
        queue: Arc::new(MemoryQueue::new(limits, clock.clone())),
        slots,
        probe: Arc::<Workers>::clone(&workers),
        policy: PolicyEngine::new(Arc::new(InOrder { lane, taken, thief: Mutex::default() })),
        upstream: Arc::<Workers>::clone(&workers),
        notifier: workers,
        metrics: Arc::new(Metrics::new()),
        clock,
        chance: Chance::seeded(1),
        settings: DispatchSettings {
            tasks: Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().tasks,
            inbox: Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().inbox,
            lease: Duration::from_secs(15),
            policy_wait: Duration::from_millis(250),
        },
    });
    let body = Bytes::from(json!({ "group": "g", "contract": 1, "function": "f" }).to_string());
    let request = TaskRequest::parse(body).unwrap();
    let submission = Submission { request, worker_key: WorkerKey::new("k"), idempotency: None };
    let Ok(Accepted::Replied(id, _)) = dispatcher.submit(submission).await else { panic!("no reply") };
    dispatcher.queue().get(id).await.unwrap().unwrap().attempts
}

/// Worker and choice of each attempt. Time stands still here.
fn choices(attempts: Vec<Attempt>) -> Vec<(Arc<str>, Choice)> {
    let choice = |attempt: Attempt| {
        let signals = attempt.why.signals;
        assert_eq!(*attempt.worker, format!("http://w{}", signals.worker), "the signals are those of the worker");
        assert!(signals.slots > signals.used);
        (attempt.worker, Choice { signals: Candidate::default(), ..Arc::unwrap_or_clone(attempt.why) })
    };
    attempts.into_iter().map(choice).collect()
}

fn choice(rank: u32, candidates: u32) -> Choice {
    let (policy, version) = ("native:in-order".into(), env!("CARGO_PKG_VERSION").into());
    Choice { policy, version, rank, candidates, ..Choice::default() }
}

#[tokio::test(start_paused = true)]
async fn tells_the_policy_and_the_candidates_of_a_first_choice() {
    assert_eq!(choices(attempts(&[1, 1, 1], 0, "nobody").await), [("http://w0".into(), choice(1, 3))]);
}

#[tokio::test(start_paused = true)]
async fn tells_which_row_was_taken_when_the_first_ones_had_no_room_any_more() {
    assert_eq!(choices(attempts(&[1, 1, 1, 1], 2, "nobody").await), [("http://w2".into(), choice(3, 4))]);
}

#[tokio::test(start_paused = true)]
async fn tells_which_worker_a_retry_left_out_because_it_failed_before() {
    let left_out = Choice { left_out: Some("http://w0".into()), ..choice(1, 2) };
    assert_eq!(
        choices(attempts(&[2, 1, 1], 0, "w0").await),
        [("http://w0".into(), choice(1, 3)), ("http://w1".into(), left_out)]
    );
}
