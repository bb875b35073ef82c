//! Health checks, standing and contracts.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::{LogsError, WorkerAddress};
use super::test_worker::{Http, KEY, TestWorker};
use super::*;

#[tokio::test]
async fn a_worker_is_found_and_shown_as_the_protocol_says() {
    let worker = TestWorker::without_socket();
    worker.set("surprise", json!(1));
    let rig = Rig::over(&[&worker], &settings()).await;
    rig.until_free(4).await;
    assert_eq!(rig.lane("g").standing().ready, 1);
    assert_eq!((rig.lane("g").offers("hello"), rig.lane("g").offers("bye")), (Some(true), Some(false)));
    let expected = json!([{
        "url": worker.url, "group": "g", "contract": 1, "status": "ready",
        "functions": [{"name": "hello", "params": {"name": {"type": "string"}}}],
        "services": [{"name": "db", "status": "connected", "state": "up"}],
        "tags": {"gpu": "A100"},
        "slots": {"used": 0, "available": 4, "limit": 4, "queue": 0},
        "system": {"uptime": 12.5, "usedMemoryPercent": 40.5, "cpuLoad": 0.25},
        "contractValid": true,
    }]);
    assert_eq!(serde_json::to_value(rig.fleet.workers()).unwrap(), expected);
    assert!(rig.fleet.invalid_workers().is_empty());
    rig.stop().await;
}

#[tokio::test]
async fn a_worker_that_refuses_the_key_is_unauthorized_and_says_why() {
    let worker = TestWorker::start();
    let rig = Rig::with_key(&[&worker], &settings(), "another").await;
    rig.until_status(&worker, "unauthorized").await;
    assert_eq!(rig.reason(&worker), "the worker refused the balancer's key");
    let shown = serde_json::to_value(rig.fleet.workers()).unwrap();
    assert_eq!(shown[0]["statusReason"], "the worker refused the balancer's key");
    assert_eq!(worker.sockets(), 0, "no WebSocket to a worker that does not know us");
}

#[tokio::test]
async fn whatever_is_no_health_makes_a_worker_unreachable_with_the_reason() {
    let mut worker = TestWorker::without_socket();
    let rig = Rig::over(&[&worker], &settings()).await;
    for (mode, reason) in [
        (Http::Fail(503), "/health answered 503"),
        (Http::Flood, "more than"),
        (Http::Fail(302), "/health answered 302"),
    ] {
        worker.control.http.send_replace(mode);
        until(|| rig.reason(&worker).contains(reason), || format!("{} not {reason}", rig.reason(&worker))).await;
        assert_eq!((rig.status(&worker).as_str(), rig.free()), ("unreachable", 0));
    }
    worker.control.http.send_replace(Http::Answer);
    rig.until_free(4).await;
    *worker.control.health.lock() = json!([]);
    rig.until_status(&worker, "unreachable").await;
    assert_eq!(rig.reason(&worker), "/health is not a JSON object");
    worker.kill();
    until(|| rig.reason(&worker).starts_with("cannot connect: "), || rig.reason(&worker)).await;
}

#[tokio::test]
async fn a_killed_worker_is_unreachable_at_once_and_back_with_the_first_good_probe() {
    let mut worker = TestWorker::without_socket();
    let rig = Rig::over(&[&worker], &settings()).await;
    rig.until_free(4).await;
    worker.kill();
    rig.until_status(&worker, "unreachable").await;
    assert_eq!((rig.free(), rig.lane("g").standing().ready), (0, 0));
    assert_eq!(rig.lane("g").offers("hello"), Some(true), "what the lane offers is still known");
    worker.revive();
    rig.until_free(4).await;
    assert_eq!(rig.status(&worker), "ready");
}

#[tokio::test]
async fn a_worker_that_never_answers_delays_no_other() {
    let (slow, quick) = (TestWorker::without_socket(), TestWorker::without_socket());
    slow.control.http.send_replace(Http::Hang);
    let settings = WorkerSettings { discovery_timeout: NEVER, ..settings() };
    let rig = Rig::over(&[&slow, &quick], &settings).await;
    rig.until_free(4).await;
    let probes = quick.probes();
    until(|| quick.probes() > probes + 3, || "the quick worker is not probed any more".into()).await;
    assert_eq!(slow.probes(), 1);
    rig.stop().await;
}

#[tokio::test]
async fn a_probe_without_an_answer_in_time_fails() {
    let worker = TestWorker::without_socket();
    worker.control.http.send_replace(Http::Hang);
    let settings = WorkerSettings { discovery_timeout: Duration::from_millis(100), ..settings() };
    let rig = Rig::over(&[&worker], &settings).await;
    until(|| rig.reason(&worker) == "no answer within 100 ms", || rig.reason(&worker)).await;
    let shown = || rig.metrics.render(&Snapshot::default());
    until(|| !shown().contains("discovery_failures_total 0"), shown).await;
}

#[tokio::test]
async fn a_worker_without_slots_or_with_a_service_down_gets_no_tasks_and_says_why() {
    let worker = TestWorker::without_socket();
    worker.set("slots", Value::Null);
    let rig = Rig::over(&[&worker], &settings()).await;
    until(|| rig.reason(&worker) == "the worker reports no slots", || rig.reason(&worker)).await;
    assert_eq!((rig.status(&worker).as_str(), rig.free()), ("ready", 0));
    worker.set("slots", json!({"used": 1, "limit": 3, "queue": 0}));
    rig.until_free(2).await;
    worker.set("services", json!([{"name": "db", "state": "restarting"}]));
    rig.until_free(0).await;
    assert_eq!(rig.reason(&worker), "its service db is restarting");
    assert_eq!(rig.lane("g").standing().ready, 1);
}

#[tokio::test]
async fn a_worker_that_changes_its_group_changes_its_lane() {
    let worker = TestWorker::without_socket();
    let rig = Rig::over(&[&worker], &settings()).await;
    rig.until_free(4).await;
    worker.set("group", json!("other"));
    until(|| rig.lane("other").standing().free == 4, || format!("{:?}", rig.lane("other").standing())).await;
    let old = rig.lane("g");
    assert_eq!((old.standing().free, old.standing().ready, old.offers("hello")), (0, 0, None));
}

#[tokio::test]
async fn the_majority_decides_on_the_contract() {
    let workers = [TestWorker::without_socket(), TestWorker::without_socket(), TestWorker::without_socket()];
    workers[0].set("functions", json!([{"name": "bye"}]));
    let rig = Rig::over(&[&workers[0], &workers[1], &workers[2]], &settings()).await;
    rig.until_free(8).await;
    until(|| rig.fleet.invalid_workers().len() == 1, || format!("{:?}", rig.fleet.invalid_workers())).await;
    let invalid = serde_json::to_value(rig.fleet.invalid_workers()).unwrap();
    assert_eq!((&invalid[0]["url"], &invalid[0]["contractValid"]), (&json!(workers[0].url), &json!(false)));
    assert_eq!(
        invalid[0]["contractMismatchReason"],
        "its functions differ from those of most workers of g/1: missing hello; extra bye"
    );
    assert_eq!(rig.fleet.workers().len(), 2);
    assert_eq!((rig.lane("g").offers("hello"), rig.lane("g").offers("bye")), (Some(true), Some(false)));
    workers[1].set("functions", json!([{"name": "bye", "params": {}}]));
    until(|| rig.lane("g").offers("bye") == Some(true), || format!("{:?}", rig.fleet.workers())).await;
    let urls: Vec<_> = rig.fleet.workers().iter().map(|worker| worker.url.to_string()).collect();
    assert_eq!(urls, [workers[0].url.clone(), workers[1].url.clone()]);
}

#[tokio::test]
async fn a_suspect_gets_nothing_until_a_probe_at_once_has_cleared_it() {
    let worker = TestWorker::without_socket();
    let settings = WorkerSettings { discovery_interval: NEVER, ..settings() };
    let rig = Rig::over(&[&worker], &settings).await;
    rig.until_free(4).await;
    worker.control.http.send_replace(Http::Hang);
    rig.fleet.suspect(rig.view(&worker).id);
    assert_eq!((rig.free(), rig.lane("g").standing().ready), (0, 0));
    until(|| worker.probes() == 2, || format!("{} probes", worker.probes())).await;
    worker.control.http.send_replace(Http::Answer);
    rig.until_free(4).await;
}

#[tokio::test]
async fn requests_for_probes_are_merged() {
    let worker = TestWorker::without_socket();
    let settings = WorkerSettings { discovery_interval: NEVER, ..settings() };
    let rig = Rig::over(&[&worker], &settings).await;
    rig.until_free(4).await;
    let id = rig.view(&worker).id;
    let began = Instant::now();
    while worker.probes() < 4 {
        rig.fleet.probe_now(id);
        assert!(began.elapsed() < DEADLINE);
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
}

#[tokio::test]
async fn logs_are_fetched_from_listed_workers_only() {
    let (worker, stranger) = (TestWorker::without_socket(), TestWorker::without_socket());
    let rig = Rig::over(&[&worker], &settings()).await;
    assert_eq!(rig.fleet.worker_logs(&format!("{}/", worker.url)).await.unwrap(), ["first", "second"]);
    assert_eq!(rig.fleet.worker_logs(&stranger.url).await, Err(LogsError::Unlisted));
    assert_eq!(rig.fleet.worker_logs("nonsense").await, Err(LogsError::Unlisted));
    let refused = Rig::with_key(&[&worker], &settings(), "another").await;
    let answer = refused.fleet.worker_logs(&worker.url).await;
    assert!(matches!(&answer, Err(LogsError::Unavailable(reason)) if reason.contains("401")), "{answer:?}");
}

#[tokio::test]
async fn a_plain_worker_behind_an_https_address_is_unreachable() {
    let worker = TestWorker::without_socket();
    let address = WorkerAddress::parse(&worker.url.replace("http:", "https:")).unwrap();
    let cancel = CancellationToken::new();
    let (fleet, _tasks) = Fleet::fixed(
        [address.clone()],
        &settings(),
        Secret::new(KEY),
        Arc::new(Slots::default()),
        Clock::system(),
        Metrics::new(),
        cancel.clone(),
    )
    .await
    .unwrap();
    let reason = || fleet.workers()[0].status_reason.as_deref().unwrap_or_default().to_owned();
    until(|| reason().starts_with("cannot connect: "), reason).await;
    cancel.cancel();
}

#[tokio::test]
async fn a_kept_connection_that_the_worker_closes_is_no_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = WorkerAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let health = r#"{"status":"ready","group":"g","contract":1,"functions":[],"slots":{"limit":1,"used":0}}"#;
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", health.len());
                let _ = stream.write_all(format!("{head}{health}").as_bytes()).await;
                // The second request is taken, and the connection closed without an answer.
                let _ = stream.read(&mut request).await;
            });
        }
    });
    let cancel = CancellationToken::new();
    let slots = Arc::new(Slots::default());
    let (fleet, _tasks) = Fleet::fixed(
        [address],
        &settings(),
        Secret::new(KEY),
        Arc::clone(&slots),
        Clock::system(),
        Metrics::new(),
        cancel.clone(),
    )
    .await
    .unwrap();
    let lane = slots.lane(&LaneKey::new("g", Contract::new(1.0).unwrap()));
    until(|| lane.standing().free == 1, || format!("{:?}", fleet.workers())).await;
    let mut changes = fleet.changes();
    changes.mark_unchanged();
    until(|| connections.load(Ordering::SeqCst) > 4, || "the connection is not closed".into()).await;
    assert!(!changes.has_changed().unwrap(), "{:?}", fleet.workers());
    cancel.cancel();
}
