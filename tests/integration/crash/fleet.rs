//! The balancers of a storm, and the Redis they share if there is one.

use std::time::Duration;

use andera_lb::task::Chance;
use serde_json::Value;
use tokio::sync::watch;

use super::kind::below;
use super::storm;
use crate::harness::{Redis, TestApp, TestWorker};

/// How long a balancer may be let live that is killed while it starts.
const START: Duration = Duration::from_millis(250);
/// How long a Redis that was killed may be away: now and then longer than a submission waits for it.
const AWAY: Duration = Duration::from_millis(1_200);

const ENV: [(&str, &str); 4] = [
    ("MAX_INTERRUPTIONS", "1000"),
    ("WEBHOOK_ALLOW_PRIVATE", "true"),
    ("WORKER_DISCOVERY_INTERVAL", "100"),
    ("TASK_BACKOFF", "30"),
];
const ON_REDIS: [(&str, &str); 2] = [("LEASE_MS", "3000"), ("REDIS_WAIT", "800")];

/// Balancers on one queue. Never empty.
pub(super) struct Fleet {
    pub(super) apps: Vec<TestApp>,
    /// Where each of them is; empty once the storm is over.
    places: Vec<watch::Sender<String>>,
    pub(super) redis: Option<Redis>,
    /// How often a balancer was killed, and how often Redis was.
    pub(super) kills: u64,
    pub(super) outages: u64,
    /// Whose turn it is to be struck.
    turn: usize,
}

impl Fleet {
    /// One balancer with a queue of its own.
    pub(super) async fn alone(workers: &[&TestWorker]) -> Self {
        Self::of(vec![TestApp::start_with(workers, &ENV).await], None)
    }

    /// Several on one Redis.
    pub(super) async fn on_redis(count: usize, workers: &[&TestWorker], env: &[(&str, &str)]) -> Self {
        let redis = Redis::start().await;
        let all: Vec<_> = ENV.iter().chain(&ON_REDIS).chain(env).copied().collect();
        let mut apps = Vec::new();
        for _ in 0..count {
            apps.push(TestApp::start_with(workers, &redis.env(&all)).await);
        }
        Self::of(apps, Some(redis))
    }

    fn of(apps: Vec<TestApp>, redis: Option<Redis>) -> Self {
        let places = apps.iter().map(|app| watch::Sender::new(app.url.clone())).collect();
        Self { apps, places, redis, kills: 0, outages: 0, turn: 0 }
    }

    /// Where the balancers are, whenever they are elsewhere.
    pub(super) fn places(&self) -> Vec<watch::Receiver<String>> {
        self.places.iter().map(watch::Sender::subscribe).collect()
    }

    /// Kills a balancer, or Redis, each in its turn, and starts it anew.
    pub(super) async fn strikes(&mut self, chance: &Chance) {
        let turn = self.turn;
        self.turn = (turn + 1) % (self.apps.len() + usize::from(self.redis.is_some()));
        match &mut self.redis {
            Some(redis) if turn == self.apps.len() => {
                redis.kill().await;
                self.outages += 1;
                // Now and then a balancer dies meanwhile, and begins without it.
                let victim = below(chance, 2 * self.apps.len());
                if victim < self.apps.len() {
                    self.apps[victim].kill().await;
                    self.kills += 1;
                    self.apps[victim].restart().await;
                    self.places[victim].send_replace(self.apps[victim].url.clone());
                }
                storm::lasts(AWAY, chance).await;
                if let Some(redis) = &mut self.redis {
                    redis.restart().await;
                }
            }
            _ => self.strikes_one(turn, chance).await,
        }
    }

    /// Kills a balancer and starts it anew; now and then it is killed again while it starts.
    async fn strikes_one(&mut self, n: usize, chance: &Chance) {
        let app = &mut self.apps[n];
        app.kill().await;
        self.kills += 1;
        while below(chance, 3) == 0 {
            app.launch();
            storm::lasts(START, chance).await;
            app.kill().await;
            self.kills += 1;
        }
        app.restart().await;
        self.places[n].send_replace(app.url.clone());
    }

    /// Ends the next balancer in good order, and starts a new one in its place.
    pub(super) async fn rolls(&mut self) {
        let app = &mut self.apps[self.turn];
        app.terminate();
        assert_eq!(app.exited().await.code(), Some(0), "{:#?}", app.lines());
        app.restart().await;
        self.places[self.turn].send_replace(app.url.clone());
        self.turn = (self.turn + 1) % self.apps.len();
    }

    /// Says that the storm is over.
    pub(super) fn is_over(&self) {
        for place in &self.places {
            place.send_replace(String::new());
        }
    }

    pub(super) async fn dies(&mut self) {
        for app in &mut self.apps {
            app.kill().await;
            self.kills += 1;
        }
    }

    pub(super) async fn comes_back(&mut self) {
        for app in &mut self.apps {
            app.restart().await;
        }
    }

    /// One that is asked what there is.
    pub(super) fn first(&self) -> &TestApp {
        &self.apps[0]
    }

    /// What one of them has printed since its last start says of the last run, if it keeps the queue itself.
    pub(super) async fn has_recovered(&self) {
        if self.redis.is_none() {
            self.first().prints("recovered the tasks of the last run").await;
        }
    }

    /// The lanes, as each of the balancers counts them.
    pub(super) async fn lanes(&self) -> Vec<Value> {
        let mut lanes = Vec::new();
        for app in &self.apps {
            lanes.push(app.get("/lanes").await.json());
        }
        lanes
    }
}
