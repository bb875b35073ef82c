//! The real bull-board over our queues.

use serde_json::json;

use super::{LANE, balancer, hello};
use crate::harness::{Board, Redis, TestApp, TestWorker, WORKER_KEY};

#[tokio::test]
async fn bull_board_lists_and_shows_our_queues_and_retries_a_task() {
    let (redis, worker) = (Redis::start().await, TestWorker::start(&[]).await);
    let app = balancer(&redis, &[&worker], &[("TASK_ATTEMPTS", "1"), ("WORKER_AUTH_KEY", WORKER_KEY)]).await;
    let done = app.submit(&hello(json!({}))).await.task_id();
    let failed = app.submit(&TestApp::call("fail", &json!({ "message": "out of paint", "times": 1 }))).await.task_id();
    app.accept(&hello(json!({ "options": { "delayMs": 3_600_000 } }))).await;
    redis.bullmq("tasks", &["run", &hello(json!({})).to_string()]).await;

    let board = Board::start(&redis, &["tasks", LANE]).await;
    let told = board.get(&format!("/api/queues?activeQueue={LANE}&status=completed&page=1&jobsPerPage=10")).await;
    let queues = told["queues"].as_array().unwrap();
    assert_eq!(queues.iter().map(|queue| queue["name"].as_str().unwrap()).collect::<Vec<_>>(), ["tasks", LANE]);
    assert_eq!(queues[0]["counts"]["completed"], 1, "{told}");
    for (state, count) in [("completed", 2), ("failed", 1), ("delayed", 1), ("waiting", 0), ("active", 0)] {
        assert_eq!(queues[1]["counts"][state], count, "{state}: {told}");
    }
    let job = queues[1]["jobs"].as_array().unwrap().iter().find(|job| job["id"] == *done).expect("it is listed");
    assert_eq!((&job["name"], &job["data"]["input"]["name"]), (&json!("hello"), &json!("Andera")));
    assert_eq!(job["returnValue"]["result"]["message"], "Hello Andera!", "{job}");

    let shown = board.get(&format!("/api/queues/{LANE}/{failed}")).await;
    assert_eq!(
        (&shown["status"], &shown["job"]["failedReason"]),
        (&json!("failed"), &json!("out of paint")),
        "{shown}"
    );
    board.ask("PUT", &format!("/api/queues/{LANE}/{failed}/retry")).await;
    worker.has_started(4).await;
    assert_eq!(app.ended(&failed).await["state"], "completed");

    board.ask("PUT", &format!("/api/queues/{LANE}/pause")).await;
    assert_eq!(app.get("/lanes").await.json()[0]["paused"], true);
}
