//! Many tasks on many workers through several balancers.
//!
//! A balancer counts what it has sent to a worker itself, at once, and what others have by the worker's reports. So by itself it never
//! has more than `SLOTS` tasks at a worker, and all together have at most that many each, for as long as a report takes to cross. Once
//! a worker has reported that all its slots are busy, and the report has come to a balancer, that one sends it nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::hello;
use crate::harness::{Redis, Say, StubWorker, TestApp, until};

const BALANCERS: usize = 3;
const WORKERS: usize = 20;
const SLOTS: u32 = 2;
/// More than there are slots, so that tasks wait and run through whichever balancer finds room.
const CLIENTS: usize = 60;

struct Fleet {
    redis: Redis,
    workers: Vec<StubWorker>,
    apps: Vec<TestApp>,
}

impl Fleet {
    async fn start(balancers: usize, say: Say) -> Self {
        let redis = Redis::start_with(&["--appendfsync", "no"]).await;
        let workers = join_all((0..WORKERS).map(|_| StubWorker::start(SLOTS, std::slice::from_ref(&say)))).await;
        workers.iter().for_each(StubWorker::says_the_truth);
        let mut fleet = Self { redis, workers, apps: Vec::new() };
        for _ in 0..balancers {
            fleet.grows().await;
        }
        fleet
    }

    /// One more balancer, which has had a report of each worker.
    async fn grows(&mut self) {
        let urls: Vec<&str> = self.workers.iter().map(|worker| worker.url.as_str()).collect();
        let app = TestApp::start_for(&urls, &self.redis.env(&[("WORKER_DISCOVERY_INTERVAL", "200")])).await;
        app.ready(WORKERS).await;
        self.apps.push(app);
    }

    fn running(&self) -> usize {
        self.workers.iter().map(StubWorker::running).sum()
    }

    /// So many tasks, each with a client that waits for it, and clients at all balancers.
    async fn runs(&self, tasks: usize) -> HashSet<String> {
        let left = Arc::new(AtomicUsize::new(tasks));
        let clients = (0..CLIENTS).map(|n| {
            let left = Arc::clone(&left);
            async move {
                let mut ids = Vec::new();
                while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    let answer = self.apps[n % BALANCERS].submit(&hello(json!({}))).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    ids.push(answer.task_id());
                }
                ids
            }
        });
        join_all(clients).await.into_iter().flatten().collect()
    }

    /// So many tasks that nobody waits for, through the balancers in turn.
    async fn accept(tasks: usize, apps: &[TestApp]) -> Vec<String> {
        join_all((0..tasks).map(async |n| apps[n % apps.len()].accept(&hello(json!({}))).await)).await
    }

    /// Every worker has been asked by every balancer, as a rule three times.
    async fn reports_cross(&self) {
        let before: Vec<usize> = self.workers.iter().map(StubWorker::probes).collect();
        until("reports cross", || async {
            self.workers.iter().zip(&before).all(|(worker, before)| worker.probes() >= before + 3 * BALANCERS)
        })
        .await;
    }
}

async fn every_task_runs_once(tasks: usize) {
    let fleet = Fleet::start(BALANCERS, Say::Later(Duration::from_millis(5))).await;
    let answered = fleet.runs(tasks).await;
    assert_eq!(answered.len(), tasks, "each client has a task of its own");
    let sent: Vec<String> = fleet.workers.iter().flat_map(StubWorker::tasks).collect();
    assert_eq!(sent.len(), tasks, "none is sent twice");
    assert_eq!(sent.into_iter().collect::<HashSet<_>>(), answered);
    for worker in &fleet.workers {
        let peak = worker.peak();
        assert!(peak <= BALANCERS * SLOTS as usize, "{peak} at once");
        assert!(worker.requests() > 0, "all take part");
    }
    for app in &fleet.apps {
        let lanes = app.get("/lanes").await.json();
        assert_eq!(lanes[0]["counts"]["completed"], tasks, "{lanes}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_of_2_000_tasks_runs_once_on_20_workers_through_three_balancers() {
    every_task_runs_once(2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make chaos"]
async fn every_one_of_10_000_tasks_runs_once_on_20_workers_through_three_balancers() {
    every_task_runs_once(10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_has_reported_all_its_slots_busy_gets_nothing_from_any_balancer() {
    let mut fleet = Fleet::start(1, Say::Held).await;
    let all = WORKERS * SLOTS as usize;
    let held = Fleet::accept(all, &fleet.apps).await;
    until("all slots are busy", || async { fleet.running() == all }).await;
    while fleet.apps.len() < BALANCERS {
        fleet.grows().await;
    }
    let more = Fleet::accept(all, &fleet.apps).await;
    fleet.reports_cross().await;
    assert!(fleet.workers.iter().all(|worker| worker.peak() == SLOTS as usize), "no worker has more than its slots");
    fleet.workers.iter().for_each(StubWorker::lets_go);
    for id in held.iter().chain(&more) {
        assert_eq!(fleet.apps[1].ended(id).await["state"], "completed");
    }
    assert_eq!(fleet.workers.iter().map(StubWorker::requests).sum::<usize>(), 2 * all);
}
