//! Load and kills.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use andera_lb::task::Chance;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::audit::After;
use super::client::{Client, has_ended};
use super::kind::below;
use super::sent::Knowledge;
use super::still::{self, Still};
use crate::harness::{Recorder, TestApp, TestWorker};

const CLIENTS: usize = 10;
/// How long a balancer may be let live that is killed while it starts.
const START: Duration = Duration::from_millis(250);

/// A balancer under load.
pub(super) struct Storm {
    app: TestApp,
    url: watch::Sender<String>,
    clients: Vec<JoinHandle<()>>,
    still: JoinHandle<Still>,
    recorder: Recorder,
    knowledge: Arc<Mutex<Knowledge>>,
    chance: Chance,
    kills: u64,
}

impl Storm {
    pub(super) async fn begin(workers: &[TestWorker], idle: &TestWorker, seed: u64) -> Self {
        let env = [
            ("MAX_INTERRUPTIONS", "1000"),
            ("WEBHOOK_ALLOW_PRIVATE", "true"),
            ("WORKER_DISCOVERY_INTERVAL", "100"),
            ("TASK_BACKOFF", "30"),
        ];
        let all: Vec<&TestWorker> = workers.iter().chain([idle]).collect();
        let app = TestApp::start_with(&all, &env).await;
        let paused = app.request("POST", &format!("/lanes/{}/1/pause", still::GROUP)).send().await.unwrap();
        assert_eq!(paused.status(), 200);
        let recorder = Recorder::start().await;
        let (url, place) = watch::channel(app.url.clone());
        let knowledge = Arc::<Mutex<Knowledge>>::default();
        let client = |n: usize| Client {
            name: format!("client{n}"),
            url: place.clone(),
            hook: recorder.url.clone(),
            chance: Chance::seeded(seed.wrapping_add(n as u64)),
            knowledge: Arc::clone(&knowledge),
        };
        let clients = (1..=CLIENTS).map(|n| tokio::spawn(client(n).run())).collect();
        let still = tokio::spawn(still::fill(client(0)));
        Self { app, url, clients, still, recorder, knowledge, chance: Chance::seeded(seed), kills: 0 }
    }

    /// Lets it rage for a while, up to that.
    pub(super) async fn lasts(&self, most: Duration) {
        tokio::time::sleep(most.mul_f64(self.chance.fraction())).await;
    }

    /// Kills the balancer and starts it anew; now and then it is killed again while it starts.
    pub(super) async fn strikes(&mut self) {
        self.app.kill().await;
        self.kills += 1;
        while below(&self.chance, 3) == 0 {
            self.app.launch();
            self.lasts(START).await;
            self.app.kill().await;
            self.kills += 1;
        }
        self.app.restart().await;
        self.url.send_replace(self.app.url.clone());
    }

    pub(super) fn summary(&self) -> String {
        self.knowledge.lock().summary()
    }

    /// No more load, one more kill, and time for everything to end.
    pub(super) async fn calms(mut self) -> After {
        self.app.kill().await;
        self.kills += 1;
        self.url.send_replace(String::new());
        for client in self.clients {
            client.await.unwrap();
        }
        let still = self.still.await.unwrap();
        self.app.restart().await;
        let mut tasks = HashMap::new();
        for task in all(&self.app).await {
            let id = task["taskId"].as_str().unwrap().to_owned();
            let task = if waits_on(&task) { self.app.shown(&id).await } else { self.app.ended(&id).await };
            assert!(waits_on(&task) || has_ended(&task), "in vain: the end of {task}");
            tasks.insert(id, task);
        }
        let knowledge = std::mem::take(&mut *self.knowledge.lock());
        After { app: self.app, recorder: self.recorder, knowledge, still, tasks, kills: self.kills }
    }
}

/// Whether the task is in the lane that is paused, or was to be cancelled and is not: only these wait for longer than the storm lasts.
fn waits_on(task: &Value) -> bool {
    task["function"] == "hello" && !has_ended(task)
}

/// Every task there is.
pub(super) async fn all(app: &TestApp) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get(&format!("/tasks?limit=1000{cursor}")).await.json();
        all.extend(page["tasks"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}
