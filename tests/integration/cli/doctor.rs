//! `andera-lb doctor`, on what a killed balancer has left.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{parts, run};
use crate::harness::app::client;
use crate::harness::{LB_KEY, Process, TestWorker, WORKER_KEY, until};

/// A directory to run balancers in, one after the other.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.list(&[]);
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn list(&self, workers: &[&str]) {
        std::fs::write(self.path().join("workers.json"), json!(workers).to_string()).unwrap();
    }

    fn log(&self) -> PathBuf {
        self.path().join("data/queue/00000000000000000000.wal")
    }

    /// Starts a balancer; gives its address once it listens.
    async fn serve(&self) -> (Process, String) {
        let env = [("LB_AUTH_KEY", LB_KEY), ("HOST", "127.0.0.1"), ("PORT", "0"), ("WORKER_DISCOVERY_INTERVAL", "250")];
        let process = Process::start(&["serve"], &env, self.path());
        let address = process.printed("listening address=").await;
        (process, format!("http://{address}"))
    }

    /// A balancer with so many tasks in its queue, killed.
    async fn killed_with(&self, tasks: u64) -> Vec<String> {
        let (mut process, url) = self.serve().await;
        let mut ids = Vec::new();
        for n in 0..tasks {
            let task = json!({
                "group": "default", "contract": 1, "function": "echo", "mode": "async",
                "input": { "text": format!("here is number {n}.") },
            });
            let request = client().post(format!("{url}/task")).header("authorization", LB_KEY);
            let answer = request.header("x-wr-auth", WORKER_KEY).json(&task).send().await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            ids.push(answer["taskId"].as_str().unwrap().to_owned());
        }
        process.kill().await;
        ids
    }

    /// Changes a byte within the body of a task.
    fn damage(&self, n: u64) {
        let mut log = std::fs::read(self.log()).unwrap();
        let text = format!("here is number {n}.");
        let at = log.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
        log[at] = b'X';
        std::fs::write(self.log(), log).unwrap();
    }

    async fn doctor(&self, args: &[&str]) -> (Option<i32>, Vec<String>, Vec<String>) {
        let args: Vec<&str> = ["doctor"].iter().chain(args).copied().collect();
        parts(&run(&args, &[], self.path()).await)
    }
}

#[tokio::test]
async fn a_damaged_queue_is_reported_exported_and_repaired_and_what_is_left_runs() {
    let place = Place::new();
    let ids = place.killed_with(6).await;
    place.damage(2);
    let damaged = std::fs::read(place.log()).unwrap();

    let env = [("LB_AUTH_KEY", LB_KEY), ("HOST", "127.0.0.1"), ("PORT", "0")];
    let (code, _, errors) = parts(&run(&["serve"], &env, place.path()).await);
    let text = errors.concat();
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("data/queue/00000000000000000000.wal is damaged") && text.contains("andera-lb doctor"),
        "{text}"
    );

    let (code, lines, errors) = place.doctor(&[]).await;
    let text = lines.join("\n");
    assert_eq!((code, errors), (Some(1), vec![]), "{text}");
    assert!(text.contains("DAMAGED in 1 places") && text.contains("00000000000000000000.wal at byte"), "{text}");
    assert!(text.contains("Tasks: 5 "), "{text}");

    let (code, lines, _) = place.doctor(&["--json"]).await;
    let found: Value = serde_json::from_str(&lines.concat()).unwrap();
    assert_eq!((code, &found["tasks"]["queued"]), (Some(1), &json!(5)), "{found}");
    assert_eq!(found["damages"][0]["reason"], "the checksum of a group is wrong", "{found}");

    let (code, lines, errors) = place.doctor(&["--export", "-"]).await;
    assert_eq!((code, lines.len()), (Some(1), 5), "{errors:#?}");
    assert!(!lines.concat().contains(WORKER_KEY));
    let tasks: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let exported: Vec<&str> = tasks.iter().map(|task| task["taskId"].as_str().unwrap()).collect();
    let left: Vec<&str> = ids.iter().enumerate().filter(|(n, _)| *n != 2).map(|(_, id)| id.as_str()).collect();
    assert_eq!(exported, left);
    assert_eq!((&tasks[0]["state"], &tasks[0]["mode"]), (&json!("queued"), &json!("async")));
    assert_eq!(tasks[0]["body"]["input"]["text"], "here is number 0.");
    assert_eq!(std::fs::read(place.log()).unwrap(), damaged, "nothing was changed");

    let (code, _, errors) = place.doctor(&["--repair"]).await;
    let text = errors.join("\n");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("a new log of 5 tasks"), "{text}");
    let kept = text.split_once("The damaged one is ").unwrap().1.lines().next().unwrap().trim_end_matches('.');
    assert_eq!(std::fs::read(place.path().join(kept).join("00000000000000000000.wal")).unwrap(), damaged);
    assert_eq!(place.doctor(&[]).await.0, Some(0));

    let worker = TestWorker::start(&[]).await;
    place.list(&[&worker.url]);
    let (_process, url) = place.serve().await;
    for id in &left {
        until(&format!("{id} is completed"), || async {
            let request = client().get(format!("{url}/tasks/{id}")).header("authorization", LB_KEY);
            let shown = request.send().await.unwrap().bytes().await.unwrap();
            serde_json::from_slice::<Value>(&shown).unwrap()["state"] == "completed"
        })
        .await;
    }
    assert_eq!(worker.started(), 5);
}

#[tokio::test]
async fn what_was_exported_can_be_submitted_again() {
    let place = Place::new();
    place.killed_with(3).await;
    let (code, _, errors) = place.doctor(&["--export", "tasks.ndjson"]).await;
    assert_eq!(code, Some(0), "{errors:?}");
    let text = std::fs::read_to_string(place.path().join("tasks.ndjson")).unwrap();
    let bodies: Vec<Value> =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["body"].clone()).collect();

    let elsewhere = Place::new();
    let (_process, url) = elsewhere.serve().await;
    let request = client().post(format!("{url}/tasks")).header("authorization", LB_KEY);
    let answer = request.header("x-wr-auth", WORKER_KEY).json(&bodies).send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(answer.as_array().unwrap().iter().filter(|item| item["status"] == "queued").count(), 3, "{answer}");

    let (code, _, errors) = place.doctor(&["--export", "tasks.ndjson"]).await;
    assert_eq!(code, Some(2), "an export is not written over another: {errors:?}");
    assert!(errors.concat().contains("tasks.ndjson"), "{errors:?}");
}

#[tokio::test]
async fn a_balancer_that_runs_is_not_disturbed() {
    let place = Place::new();
    let (_process, url) = place.serve().await;
    for args in [&[][..], &["--repair"], &["--export", "-"]] {
        let (code, lines, errors) = place.doctor(args).await;
        assert_eq!((code, lines), (Some(2), vec![]), "{errors:?}");
        assert!(errors.concat().contains("data is in use by process"), "{errors:?}");
    }
    assert!(client().get(format!("{url}/health")).send().await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_sound_queue_a_torn_one_and_none_are_told_apart() {
    let place = Place::new();
    let (code, _, errors) = place.doctor(&[]).await;
    assert_eq!(code, Some(2));
    assert!(errors.concat().contains("data/queue"), "{errors:?}");
    assert!(!place.path().join("data").exists(), "nothing is made");

    place.killed_with(2).await;
    let (code, lines, _) = place.doctor(&["--repair"]).await;
    assert_eq!(code, Some(0));
    assert!(lines.concat().contains("The log is sound."), "{lines:#?}");

    let mut log = std::fs::read(place.log()).unwrap();
    log.extend_from_slice(&[7; 50]);
    std::fs::write(place.log(), log).unwrap();
    let elsewhere = Place::new();
    let data = place.path().join("data");
    let (code, lines, _) = elsewhere.doctor(&["--data-dir", data.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.concat().contains("The last 50 bytes are torn"), "{lines:#?}");
}
