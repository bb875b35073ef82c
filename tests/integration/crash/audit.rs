//! Whether everything fits together.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::client::has_ended;
use super::kind::Kind;
use super::sent::{Knowledge, Sent, Told};
use super::still::{self, Still};
use super::storm;
use crate::harness::{Recorder, TestApp, TestWorker};

/// What there is after the storm.
pub(super) struct After {
    pub(super) app: TestApp,
    pub(super) recorder: Recorder,
    pub(super) knowledge: Knowledge,
    pub(super) still: Still,
    /// All tasks by their ids.
    pub(super) tasks: HashMap<String, Value>,
    pub(super) kills: u64,
}

/// How often each task has been begun.
type Runs = HashMap<String, usize>;

impl After {
    pub(super) fn summary(&self) -> String {
        let interrupted = self.tasks.values().filter(|task| task["interruptions"] != 0).count();
        format!("{} tasks, {interrupted} of them interrupted; {}", self.tasks.len(), self.knowledge.summary())
    }

    pub(super) fn audit(&self, workers: &[TestWorker]) {
        let mut runs = Runs::new();
        for id in workers.iter().flat_map(TestWorker::order) {
            *runs.entry(id).or_default() += 1;
        }
        for id in runs.keys() {
            assert!(self.tasks.contains_key(id), "{id} was run and is not in the store");
        }
        for id in self.still.ids() {
            assert_eq!(self.task(id)["state"], "queued", "{id}");
        }
        for (id, task) in &self.tasks {
            self.runs_fit(task, runs.get(id).copied().unwrap_or(0));
        }
        for sent in &self.knowledge.sent {
            self.fits(sent, &runs);
        }
        for (id, before) in &self.knowledge.ended {
            assert_eq!(self.task(id), before, "it had ended");
        }
        self.webhooks_fit();
        let told: HashSet<_> = self.knowledge.sent.iter().filter_map(|sent| sent.told.id()).collect();
        let still = self.tasks.values().filter(|task| task["group"] == still::GROUP).count();
        let most = told.len() + self.knowledge.unanswered() + still;
        assert!(self.tasks.len() <= most, "{} tasks of {most} at most", self.tasks.len());
    }

    fn task(&self, id: &str) -> &Value {
        self.tasks.get(id).unwrap_or_else(|| panic!("{id} was taken, and is gone"))
    }

    /// Each run has an attempt or an interruption that tells of it.
    fn runs_fit(&self, task: &Value, runs: usize) {
        let attempts = task["attempts"].as_array().unwrap().len();
        let interruptions = task["interruptions"].as_u64().unwrap();
        assert!(interruptions <= self.kills, "only a kill interrupts: {task}");
        assert!(attempts <= runs, "{attempts} attempts, {runs} runs: {task}");
        if task["mode"] == "stream" {
            assert!(runs <= 1, "a stream is not begun again: {task}");
        } else {
            let most = attempts + usize::try_from(interruptions).unwrap();
            assert!(runs <= most, "{runs} runs: {task}");
        }
    }

    /// What a client was told is so.
    fn fits(&self, sent: &Sent, runs: &Runs) {
        let Some(id) = sent.told.id() else { return };
        let task = self.task(id);
        let runs = runs.get(id).copied().unwrap_or(0);
        let end = (task["state"].as_str().unwrap(), task["code"].as_str());
        match (sent.kind, end) {
            (Kind::Once, ("failed", Some("interrupted")) | ("completed", None)) => {
                assert!(runs <= 1, "{runs} runs: {task}");
            }
            (Kind::Cancelled, ("cancelled", Some("cancelled"))) => assert_eq!(runs, 0, "{task}"),
            (Kind::Cancelled, ("delayed", None)) => assert!(!sent.cancelled, "it was cancelled: {task}"),
            (Kind::Stream, ("completed", None) | ("cancelled", Some("client_gone")))
            | (Kind::Fails, ("failed", Some(_)))
            | (Kind::Works | Kind::Recovers | Kind::Keyed | Kind::Batch | Kind::Delayed, ("completed", None)) => {}
            _ => panic!("{sent:?} has become {task}"),
        }
        let Told::All { status, body, .. } = &sent.told else { return };
        match (sent.mode, sent.kind) {
            ("sync", _) => {
                let answer: Value = serde_json::from_slice(body).unwrap();
                assert_eq!(task["result"], answer, "as its client has it: {task}");
                assert_eq!(end.0 == "completed", *status == 200, "{status}: {task}");
            }
            ("stream", _) => assert_eq!((end.0, *status, body.as_slice()), ("completed", 200, &b"3\n2\n1\n0\n"[..])),
            ("async", Kind::Delayed) => assert_eq!(*status, 202),
            (mode, _) => assert_eq!(*status, if mode == "async" { 202 } else { 200 }, "{sent:?}"),
        }
    }

    /// Nobody is told of a failure that is none, or of a success that is none.
    fn webhooks_fit(&self) {
        let mut successes: HashMap<String, usize> = HashMap::new();
        for post in self.recorder.take() {
            let (marker, body) = (post.header("x-marker").to_owned(), post.json());
            if body["success"] == json!(true) {
                *successes.entry(marker).or_default() += 1;
                continue;
            }
            let task = self.task(body["taskId"].as_str().unwrap());
            assert_eq!((&task["state"], &task["code"]), (&json!("failed"), &body["code"]), "{task}");
        }
        for sent in self.knowledge.sent.iter().filter(|sent| sent.mode == "webhook") {
            let (Some(id), posts) = (sent.told.id(), successes.get(&sent.marker).copied().unwrap_or(0)) else {
                continue;
            };
            match self.task(id)["state"].as_str() {
                Some("completed") => assert!(posts >= 1, "{sent:?}"),
                _ => assert_eq!(posts, 0, "{sent:?}"),
            }
        }
    }

    /// What has ended stays as it ended, and the paused lane keeps its order.
    pub(super) async fn survives_another_kill(mut self, idle: &TestWorker) {
        self.app.kill().await;
        self.app.restart().await;
        self.app.prints("recovered the tasks of the last run").await;
        for task in storm::all(&self.app).await {
            let id = task["taskId"].as_str().unwrap();
            let (now, before) = (self.app.shown(id).await, self.task(id));
            assert_eq!(now["state"], before["state"], "{now}");
            if has_ended(before) {
                assert_eq!(now, *before);
            }
        }
        self.app.ready(3).await;
        self.still.is_resumed(&self.app, idle).await;
    }
}
