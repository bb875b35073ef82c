//! Load and kills.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use andera_lb::task::Chance;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::audit::After;
use super::client::{Client, has_ended};
use super::fleet::Fleet;
use super::sent::Knowledge;
use super::still::{self, Still};
use crate::harness::{Recorder, TestApp};

const CLIENTS: usize = 10;

/// Balancers under load.
pub(super) struct Storm {
    pub(super) fleet: Fleet,
    clients: Vec<JoinHandle<()>>,
    still: JoinHandle<Still>,
    recorder: Recorder,
    knowledge: Arc<Mutex<Knowledge>>,
    pub(super) chance: Chance,
}

impl Storm {
    /// `excuses` are the codes with which a balancer may refuse a task in this storm.
    pub(super) async fn begin(fleet: Fleet, seed: u64, excuses: &'static [&'static str]) -> Self {
        let paused = fleet.first().request("POST", &format!("/lanes/{}/1/pause", still::GROUP)).send().await.unwrap();
        assert_eq!(paused.status(), 200);
        let recorder = Recorder::start().await;
        let knowledge = Arc::<Mutex<Knowledge>>::default();
        let client = |n: usize| Client {
            name: format!("client{n}"),
            home: n % fleet.apps.len(),
            places: fleet.places(),
            hook: recorder.url.clone(),
            chance: Chance::seeded(seed.wrapping_add(n as u64)),
            knowledge: Arc::clone(&knowledge),
            excuses,
        };
        let clients = (1..=CLIENTS).map(|n| tokio::spawn(client(n).run())).collect();
        let still = tokio::spawn(still::fill(client(0)));
        Self { fleet, clients, still, recorder, knowledge, chance: Chance::seeded(seed) }
    }

    pub(super) async fn strikes(&mut self) {
        self.fleet.strikes(&self.chance).await;
    }

    pub(super) fn summary(&self) -> String {
        self.knowledge.lock().summary()
    }

    /// No more load, and time for everything to end; `killed` if every balancer dies before.
    pub(super) async fn calms(mut self, killed: bool) -> After {
        if killed {
            self.fleet.dies().await;
        }
        self.fleet.is_over();
        for client in self.clients {
            client.await.unwrap();
        }
        let still = self.still.await.unwrap();
        if killed {
            self.fleet.comes_back().await;
        }
        let mut tasks = HashMap::new();
        let app = self.fleet.first();
        for task in all(app).await {
            let id = task["taskId"].as_str().unwrap().to_owned();
            let task = if waits_on(&task) { app.shown(&id).await } else { app.ended(&id).await };
            assert!(waits_on(&task) || has_ended(&task), "in vain: the end of {task}");
            tasks.insert(id, task);
        }
        let knowledge = std::mem::take(&mut *self.knowledge.lock());
        After { fleet: self.fleet, recorder: self.recorder, knowledge, still, tasks }
    }
}

/// Lets time pass, up to that much.
pub(super) async fn lasts(most: Duration, chance: &Chance) {
    tokio::time::sleep(most.mul_f64(chance.fraction())).await;
}

/// Whether the task is in the lane that is paused, or was to be cancelled and is not: only these wait for longer than the storm lasts.
fn waits_on(task: &Value) -> bool {
    !has_ended(task) && task["function"] == "hello"
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
