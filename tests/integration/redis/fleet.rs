//! Several balancers on one Redis.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{balancer, hello, sleep};
use crate::harness::{Events, Redis, TestApp, TestWorker, names, until};

#[tokio::test]
async fn a_client_whose_task_ran_through_another_balancer_gets_its_answer() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let _with_worker = balancer(&redis, &[&worker], &[]).await;
    let without = TestApp::start_for(&[], &redis.env(&[])).await;
    let answer = without.submit(&hello(json!({}))).await;
    assert_eq!((answer.status, &answer.json()["result"]["message"]), (200, &json!("Hello Andera!")));
    let failed = without.submit(&TestApp::call("fail", &json!({ "message": "out of paint" }))).await;
    assert_eq!((failed.status, &failed.json()["error"]), (500, &json!("out of paint")));
}

#[tokio::test]
async fn a_result_too_large_to_be_kept_is_said_to_be() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let env = [("RESULT_MAX_BYTES", "1kb")];
    let _with_worker = balancer(&redis, &[&worker], &env).await;
    let without = TestApp::start_for(&[], &redis.env(&env)).await;
    let name = "x".repeat(5_000);
    let answer = without.submit(&TestApp::call("hello", &json!({ "name": name }))).await;
    assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("result_too_large")));
}

#[tokio::test]
async fn cancel_pause_and_retry_work_from_any_of_them() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let _with_worker = balancer(&redis, &[&worker], &[]).await;
    let other = TestApp::start_for(&[], &redis.env(&[])).await;
    let running = other.accept(&sleep(60_000)).await;
    worker.has_started(1).await;
    let cancelled = other.request("DELETE", &format!("/tasks/{running}")).send().await.unwrap();
    assert_eq!(cancelled.status(), 200, "it has ended as was asked");
    let task: Value = cancelled.json().await.unwrap();
    assert_eq!((&task["state"], &task["attempts"][0]["outcome"]), (&json!("cancelled"), &json!("cancelled")));

    other.request("POST", "/lanes/default/1/pause").send().await.unwrap();
    let id = other.accept(&hello(json!({}))).await;
    other.waiting("default", 1).await;
    assert_eq!(worker.started(), 1);
    other.request("POST", "/lanes/default/1/resume").send().await.unwrap();
    assert_eq!(other.ended(&id).await["state"], "completed");

    other.request("POST", &format!("/tasks/{id}/retry")).send().await.unwrap();
    worker.has_started(3).await;
    assert_eq!(other.ended(&id).await["attempts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_task_waits_as_the_priority_says_that_it_is_given_at_another() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&["--slots", "1"]).await);
    let with_worker = balancer(&redis, &[&worker], &[]).await;
    let other = TestApp::start_for(&[], &redis.env(&[])).await;
    with_worker.request("POST", "/lanes/default/1/pause").send().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(with_worker.accept(&hello(json!({ "priority": 5 }))).await);
    }
    let change = other.request("PATCH", &format!("/tasks/{}", ids[2])).json(&json!({ "priority": 1 }));
    let changed: Value = change.send().await.unwrap().json().await.unwrap();
    assert_eq!(changed["priority"], 1, "{changed}");
    other.request("POST", "/lanes/default/1/resume").send().await.unwrap();
    worker.has_started(3).await;
    assert_eq!(worker.order(), [&*ids[2], &*ids[0], &*ids[1]]);
}

#[tokio::test]
async fn a_balancer_that_has_slept_past_its_lease_changes_nothing_and_says_so() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let env = [("LEASE_MS", "1000")];
    let asleep = balancer(&redis, &[&worker], &env).await;
    let other = TestApp::start_for(&[], &redis.env(&env)).await;
    let id = asleep.accept(&sleep(6_000)).await;
    worker.has_started(1).await;
    asleep.signal("-STOP");
    other.list(&[&worker.url]);
    worker.has_started(2).await;
    asleep.signal("-CONT");
    asleep.prints("lease lost: a late end of this run was refused").await;
    assert_eq!(asleep.metric("andera_lb_leases_lost_total").await, 1);
    let task = other.ended(&id).await;
    assert_eq!((&task["state"], &task["interruptions"]), (&json!("completed"), &json!(1)), "{task}");
    assert_eq!(task["attempts"].as_array().unwrap().len(), 1, "{task}");
    assert_eq!(asleep.shown(&id).await, task);
    assert_eq!(worker.started(), 2);
}

#[tokio::test]
async fn what_happens_at_one_is_heard_at_another() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let with_worker = balancer(&redis, &[&worker], &[]).await;
    let without = TestApp::start_for(&[], &redis.env(&[])).await;
    let mut all = Events::open(&without, "/events").await;
    // Late enough that the other one knows by then that somebody listens here.
    let id = with_worker.accept(&hello(json!({ "options": { "delayMs": 2_500 } }))).await;
    let one = Events::open(&without, &format!("/tasks/{id}/events")).await;
    let heard = all.up_to("completed").await;
    let ours: Vec<_> = heard.iter().filter(|(_, event)| event["taskId"] == *id).cloned().collect();
    assert_eq!(names(&ours[ours.len() - 2..]), ["running", "completed"]);
    let (_, running) = &ours[ours.len() - 2];
    assert_eq!((&running["worker"], &running["function"]), (&json!(worker.url), &json!("hello")), "{running}");
    assert_eq!(names(&one.all().await), ["delayed", "running", "completed"]);
}

#[tokio::test]
async fn what_a_balancer_ran_when_it_died_is_run_by_another() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let env = [("LEASE_MS", "1000")];
    let mut dying = balancer(&redis, &[&worker], &env).await;
    let other = TestApp::start_for(&[], &redis.env(&env)).await;
    let id = dying.accept(&sleep(1_500)).await;
    worker.has_started(1).await;
    dying.kill().await;
    other.list(&[&worker.url]);
    worker.has_started(2).await;
    let task = other.ended(&id).await;
    assert_eq!((&task["state"], &task["interruptions"]), (&json!("completed"), &json!(1)));
}

#[tokio::test]
async fn every_task_runs_once_and_a_rolling_restart_repeats_none() {
    let redis = Redis::start().await;
    let workers = [TestWorker::start(&["--slots", "4"]).await, TestWorker::start(&["--slots", "4"]).await];
    let workers: Vec<&TestWorker> = workers.iter().collect();
    let mut first = balancer(&redis, &workers, &[]).await;
    let second = balancer(&redis, &workers, &[]).await;
    let mut ids = Vec::new();
    for n in 0..60 {
        let app = if n % 2 == 0 { &first } else { &second };
        ids.push(app.accept(&sleep(40)).await);
    }
    first.terminate();
    assert_eq!(first.exited().await.code(), Some(0));
    first.restart().await;
    for id in &ids {
        assert_eq!(second.ended(id).await["state"], "completed");
    }
    let mut runs: HashMap<String, usize> = HashMap::new();
    workers.iter().flat_map(|worker| worker.order()).for_each(|id| *runs.entry(id).or_default() += 1);
    assert_eq!(runs.len(), ids.len());
    assert!(runs.values().all(|runs| *runs == 1), "{runs:?}");
    until("both see the same", || async {
        let (one, other) = (first.get("/lanes").await.json(), second.get("/lanes").await.json());
        one[0]["counts"] == other[0]["counts"] && one[0]["counts"]["completed"] == 60
    })
    .await;
}
