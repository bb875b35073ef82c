//! The WebSocket.

use serde_json::json;

use super::test_worker::{Http, Socket, TestWorker};
use super::*;

/// Waits until the worker has said something over its WebSocket.
async fn until_live(rig: &Rig, worker: &TestWorker) {
    rig.until_status(worker, "ready").await;
    worker.set("slots", json!({"used": 0, "available": 7, "limit": 7, "queue": 0}));
    rig.until_free(7).await;
    assert_eq!(worker.sockets(), 1);
}

fn only_heartbeat() -> WorkerSettings {
    WorkerSettings { discovery_interval: NEVER, discovery_timeout: NEVER, ..settings() }
}

#[tokio::test]
async fn a_frame_counts_at_once() {
    let worker = TestWorker::start();
    // The answer to the first ping would say ready again.
    worker.control.socket.send_replace(Socket::Silent);
    let settings = WorkerSettings { heartbeat_interval: NEVER, heartbeat_timeout: NEVER, ..only_heartbeat() };
    let rig = Rig::over(&[&worker], &settings).await;
    rig.until_free(4).await;
    until(|| worker.sockets() == 1, || "no WebSocket".into()).await;
    worker.send_frame(
        &json!({"status": "maintenance", "slots": {"used": 0, "available": 4, "limit": 4, "queue": 0}}).to_string(),
    );
    rig.until_status(&worker, "maintenance").await;
    assert_eq!((rig.free(), rig.lane("g").standing().ready), (0, 0));
    worker.send_frame(
        &json!({
            "status": "ready", "slots": {"used": 1, "available": 3, "limit": 4, "queue": 1},
            "system": {"cpuLoad": 0.75}, "services": [{"name": "db", "state": "up"}],
        })
        .to_string(),
    );
    rig.until_free(2).await;
    assert_eq!(rig.view(&worker).system.unwrap().cpu_load, Some(0.75));
    worker.send_frame(&json!({"status": "ready", "services": [{"name": "db", "state": "down"}]}).to_string());
    rig.until_free(0).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_lost_heartbeat_means_offline_until_discovery_sees_the_worker_again() {
    let worker = TestWorker::start();
    let settings = WorkerSettings { heartbeat_timeout: Duration::from_millis(400), ..only_heartbeat() };
    let rig = Rig::over(&[&worker], &settings).await;
    until_live(&rig, &worker).await;
    worker.control.http.send_replace(Http::Hang);
    worker.control.socket.send_replace(Socket::Silent);
    rig.until_status(&worker, "offline").await;
    assert_eq!(rig.reason(&worker), "the worker's WebSocket did not answer within 400 ms");
    assert_eq!(rig.free(), 0);
    rig.until_counted("heartbeats_lost", 1).await;
    worker.control.socket.send_replace(Socket::Serve);
    worker.control.http.send_replace(Http::Answer);
    rig.until_free(7).await;
    until(|| worker.sockets() == 2, || "not connected again".into()).await;
}

#[tokio::test]
async fn a_worker_that_only_restarts_its_socket_is_back_by_itself() {
    let worker = TestWorker::start();
    let rig = Rig::over(&[&worker], &only_heartbeat()).await;
    until_live(&rig, &worker).await;
    worker.control.kick.send_modify(|count| *count += 1);
    until(|| worker.sockets() == 2, || format!("{:?}", rig.view(&worker))).await;
    rig.until_free(7).await;
    assert_eq!(worker.probes(), 2, "one at the start, one after the loss");
}

#[tokio::test]
async fn a_socket_that_never_lasts_is_not_tried_in_a_hot_loop() {
    let worker = TestWorker::start();
    let rig = Rig::over(&[&worker], &only_heartbeat()).await;
    until_live(&rig, &worker).await;
    let began = Instant::now();
    while worker.sockets() < 4 {
        worker.control.kick.send_modify(|count| *count += 1);
        assert!(began.elapsed() < DEADLINE);
        sleep(Duration::from_millis(5)).await;
    }
    // At least half of 250 ms, 500 ms and 1 s.
    assert!(began.elapsed() >= Duration::from_millis(875), "{:?}", began.elapsed());
}

#[tokio::test]
async fn close_code_4001_means_unauthorized_until_the_socket_takes_the_key() {
    let worker = TestWorker::start();
    let rig = Rig::over(&[&worker], &settings()).await;
    until_live(&rig, &worker).await;
    worker.control.socket.send_replace(Socket::Refuse);
    rig.until_status(&worker, "unauthorized").await;
    assert!(rig.reason(&worker).contains("4001"));
    let probes = worker.probes();
    until(|| worker.probes() > probes + 2, || "no probes".into()).await;
    assert_eq!(rig.status(&worker), "unauthorized", "a good health check does not hide it");
    assert_eq!(rig.free(), 0);
    worker.control.socket.send_replace(Socket::Serve);
    rig.until_free(7).await;
}

#[tokio::test]
async fn without_a_usable_socket_health_checks_alone_count() {
    let (closed, silent) = (TestWorker::start(), TestWorker::start());
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    closed.set("websocketPort", json!(nobody));
    silent.control.socket.send_replace(Socket::Silent);
    let settings = WorkerSettings { heartbeat_timeout: Duration::from_millis(100), ..settings() };
    let rig = Rig::over(&[&closed, &silent], &settings).await;
    rig.until_free(8).await;
    until(|| silent.sockets() > 1, || "the silent socket was not given up".into()).await;
    assert_eq!((rig.free(), rig.status(&silent).as_str(), rig.status(&closed).as_str()), (8, "ready", "ready"));
}

#[tokio::test]
async fn a_live_heartbeat_outweighs_failed_probes_up_to_the_limit() {
    let worker = TestWorker::start();
    let settings = WorkerSettings { discovery_retries: 4, ..settings() };
    let rig = Rig::over(&[&worker], &settings).await;
    until_live(&rig, &worker).await;
    worker.control.http.send_replace(Http::Fail(500));
    let before = worker.probes();
    let mut worst = 0;
    let deadline = Instant::now() + DEADLINE;
    while rig.status(&worker) == "ready" {
        worst = worker.probes() - before;
        assert!(Instant::now() < deadline, "still ready after {worst} failed probes");
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(rig.status(&worker), "unreachable");
    assert!((3..=5).contains(&worst), "{worst}");
    assert_eq!(worker.sockets(), 1, "the socket stays");
    worker.control.http.send_replace(Http::Answer);
    rig.until_free(7).await;
}

#[tokio::test]
async fn a_socket_that_moves_is_followed_without_a_loss() {
    let worker = TestWorker::start();
    let other = TestWorker::start();
    let rig = Rig::over(&[&worker], &settings()).await;
    until_live(&rig, &worker).await;
    worker.set("websocketPort", json!(other.socket_port()));
    until(|| other.sockets() == 1, || "not followed".into()).await;
    assert_eq!(rig.status(&worker), "ready");
}

#[tokio::test]
async fn frames_that_mean_nothing_are_answers_all_the_same() {
    let worker = TestWorker::start();
    worker.control.socket.send_replace(Socket::Silent);
    let settings = WorkerSettings { heartbeat_timeout: Duration::from_millis(600), ..only_heartbeat() };
    let rig = Rig::over(&[&worker], &settings).await;
    until(|| worker.sockets() == 1, || "no WebSocket".into()).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        for frame in ["pong", "[1]", "{}", ""] {
            worker.send_frame(frame);
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((rig.status(&worker).as_str(), worker.sockets()), ("ready", 1));
    worker.send_frame(&json!({"status": "ready", "slots": {"used": 0, "limit": 5}}).to_string());
    rig.until_free(5).await;
}
