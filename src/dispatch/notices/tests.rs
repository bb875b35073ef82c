use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Semaphore;

use super::*;
use crate::queue::{Cancelled, MemoryQueue, NewTask, QueueLimits, Settlement};
use crate::task::{Contract, LaneKey, TaskOptions, WebhookTarget, WorkerKey};

/// A notifier that delivers as many notices as it is let.
struct Held {
    let_through: Semaphore,
    told: Mutex<Vec<TaskId>>,
}

#[async_trait]
impl Notifier for Held {
    async fn notify(&self, notice: Notice) {
        self.let_through.acquire().await.unwrap().forget();
        self.told.lock().push(notice.task);
    }
}

struct Bench {
    queue: Arc<dyn TaskQueue>,
    notifier: Arc<Held>,
    clock: Clock,
    notices: Arc<Notices>,
    stopped: CancellationToken,
}

impl Bench {
    fn new() -> Self {
        let clock = Clock::simulated(Timestamp::from_millis(1_700_000_000_000));
        let limits = QueueLimits {
            max_waiting: 100_000,
            max_interruptions: 10,
            retention: Duration::from_hours(24),
            retention_count: 1,
            retention_bytes: u64::MAX,
        };
        let queue: Arc<dyn TaskQueue> = Arc::new(MemoryQueue::new(limits, clock.clone()));
        let notifier = Arc::new(Held { let_through: Semaphore::new(0), told: Mutex::default() });
        let stopped = CancellationToken::new();
        let (kept, word) = (Arc::clone(&queue), Arc::<Held>::clone(&notifier));
        let notices = Arc::new(Notices::new(kept, word, clock.clone(), stopped.clone()));
        let looking = Arc::clone(&notices);
        let end = stopped.clone();
        tokio::spawn(async move { looking.look_after_owed(&end).await });
        Self { queue, notifier, clock, notices, stopped }
    }

    /// So many tasks fail, none of them in this dispatcher's hands.
    async fn fail(&self, count: usize) -> Vec<TaskId> {
        let mut ids = Vec::new();
        for n in 0..count {
            let now = self.clock.now();
            let spec = TaskSpec {
                id: TaskId::new(now, (n as u128) << 56),
                lane: LaneKey::new("g", Contract::new(1.0).unwrap()),
                function: "f".into(),
                mode: Mode::Webhook,
                options: TaskOptions::default(),
                body: Bytes::from_static(b"{}"),
                worker_key: WorkerKey::new("k"),
                webhook: Some(WebhookTarget { url: "http://receiver".into(), headers: Vec::new() }),
                created_at: now,
                expires_at: now.after(Duration::from_hours(2)),
                resumable: false,
                idempotency: None,
            };
            let id = spec.id;
            self.queue.enqueue(NewTask { spec: Arc::new(spec), priority: None, run_at: None }).await.unwrap();
            let code = ErrorCode::Expired;
            let failure = Settlement::Fail { attempt: None, error: "no luck".into(), code, result: None };
            assert_eq!(self.queue.cancel(id, failure).await, Ok(Cancelled::Done));
            ids.push(id);
        }
        ids
    }

    async fn owed(&self) -> usize {
        self.queue.owed_notices(None, usize::MAX).await.unwrap().len()
    }

    async fn until_owed(&self, count: usize) {
        while self.owed().await != count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn told(&self) -> Vec<TaskId> {
        let mut told = self.notifier.told.lock().clone();
        told.sort_unstable();
        told
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_owed_beyond_the_room_waits_for_it() {
    let bench = Bench::new();
    let ids = bench.fail(MOST_UNDER_WAY + 2).await;
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert_eq!(bench.notices.under_way.lock().len(), MOST_UNDER_WAY);
    bench.notifier.let_through.add_permits(ids.len());
    bench.until_owed(0).await;
    assert_eq!(bench.told(), ids, "each once");
    assert!(bench.queue.get(ids[0]).await.unwrap().is_none(), "and retention has its way again");
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_for_too_long_is_given_up() {
    let bench = Bench::new();
    bench.fail(MOST_UNDER_WAY + 2).await;
    tokio::time::sleep(LONGEST_WAIT / 2).await;
    assert_eq!(bench.owed().await, MOST_UNDER_WAY + 2);
    tokio::time::sleep(LONGEST_WAIT / 2 + LOOK_EVERY * 2).await;
    assert_eq!(bench.owed().await, MOST_UNDER_WAY);
    assert_eq!(bench.told(), []);
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_is_owed_still() {
    let bench = Bench::new();
    bench.fail(3).await;
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert_eq!(bench.notices.under_way.lock().len(), 3);
    bench.notices.drain(Duration::from_secs(5)).await;
    bench.stopped.cancel();
    bench.notices.ended().await;
    assert_eq!(bench.notices.under_way.lock().len(), 0);
    assert_eq!(bench.owed().await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_notice_was_delivered_is_not_told_of_by_a_look_that_saw_it_before() {
    let bench = Bench::new();
    let ids = bench.fail(1).await;
    bench.notifier.let_through.add_permits(2);
    bench.until_owed(0).await;
    bench.notices.begin(ids[0], None);
    tokio::time::sleep(LOOK_EVERY).await;
    assert_eq!((bench.told(), bench.notices.under_way.lock().len()), (ids, 0));
}
