//! Whether everything fits together.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::client::has_ended;
use super::fleet::Fleet;
use super::kind::Kind;
use super::sent::{Knowledge, Sent, Told};
use super::still::{self, Still};
use super::storm;
use crate::harness::{LB_KEY, Recorder, TestWorker, WORKER_KEY};

/// What there is after the storm.
pub(super) struct After {
    pub(super) fleet: Fleet,
    pub(super) recorder: Recorder,
    pub(super) knowledge: Knowledge,
    pub(super) still: Still,
    /// All tasks by their ids.
    pub(super) tasks: HashMap<String, Value>,
}

/// How often each task has been begun.
type Runs = HashMap<String, usize>;

impl After {
    pub(super) fn summary(&self) -> String {
        let interruptions = self.tasks.values().map(|task| task["interruptions"].as_u64().unwrap());
        format!(
            "{} kills, {} outages, {} tasks, {} interruptions of {} of them; {}",
            self.fleet.kills,
            self.fleet.outages,
            self.tasks.len(),
            interruptions.clone().sum::<u64>(),
            interruptions.filter(|interruptions| *interruptions > 0).count(),
            self.knowledge.summary()
        )
    }

    pub(super) async fn audit(&self, workers: &[TestWorker]) {
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
        self.counts_fit().await;
        self.redis_fits().await;
    }

    /// Every balancer counts what there is.
    async fn counts_fit(&self) {
        let mut states: HashMap<(&str, &str), u64> = HashMap::new();
        for task in self.tasks.values() {
            *states.entry((task["group"].as_str().unwrap(), task["state"].as_str().unwrap())).or_default() += 1;
        }
        for lanes in self.fleet.lanes().await {
            for lane in lanes.as_array().unwrap() {
                for (state, count) in lane["counts"].as_object().unwrap() {
                    let expected = states.get(&(lane["group"].as_str().unwrap(), state)).copied().unwrap_or(0);
                    assert_eq!(count.as_u64(), Some(expected), "{state}: {lane}");
                }
            }
        }
    }

    /// What is in Redis itself: no lease is left, every task was told to have ended once, and no key can be read.
    async fn redis_fits(&self) {
        let Some(redis) = &self.fleet.redis else { return };
        let ended = self.tasks.values().filter(|task| has_ended(task)).count() as u64;
        assert_eq!(redis.number(&["ZCARD", "bull:andera-leases"]).await, 0);
        assert_eq!(redis.number(&["ZCARD", "bull:andera-tasks"]).await, self.tasks.len() as u64);
        let counted = redis.number(&["ZCARD", "bull:andera-ended"]).await;
        assert_eq!(counted + redis.number(&["ZCARD", "bull:andera-owed"]).await, ended);
        let log = redis.log();
        for key in [WORKER_KEY, LB_KEY] {
            assert!(!log.windows(key.len()).any(|part| part == key.as_bytes()), "a key can be read in Redis");
        }
        let mut ends: HashMap<String, usize> = HashMap::new();
        for event in redis.events("bull:tasks.default.1:events").await {
            if event["event"] == "completed" || event["event"] == "failed" {
                *ends.entry(event["jobId"].clone()).or_default() += 1;
            }
        }
        assert!(!ends.is_empty());
        assert!(ends.values().all(|ends| *ends == 1), "{ends:?}");
    }

    fn task(&self, id: &str) -> &Value {
        self.tasks.get(id).unwrap_or_else(|| panic!("{id} was taken, and is gone"))
    }

    /// Each run has an attempt or an interruption that tells of it.
    fn runs_fit(&self, task: &Value, runs: usize) {
        let attempts = task["attempts"].as_array().unwrap().len();
        let interruptions = task["interruptions"].as_u64().unwrap();
        assert!(interruptions <= self.fleet.kills, "only a kill interrupts: {task}");
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
        if let Told::Refused { id: Some(id), code } = &sent.told
            && code == "shutting_down"
            && sent.kind != Kind::Keyed
        {
            // It may have failed before, and been about to be tried again.
            assert_eq!(self.task(id)["state"], "cancelled", "it is to be sent again: {}", self.task(id));
        }
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
                match &task["result"] {
                    // There is no result: it has ended without a run, or in the middle of one.
                    Value::Null => assert_eq!(task["code"], answer["code"], "as its client has it: {task}"),
                    result => assert_eq!(*result, answer, "as its client has it: {task}"),
                }
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

    /// What has ended stays as it ended, and the paused lane keeps its order. `workers` are so many, those of that lane included.
    pub(super) async fn survives_another_kill(mut self, workers: usize, idle: &TestWorker) {
        self.fleet.dies().await;
        // With one balancer only is there an order in which tasks reach the worker.
        self.fleet.apps.truncate(1);
        self.fleet.comes_back().await;
        self.fleet.has_recovered().await;
        let app = self.fleet.first();
        for task in storm::all(app).await {
            let id = task["taskId"].as_str().unwrap();
            let (now, before) = (app.shown(id).await, self.task(id));
            assert_eq!(now["state"], before["state"], "{now}");
            if has_ended(before) {
                assert_eq!(now, *before);
            }
        }
        app.ready(workers).await;
        self.still.is_resumed(app, idle).await;
    }
}
