//! The orderly end of the balancer, and the abrupt one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::{Answer, TestApp, TestWorker, until, with};

fn sleep(millis: u64) -> Value {
    TestApp::call("sleep", &json!({ "ms": millis }))
}

fn is_shutting_down(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("shutting_down")), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn what_runs_is_finished_and_what_waits_is_sent_away() {
    let worker = TestWorker::start(&["--slots", "2"]).await;
    let mut app = TestApp::start_with(&[&worker], &[("QUEUE", "memory")]).await;
    let running = app.spawn(&sleep(1500));
    let stream = TestApp::call("countdown", &json!({ "from": 5, "ms": 300 }));
    let stream = app.spawn(&with(stream, json!({ "mode": "stream" })));
    worker.has_started(2).await;
    let waiting = [app.spawn(&sleep(0)), app.spawn(&with(sleep(0), json!({ "mode": "stream" })))];
    for _ in 0..3 {
        app.accept(&sleep(0)).await;
    }
    app.waiting("default", 5).await;
    app.terminate();
    for client in waiting {
        is_shutting_down(&client.await.unwrap());
    }
    let address = app.url.trim_start_matches("http://");
    until("new connections are refused", || async { TcpStream::connect(address).await.is_err() }).await;
    assert!(!running.is_finished(), "the drain goes on");
    assert_eq!(running.await.unwrap().status, 200);
    assert_eq!(stream.await.unwrap().text(), "5\n4\n3\n2\n1\n0\n");
    assert_eq!(app.exited().await.code(), Some(0));
    assert_eq!(worker.started(), 2);
    let dropped = app.lines_with("dropped");
    assert!(dropped.len() == 1 && dropped[0].contains("dropped=3"), "{dropped:?}");
}

#[tokio::test]
async fn what_still_runs_at_the_end_of_the_time_is_cut_off() {
    let worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start_with(&[&worker], &[("SHUTDOWN_TIMEOUT", "500")]).await;
    let client = app.spawn(&sleep(60_000));
    let mut stream = {
        let countdown = TestApp::call("countdown", &json!({ "from": 10_000, "ms": 20 }));
        app.task(&with(countdown, json!({ "mode": "stream" }))).send().await.unwrap()
    };
    worker.has_started(2).await;
    let began = Instant::now();
    app.terminate();
    is_shutting_down(&client.await.unwrap());
    let end = loop {
        match stream.chunk().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(end.is_err(), "a stream that is cut off does not look complete");
    assert_eq!(app.exited().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_client_whose_run_fails_during_the_drain_is_sent_away() {
    let mut worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start(&[&worker]).await;
    let client = app.spawn(&sleep(60_000));
    worker.has_started(1).await;
    app.terminate();
    app.prints("draining").await;
    worker.kill().await;
    is_shutting_down(&client.await.unwrap());
    assert_eq!(app.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_balancer_without_room_for_another_connection_refuses_new_ones_too() {
    let worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start_with(&[&worker], &[("MAX_CONNECTIONS", "1")]).await;
    let running = app.spawn(&sleep(1500));
    worker.has_started(1).await;
    app.terminate();
    app.prints("draining").await;
    let address = app.url.trim_start_matches("http://");
    until("new connections are refused", || async { TcpStream::connect(address).await.is_err() }).await;
    assert!(!running.is_finished(), "the drain goes on");
    assert_eq!(running.await.unwrap().status, 200);
    assert_eq!(app.exited().await.code(), Some(0));
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let mut app = TestApp::start_for(&[], &[]).await;
    let connection = TcpStream::connect(app.url.trim_start_matches("http://")).await.unwrap();
    assert_eq!(app.get("/health").await.status, 200);
    let began = Instant::now();
    app.terminate();
    assert_eq!(app.exited().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    drop(connection);
}

#[tokio::test]
async fn a_second_signal_quits_at_once() {
    let worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start(&[&worker]).await;
    let client = app.spawn(&sleep(60_000));
    worker.has_started(1).await;
    app.terminate();
    app.prints("draining").await;
    let began = Instant::now();
    app.interrupt();
    assert_eq!(app.exited().await.code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(client.await.is_err(), "its client has no answer");
}
