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
    /// Which of the balancers it sends tasks to.
    pub(super) home: usize,
    /// Where they are; empty once the storm is over.
    pub(super) places: Vec<watch::Receiver<String>>,
    pub(super) hook: String,
    pub(super) chance: Chance,
    pub(super) knowledge: Arc<Mutex<Knowledge>>,
    /// The codes with which a balancer may refuse a task.
    pub(super) excuses: &'static [&'static str],
}

impl Client {
    pub(super) async fn run(mut self) {
        for n in 0_u32.. {
            if self.is_over() {
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
            while told.id().is_none() && self.tries_on(&told).await {
                told = self.submit(kind, &body, &marker).await;
            }
            let again = Self { home: self.any(), ..self.clone() };
            if let (Some(first), Some(again)) = (told.id(), again.submit(kind, &body, &marker).await.id()) {
                assert_eq!(first, again, "{marker}: one task for one key");
            }
        }
        let mut cancelled = false;
        if let (Kind::Cancelled, Some(id)) = (kind, told.id()) {
            let answer = self.request(self.any(), "DELETE", &format!("/tasks/{id}")).send().await;
            cancelled = answer.is_ok_and(|answer| answer.status() == 200);
        }
        if let Some(id) = told.id().filter(|_| below(&self.chance, 2) == 0) {
            self.look(id).await;
        }
        self.knowledge.lock().sent.push(Sent { kind, mode, marker, told: told.clone(), cancelled });
        if told.id().is_none() {
            self.tries_on(&told).await;
        }
    }

    async fn batch(&mut self, marker: &str) {
        let markers: Vec<_> = (0..IN_A_BATCH).map(|n| format!("{marker}.{n}")).collect();
        let bodies: Vec<Value> =
            markers.iter().map(|marker| Kind::Batch.body("async", "", marker, &self.chance)).collect();
        let request = self.request(self.home, "POST", "/tasks").header("x-wr-auth", WORKER_KEY).json(&bodies);
        let answer: Option<Value> = match request.send().await {
            Ok(answer) => answer.json().await.ok(),
            Err(error) => self.hears_nothing(&error),
        };
        let told = |n: usize| match &answer {
            Some(Value::Array(answers)) => match answers[n]["taskId"].as_str() {
                Some(id) if answers[n]["code"].is_null() => Told::Head { id: id.to_owned() },
                _ => self.refused(marker, &answers[n]),
            },
            Some(refusal) => self.refused(marker, refusal),
            None => Told::Nothing,
        };
        let (kind, mode, cancelled) = (Kind::Batch, "async", false);
        let sent: Vec<_> = markers.into_iter().enumerate().collect();
        let sent = sent.into_iter().map(|(n, marker)| Sent { kind, mode, marker, told: told(n), cancelled });
        let sent: Vec<Sent> = sent.collect();
        let first = sent[0].told.clone();
        self.knowledge.lock().sent.extend(sent);
        if first.id().is_none() {
            self.tries_on(&first).await;
        }
    }

    pub(super) async fn submit(&self, kind: Kind, body: &Value, marker: &str) -> Told {
        let mut request = self.request(self.home, "POST", "/task").header("x-wr-auth", WORKER_KEY).json(body);
        if kind == Kind::Keyed {
            request = request.header("idempotency-key", marker);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return self.hears_nothing(&error).unwrap_or(Told::Nothing),
        };
        let status = answer.status().as_u16();
        let id = answer.headers().get("x-task-id").map(|id| id.to_str().unwrap().to_owned());
        let comes_back = answer.headers().contains_key("retry-after");
        let body = answer.bytes().await;
        match (id, body) {
            (_, Ok(body)) if status == 503 && comes_back => {
                self.refused(marker, &serde_json::from_slice(&body).unwrap())
            }
            (Some(id), Ok(body)) => Told::All { id, status, body: body.to_vec() },
            (Some(id), Err(_)) => Told::Head { id },
            (None, Ok(body)) => panic!("{marker}: {status} without a task: {body:?}"),
            (None, Err(_)) => Told::Nothing,
        }
    }

    /// A task was refused, and its client is to try again. There may be one all the same.
    fn refused(&self, marker: &str, refusal: &Value) -> Told {
        let code = refusal["code"].as_str().unwrap_or_default();
        assert!(self.excuses.contains(&code), "{marker}: {refusal}");
        Told::Refused { id: refusal["taskId"].as_str().map(str::to_owned), code: code.to_owned() }
    }

    /// A request was not answered.
    fn hears_nothing<T>(&self, error: &reqwest::Error) -> Option<T> {
        if !error.is_connect() && !error.is_builder() {
            self.knowledge.lock().cut += 1;
        }
        None
    }

    /// Keeps how the task has ended, if it ends soon.
    async fn look(&self, id: &str) {
        let request = self.request(self.any(), "GET", &format!("/tasks/{id}?wait=1s"));
        let Ok(answer) = request.send().await else { return };
        let status = answer.status();
        let Ok(task) = answer.json::<Value>().await else { return };
        if status == 503 {
            self.refused(id, &task);
            return;
        }
        assert_eq!(status, 200, "{id} is known");
        if has_ended(&task) {
            let before = self.knowledge.lock().ended.insert(id.to_owned(), task.clone());
            assert!(before.is_none_or(|before| before == task), "{id} stays as it ended");
        }
    }

    /// Waits until it is worth another try; `false` once the storm is over.
    pub(super) async fn tries_on(&mut self, told: &Told) -> bool {
        match told {
            // The balancer is there. It has let its client wait already, or will be gone the next time.
            Told::Refused { .. } => !self.is_over(),
            _ => self.moved().await,
        }
    }

    /// Waits until the balancer is elsewhere; `false` once the storm is over.
    async fn moved(&mut self) -> bool {
        !self.is_over() && self.places[self.home].changed().await.is_ok() && !self.is_over()
    }

    pub(super) fn is_over(&self) -> bool {
        self.places[self.home].borrow().is_empty()
    }

    fn any(&self) -> usize {
        below(&self.chance, self.places.len())
    }

    fn request(&self, balancer: usize, method: &str, path: &str) -> RequestBuilder {
        let url = self.places[balancer].borrow().clone();
        client().request(method.parse().unwrap(), format!("{url}{path}")).header("authorization", LB_KEY)
    }
}

pub(super) fn has_ended(task: &Value) -> bool {
    ["completed", "failed", "cancelled"].iter().any(|state| task["state"] == *state)
}
