//! A client that sends tasks of all kinds to a balancer that comes and goes.

use std::sync::Arc;

use andera_lb::task::Chance;
use parking_lot::Mutex;
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::sync::watch;

use super::kind::{Kind, below};
use super::sent::{Knowledge, Sent, Told};
use crate::harness::app::client;
use crate::harness::{LB_KEY, WORKER_KEY};

const IN_A_BATCH: usize = 4;

/// A client that sends tasks until the storm is over.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) name: String,
    /// Where the balancer is; empty once the storm is over.
    pub(super) url: watch::Receiver<String>,
    pub(super) hook: String,
    pub(super) chance: Chance,
    pub(super) knowledge: Arc<Mutex<Knowledge>>,
}

impl Client {
    pub(super) async fn run(mut self) {
        for n in 0_u32.. {
            if self.url.borrow().is_empty() {
                return;
            }
            let kind = Kind::any(&self.chance);
            let marker = format!("{}-{n}", self.name);
            match kind {
                Kind::Batch => self.batch(&marker).await,
                _ => self.one(kind, marker).await,
            }
        }
    }

    async fn one(&mut self, kind: Kind, marker: String) {
        let mode = kind.mode(&self.chance);
        let body = kind.body(mode, &self.hook, &marker, &self.chance);
        let mut told = self.submit(kind, &body, &marker).await;
        if kind == Kind::Keyed {
            while told.id().is_none() && self.moved().await {
                told = self.submit(kind, &body, &marker).await;
            }
            if let (Some(first), Some(again)) = (told.id(), self.submit(kind, &body, &marker).await.id()) {
                assert_eq!(first, again, "{marker}: one task for one key");
            }
        }
        let mut cancelled = false;
        if let (Kind::Cancelled, Some(id)) = (kind, told.id()) {
            let answer = self.request("DELETE", &format!("/tasks/{id}")).send().await;
            cancelled = answer.is_ok_and(|answer| answer.status() == 200);
        }
        if let Some(id) = told.id().filter(|_| below(&self.chance, 2) == 0) {
            self.look(id).await;
        }
        let nothing = told.id().is_none();
        self.knowledge.lock().sent.push(Sent { kind, mode, marker, told, cancelled });
        if nothing {
            self.moved().await;
        }
    }

    async fn batch(&mut self, marker: &str) {
        let markers: Vec<_> = (0..IN_A_BATCH).map(|n| format!("{marker}.{n}")).collect();
        let bodies: Vec<Value> =
            markers.iter().map(|marker| Kind::Batch.body("async", "", marker, &self.chance)).collect();
        let request = self.request("POST", "/tasks").header("x-wr-auth", WORKER_KEY).json(&bodies);
        let answers: Option<Vec<Value>> = match request.send().await {
            Ok(answer) => answer.json().await.ok(),
            Err(_) => None,
        };
        let nothing = answers.is_none();
        let told = |n: usize| match &answers {
            Some(answers) => Told::Head { id: answers[n]["taskId"].as_str().expect("it is taken").to_owned() },
            None => Told::Nothing,
        };
        let sent = markers.into_iter().enumerate().map(|(n, marker)| Sent {
            kind: Kind::Batch,
            mode: "async",
            marker,
            told: told(n),
            cancelled: false,
        });
        self.knowledge.lock().sent.extend(sent);
        if nothing {
            self.moved().await;
        }
    }

    pub(super) async fn submit(&self, kind: Kind, body: &Value, marker: &str) -> Told {
        let mut request = self.request("POST", "/task").header("x-wr-auth", WORKER_KEY).json(body);
        if kind == Kind::Keyed {
            request = request.header("idempotency-key", marker);
        }
        let Ok(answer) = request.send().await else { return Told::Nothing };
        let status = answer.status().as_u16();
        let id = answer.headers().get("x-task-id").map(|id| id.to_str().unwrap().to_owned());
        let body = answer.bytes().await;
        match (id, body) {
            (Some(id), Ok(body)) => Told::All { id, status, body: body.to_vec() },
            (Some(id), Err(_)) => Told::Head { id },
            (None, Ok(body)) => panic!("{marker}: {status} without a task: {body:?}"),
            (None, Err(_)) => Told::Nothing,
        }
    }

    /// Keeps how the task has ended, if it ends soon.
    async fn look(&self, id: &str) {
        let Ok(answer) = self.request("GET", &format!("/tasks/{id}?wait=1s")).send().await else { return };
        assert_eq!(answer.status(), 200, "{id} is known");
        let Ok(task) = answer.json::<Value>().await else { return };
        if has_ended(&task) {
            let before = self.knowledge.lock().ended.insert(id.to_owned(), task.clone());
            assert!(before.is_none_or(|before| before == task), "{id} stays as it ended");
        }
    }

    /// Waits until the balancer is elsewhere; `false` once the storm is over.
    pub(super) async fn moved(&mut self) -> bool {
        let over = self.url.borrow().is_empty();
        !over && self.url.changed().await.is_ok() && !self.url.borrow().is_empty()
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = self.url.borrow().clone();
        client().request(method.parse().unwrap(), format!("{url}{path}")).header("authorization", LB_KEY)
    }
}

pub(super) fn has_ended(task: &Value) -> bool {
    ["completed", "failed", "cancelled"].iter().any(|state| task["state"] == *state)
}
