//! The load: producers that each send one write after the other, phase by phase.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use andera_lb::queue::{Claim, NewTask, TaskQueue};
use andera_lb::task::LaneKey;
use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::case::{OPERATIONS, Place};
use crate::tasks::Tasks;

/// Writes of one producer in one phase: enough to keep all busy, few enough that the queue stays as long as it is to be.
const BATCH: usize = 32;
/// Tasks of one write while a queue is filled.
const FILL_BATCH: u64 = 500;

/// The load on one queue.
pub(crate) struct Load {
    pub(crate) queue: Arc<dyn TaskQueue>,
    pub(crate) tasks: Tasks,
    pub(crate) producers: usize,
}

/// Time and number of the writes of each kind, in the order of [`OPERATIONS`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    time: [Duration; OPERATIONS.len()],
    writes: [u32; OPERATIONS.len()],
}

/// What each producer has in hand.
type Hands<T> = Vec<Vec<T>>;

impl Load {
    /// Has so many tasks wait.
    pub(crate) async fn fill(&self, queued: u64, place: Place) -> Result<()> {
        let mut from = 0;
        while from < queued {
            let to = queued.min(from + FILL_BATCH);
            let lane = |number| match place {
                Place::SameLane | Place::Nowhere => self.tasks.lane.clone(),
                Place::OtherLanes => self.tasks.other_lane(number),
            };
            let tasks = (from..to).map(|number| self.tasks.task(lane(number))).collect();
            for enqueued in self.queue.enqueue_many(tasks).await {
                enqueued?;
            }
            from = to;
        }
        Ok(())
    }

    /// Goes through cycles of all writes for a time; as many tasks wait afterwards as did before.
    pub(crate) async fn run(&self, time: Duration) -> Result<Tally> {
        let mut tally = Tally::default();
        let until = Instant::now() + time;
        while tally.writes[0] == 0 || Instant::now() < until {
            self.cycle(&mut tally).await?;
        }
        Ok(tally)
    }

    async fn cycle(&self, tally: &mut Tally) -> Result<()> {
        self.enqueue(tally).await?;
        let requests = self.each(|| self.tasks.request());
        let lane = self.tasks.lane.clone();
        let claims = self
            .phase(tally, 1, requests, move |queue, request| {
                let lane: LaneKey = lane.clone();
                async move { queue.claim(&lane, request).await?.context("no task to claim") }
            })
            .await?;
        self.settle(tally, claims).await?;

        let tasks = self.each(|| (self.new_task(), self.tasks.request()));
        let claims = self
            .phase(tally, 3, tasks, |queue, (task, request)| async move {
                queue.enqueue_and_claim(task, request).await?.1.context("no task to claim")
            })
            .await?;
        // What each settlement goes on to.
        self.enqueue(tally).await?;
        let claims = self.of_each(&claims, |claim| (self.tasks.completed(claim), self.tasks.request()));
        let claims = self
            .phase(tally, 4, claims, |queue, ((lease, settlement), request)| async move {
                let (settled, claim) = queue.settle_and_claim(&lease, settlement, request).await;
                settled?;
                claim?.context("no task to claim")
            })
            .await?;
        self.settle(tally, claims).await
    }

    async fn enqueue(&self, tally: &mut Tally) -> Result<()> {
        let tasks = self.each(|| self.new_task());
        self.phase(tally, 0, tasks, |queue, task| async move { Ok(queue.enqueue(task).await?) }).await?;
        Ok(())
    }

    async fn settle(&self, tally: &mut Tally, claims: Hands<Claim>) -> Result<()> {
        let ends = self.of_each(&claims, |claim| self.tasks.completed(claim));
        self.phase(
            tally,
            2,
            ends,
            |queue, (lease, settlement)| async move { Ok(queue.settle(&lease, settlement).await?) },
        )
        .await?;
        Ok(())
    }

    fn new_task(&self) -> NewTask {
        self.tasks.task(self.tasks.lane.clone())
    }

    fn each<T>(&self, make: impl Fn() -> T) -> Hands<T> {
        (0..self.producers).map(|_| (0..BATCH).map(|_| make()).collect()).collect()
    }

    #[expect(clippy::unused_self, reason = "beside `each`")]
    fn of_each<T, U>(&self, hands: &Hands<T>, make: impl Fn(&T) -> U) -> Hands<U> {
        hands.iter().map(|hand| hand.iter().map(&make).collect()).collect()
    }

    /// Has all producers write what they have in hand, and counts that as writes of that kind.
    async fn phase<T, U, F>(
        &self,
        tally: &mut Tally,
        kind: usize,
        hands: Hands<T>,
        write: impl Fn(Arc<dyn TaskQueue>, T) -> F + Clone + Send + Sync + 'static,
    ) -> Result<Hands<U>>
    where
        T: Send + 'static,
        U: Send + 'static,
        F: Future<Output = Result<U>> + Send,
    {
        let writes: usize = hands.iter().map(Vec::len).sum();
        let mut results = Vec::with_capacity(hands.len());
        let began = Instant::now();
        let mut producers = JoinSet::new();
        for hand in hands {
            let (queue, write) = (Arc::clone(&self.queue), write.clone());
            // A producer: it ends with the phase.
            producers.spawn(async move {
                let mut results = Vec::with_capacity(hand.len());
                for item in hand {
                    results.push(write(Arc::clone(&queue), item).await?);
                }
                anyhow::Ok(results)
            });
        }
        while let Some(outcome) = producers.join_next().await {
            results.push(outcome.context("a producer panicked")??);
        }
        tally.time[kind] += began.elapsed();
        tally.writes[kind] += u32::try_from(writes)?;
        Ok(results)
    }
}

impl Tally {
    /// Writes in a second, in the order of [`OPERATIONS`].
    pub(crate) fn rates(&self) -> [f64; OPERATIONS.len()] {
        std::array::from_fn(|kind| f64::from(self.writes[kind]) / self.time[kind].as_secs_f64())
    }

    /// How many tasks were made, run and ended.
    pub(crate) fn tasks(&self) -> u32 {
        self.writes[0] + self.writes[3]
    }
}
