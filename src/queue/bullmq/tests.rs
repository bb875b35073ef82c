//! What the suite does not ask for: several balancers, and what other tools leave in the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::config::Settings;
use crate::queue::conformance::{LEASE, complete, lane, limits, retry};
use crate::queue::*;
use crate::task::{LaneKey, Mode, Priority, TaskId, TaskOptions, TaskSpec, TaskState, WorkerKey, lane_name};

/// Balancers on one store, in real time.
struct Fleet {
    settings: RedisSettings,
    chance: Chance,
    _stop: DropGuard,
    stopped: CancellationToken,
}

impl Fleet {
    fn new() -> Self {
        let stopped = CancellationToken::new();
        let settings = server::settings();
        Self { settings, chance: Chance::seeded(7), _stop: stopped.clone().drop_guard(), stopped }
    }

    async fn balancer(&self) -> Arc<BullmqQueue> {
        self.run(self.unwatched()).await
    }

    /// One that judges others from the first moment on.
    async fn judge(&self) -> Arc<BullmqQueue> {
        self.run(BullmqQueue { lease: Duration::ZERO, ..self.unwatched() }).await
    }

    fn unwatched(&self) -> BullmqQueue {
        let sealer = Sealer::new(&Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().auth).unwrap();
        BullmqQueue::new(&self.settings, limits(), LEASE, Clock::system(), sealer).unwrap()
    }

    async fn run(&self, queue: BullmqQueue) -> Arc<BullmqQueue> {
        let queue = Arc::new(queue);
        let (running, stopped) = (Arc::clone(&queue), self.stopped.clone());
        tokio::spawn(async move { running.run(stopped).await });
        until(async || queue.subscribers().await > 0).await;
        queue
    }

    fn task(&self, group: &str, change: impl FnOnce(&mut TaskSpec)) -> NewTask {
        let now = Clock::system().now();
        let mut spec = TaskSpec {
            id: TaskId::new(now, self.chance.wide_number()),
            lane: lane(group),
            function: "f".into(),
            mode: Mode::Async,
            options: TaskOptions::default(),
            body: Bytes::from_static(b"{\"input\":1}"),
            worker_key: WorkerKey::new("k"),
            webhook: None,
            created_at: now,
            expires_at: now.after(Duration::from_mins(50)),
            resumable: false,
            idempotency: None,
        };
        change(&mut spec);
        NewTask { spec: Arc::new(spec), priority: None, run_at: None }
    }

    async fn add(&self, queue: &BullmqQueue, group: &str) -> TaskId {
        let task = self.task(group, |_| {});
        let id = task.spec.id;
        assert_eq!(queue.enqueue(task).await, Ok(Enqueued::New));
        id
    }

    async fn add_stream(&self, queue: &BullmqQueue, group: &str) -> TaskId {
        let task = self.task(group, |spec| spec.mode = Mode::Stream);
        let id = task.spec.id;
        assert_eq!(queue.enqueue(task).await, Ok(Enqueued::New));
        id
    }

    fn request(&self) -> ClaimRequest {
        ClaimRequest::new(RequestId(self.chance.number()), LEASE)
    }

    async fn claim(&self, queue: &BullmqQueue, group: &str) -> Option<Claim> {
        queue.claim(&lane(group), self.request()).await.unwrap()
    }

    /// A command of the server's own, as another tool would send it.
    async fn command(&self, words: &[&str]) {
        let client = redis::Client::open(self.settings.address().expose()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query_async::<Value>(&mut connection).await.unwrap();
    }

    fn key(&self, lane: &LaneKey, end: &str) -> String {
        format!("{}:{}:{end}", self.settings.prefix, lane_name::of(lane))
    }
}

impl BullmqQueue {
    async fn subscribers(&self) -> i64 {
        let Some(live) = self.link.answering() else { return 0 };
        let mut connection = live.connection.clone();
        let channel = format!("{}:andera-events", self.prefix);
        let counted: (String, i64) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query_async(&mut connection).await.unwrap();
        counted.1
    }
}

async fn until(condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), holds).await.expect("in vain");
}

/// Waits for an event; others may come before.
async fn hears(events: &mut broadcast::Receiver<QueueEvent>, event: QueueEvent) {
    let heard = async { while events.recv().await.unwrap() != event {} };
    tokio::time::timeout(Duration::from_secs(30), heard).await.unwrap_or_else(|_| panic!("in vain: {event:?}"));
}

#[tokio::test]
async fn what_one_does_the_others_hear() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.balancer().await, fleet.balancer().await);
    until(async || one.subscribers().await == 2).await;
    let mut events = other.events();
    let id = fleet.add(&one, "g").await;
    hears(&mut events, QueueEvent::Claimable(lane("g"))).await;
    let claim = fleet.claim(&other, "g").await.unwrap();
    let mut asked = other.events();
    one.ask_to_stop(id).await.unwrap();
    hears(&mut asked, QueueEvent::StopAsked(id)).await;
    assert_eq!(other.renew(std::slice::from_ref(&claim.lease), LEASE).await, [Ok(())]);
    hears(&mut asked, QueueEvent::StopAsked(id)).await;
    let mut ended = one.events();
    assert_eq!(other.settle(&claim.lease, complete()).await, Ok(Settled::Ended));
    hears(&mut ended, QueueEvent::EndedElsewhere(Ending { task: id, state: TaskState::Completed, code: None })).await;
}

#[tokio::test]
async fn a_stream_is_claimed_for_the_balancer_that_has_its_client() {
    let fleet = Fleet::new();
    let (owner, fresh, other) = (fleet.balancer().await, fleet.balancer().await, fleet.judge().await);
    let id = fleet.add_stream(&owner, "g").await;
    let behind = fleet.add(&owner, "g").await;
    // The server may have been away, and the owner not be back yet.
    assert_eq!(fleet.claim(&fresh, "g").await.map(|claim| claim.spec.id), Some(behind));
    assert!(fresh.claim_task(id, fleet.request()).await.unwrap().is_none());
    for (balancer, client) in [(&owner, Whereabouts::Here), (&other, Whereabouts::Elsewhere)] {
        let claim = fleet.claim(balancer, "g").await.unwrap();
        assert_eq!((claim.spec.id, claim.client), (id, client));
        assert_eq!(balancer.release(&claim.lease, false).await, Ok(Released::Waits));
    }
    until(async || {
        // It lives, and says so now and then.
        owner.leave().await;
        let claim = fleet.claim(&other, "g").await.unwrap();
        other.release(&claim.lease, false).await.unwrap();
        claim.client == Whereabouts::Gone
    })
    .await;
}

#[tokio::test]
async fn a_claim_is_taken_over_once_and_by_nobody_but_the_owner() {
    let fleet = Fleet::new();
    let (owner, lender) = (fleet.balancer().await, fleet.judge().await);
    let id = fleet.add_stream(&owner, "g").await;
    let lent = fleet.claim(&lender, "g").await.unwrap().lease;
    let lost = |claim: Result<Claim, QueueError>| assert_eq!(claim.err(), Some(QueueError::LeaseLost));
    lost(lender.take_over(&lent, fleet.request()).await);
    assert_eq!(owner.is_taken_over(&lent).await, Ok(false));

    let request = fleet.request();
    let taken = owner.take_over(&lent, request.clone()).await.unwrap();
    assert_eq!((taken.spec.id, taken.client, taken.lease.token > lent.token), (id, Whereabouts::Here, true));
    assert_eq!(taken.spec.body, Bytes::from_static(b"{\"input\":1}"));
    let repeat = ClaimRequest { repeat: true, ..request };
    assert_eq!(owner.take_over(&lent, repeat.clone()).await.unwrap().lease, taken.lease, "the answer was not heard");
    lost(owner.take_over(&lent, fleet.request()).await);
    assert_eq!(lender.settle(&lent, complete()).await, Err(QueueError::LeaseLost));
    assert_eq!(lender.renew(std::slice::from_ref(&lent), LEASE).await, [Err(QueueError::LeaseLost)]);
    assert_eq!(lender.is_taken_over(&lent).await, Ok(true));
    assert_eq!(owner.renew(std::slice::from_ref(&taken.lease), LEASE).await, [Ok(())]);

    assert_eq!(owner.settle(&taken.lease, retry(None)).await, Ok(Settled::Waits(Waiting::Now)));
    assert_eq!(lender.is_taken_over(&lent).await, Ok(false));
    let again = fleet.claim(&lender, "g").await.unwrap();
    assert_eq!((again.spec.id, again.attempts), (id, 1));
    for late in [&lent, &taken.lease] {
        lost(owner.take_over(late, fleet.request()).await);
    }
    lost(owner.take_over(&lent, repeat).await);
    assert_eq!(lender.is_taken_over(&lent).await, Ok(false));
    assert_eq!(lender.settle(&again.lease, complete()).await, Ok(Settled::Ended));
    lost(owner.take_over(&again.lease, fleet.request()).await);
}

#[tokio::test]
async fn a_run_whose_lease_ran_out_counts_unless_its_task_was_claimed_again() {
    let fleet = Fleet::new();
    let queue = fleet.judge().await;
    let mut request = fleet.request();
    request.lease = Duration::from_millis(1);
    for claimed_again in [false, true] {
        let id = fleet.add(&queue, "g").await;
        request.id = RequestId(request.id.0 + 1);
        let claim = queue.claim(&lane("g"), request.clone()).await.unwrap().unwrap();
        until(async || queue.get(id).await.unwrap().unwrap().state == TaskState::Queued).await;
        let expected = if claimed_again {
            assert_eq!(fleet.claim(&queue, "g").await.unwrap().spec.id, id);
            Err(QueueError::LeaseLost)
        } else {
            Ok(Settled::Ended)
        };
        assert_eq!(queue.settle(&claim.lease, complete()).await, expected);
    }
    let counts = queue.lane_counts(&lane("g")).await.unwrap().counts;
    assert_eq!((counts.queued, counts.running, counts.completed), (0, 1, 1));
}

#[tokio::test]
async fn one_of_them_tells_a_webhook_of_a_failure() {
    let fleet = Fleet::new();
    let (one, other) = (fleet.balancer().await, fleet.balancer().await);
    let task = fleet.task("g", |spec| spec.mode = Mode::Webhook);
    one.enqueue(task).await.unwrap();
    let claim = fleet.claim(&one, "g").await.unwrap();
    let failure = Settlement::Fail {
        attempt: None,
        error: "no luck".into(),
        code: crate::task::ErrorCode::WorkerFailed,
        result: None,
    };
    one.settle(&claim.lease, failure).await.unwrap();
    assert_eq!(other.owed_notices(None, 9).await, Ok(Vec::new()));
    assert_eq!(one.owed_notices(None, 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn places_are_kept_wherever_in_the_lane_they_are() {
    let fleet = Fleet::new();
    let queue = fleet.balancer().await;
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(fleet.add(&queue, "g").await);
    }
    // Out of the middle, far from the head, and back.
    for n in [150, 20, 199, 100] {
        assert_eq!(queue.reprioritize(ids[n], Priority::new(5)).await, Ok(true));
        assert_eq!(queue.reprioritize(ids[n], None).await, Ok(true));
        assert_eq!(queue.position(ids[n]).await, Ok(Some(n as u64)));
    }
    let mut claims = Vec::new();
    for _ in 0..120 {
        claims.push(fleet.claim(&queue, "g").await.unwrap());
    }
    // Each third is kept, the others come back out of order.
    for n in (0..120).rev().filter(|n| n % 3 == 1).chain((0..120).filter(|n| n % 3 == 2)) {
        if n % 2 == 0 {
            assert_eq!(queue.release(&claims[n].lease, false).await, Ok(Released::Waits));
        } else {
            assert_eq!(queue.settle(&claims[n].lease, retry(None)).await, Ok(Settled::Waits(Waiting::Now)));
        }
    }
    let mut order = Vec::new();
    while let Some(claim) = fleet.claim(&queue, "g").await {
        order.push(claim.spec.id);
    }
    let kept = ids.iter().enumerate().filter(|(n, _)| *n >= 120 || n % 3 != 0);
    assert_eq!(order, kept.map(|(_, id)| *id).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_task_that_cannot_be_read_fails_and_the_next_one_is_claimed() {
    let fleet = Fleet::new();
    let queue = fleet.balancer().await;
    let broken = fleet.add(&queue, "g").await;
    let sound = fleet.add(&queue, "g").await;
    fleet.command(&["HSET", &fleet.key(&lane("g"), &broken.to_string()), "andera", "nonsense"]).await;
    assert_eq!(fleet.claim(&queue, "g").await.map(|claim| claim.spec.id), Some(sound));
    let counts = queue.lane_counts(&lane("g")).await.unwrap().counts;
    assert_eq!((counts.running, counts.failed), (1, 1));
}

#[tokio::test]
async fn jobs_of_other_tools_are_passed_over_and_what_they_remove_is_forgotten() {
    let fleet = Fleet::new();
    let queue = fleet.balancer().await;
    let gone = fleet.add(&queue, "g").await;
    let stays = fleet.add(&queue, "g").await;
    let (wait, job) = (fleet.key(&lane("g"), "wait"), fleet.key(&lane("g"), "7"));
    fleet.command(&["RPUSH", &wait, "7"]).await;
    fleet.command(&["HSET", &job, "name", "x", "data", "{}"]).await;
    fleet.command(&["LREM", &wait, "1", &gone.to_string()]).await;
    fleet.command(&["DEL", &fleet.key(&lane("g"), &gone.to_string())]).await;
    assert!(queue.get(gone).await.unwrap().is_none());
    let listed = queue.list(&TaskFilter { limit: 9, ..TaskFilter::default() }).await.unwrap().tasks;
    assert_eq!(listed.iter().map(|task| task.spec.id).collect::<Vec<_>>(), [stays]);
    assert_eq!(fleet.claim(&queue, "g").await.map(|claim| claim.spec.id), Some(stays));
    assert!(fleet.claim(&queue, "g").await.is_none());
}
