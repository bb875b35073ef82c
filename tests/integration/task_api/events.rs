//! `GET /tasks/{id}/events` and `GET /events`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{UNKNOWN, call, error, refused, send, sent, task};
use crate::harness::{Answer, Events, StubWorker, TestApp, TestWorker, names, until};

/// Whether an event is the task as `GET /tasks/{id}` shows it.
async fn is_task(app: &TestApp, id: &str, (name, data): &(String, Value)) {
    assert_eq!(*data, task(app, id).await);
    assert_eq!(data["state"], **name);
}

#[tokio::test]
async fn a_task_is_followed_from_its_first_state_to_its_end() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_for(&[], &[("TASK_BACKOFF", "1ms")]).await;
    let id = sent(&app, "fail", &json!({ "times": 1 }), &json!({})).await;
    let mut events = Events::open(&app, &format!("/tasks/{id}/events")).await;
    assert_eq!(events.response.headers()["x-task-id"], *id);
    let first = events.next().await.unwrap();
    is_task(&app, &id, &first).await;
    app.list(&[&worker.url]);

    let events = events.all().await;
    assert_eq!(names(&events), ["running", "delayed", "running", "completed"], "{events:?}");
    let [one, wait, two, end] = &events[..] else { panic!("{events:?}") };
    for (n, (_, run)) in [(1, one), (2, two)] {
        assert_eq!((&run["taskId"], &run["attempt"]), (&json!(id), &json!(n)));
        assert_eq!((&run["worker"], &run["function"]), (&json!(worker.url), &json!("fail")));
    }
    assert_eq!(wait.1["attempt"], 1);
    assert!(wait.1["runAt"].is_string(), "{wait:?}");
    is_task(&app, &id, end).await;
    assert_eq!(end.1["attempts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_delayed_task_says_so_and_is_promoted_and_cancelled() {
    let app = TestApp::start_for(&[], &[]).await;
    let id = sent(&app, "hello", &json!({}), &json!({ "options": { "delayMs": 3_600_000 } })).await;
    let mut events = Events::open(&app, &format!("/tasks/{id}/events")).await;
    assert_eq!(events.next().await.unwrap().0, "delayed");
    send(&app, "POST", &format!("/tasks/{id}/promote")).await;
    assert_eq!(events.next().await.unwrap().0, "queued");
    send(&app, "DELETE", &format!("/tasks/{id}")).await;
    let end = events.all().await;
    assert_eq!((names(&end), &end[0].1["code"]), (vec!["cancelled"], &json!("cancelled")));
}

#[tokio::test]
async fn a_task_that_has_ended_is_told_of_once() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    app.ended(&id).await;
    let events = Events::open(&app, &format!("/tasks/{id}/events")).await.all().await;
    assert_eq!(names(&events), ["completed"]);
    is_task(&app, &id, &events[0]).await;
}

#[tokio::test]
async fn no_ending_is_missed_however_late_one_asks() {
    let worker = TestWorker::start(&["--slots", "64"]).await;
    let app = TestApp::start(&[&worker]).await;
    let began = Instant::now();
    let mut streams = Vec::new();
    // Each ends somewhere between its submission and the second event of its stream.
    for ms in 0..60 {
        let id = sent(&app, "sleep", &json!({ "ms": ms % 12 }), &json!({})).await;
        streams.push((id.clone(), Events::open(&app, &format!("/tasks/{id}/events")).await));
    }
    for (id, stream) in streams {
        let events = stream.all().await;
        let told = names(&events);
        assert_eq!(told.iter().filter(|name| **name == "completed").count(), 1, "{told:?}");
        let mut order = told.clone();
        order.sort_by_key(|name| ["queued", "running", "completed"].iter().position(|state| state == name));
        assert_eq!(told, order);
        is_task(&app, &id, events.last().unwrap()).await;
    }
    assert!(began.elapsed() < Duration::from_secs(15), "none was found by looking again only");
}

#[tokio::test]
async fn what_the_queue_ends_by_itself_is_told() {
    let app = TestApp::start_for(&[], &[("QUEUE_TTL", "1s")]).await;
    let mut all = Events::open(&app, "/events?state=failed").await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    let events = Events::open(&app, &format!("/tasks/{id}/events")).await.all().await;
    assert_eq!(names(&events), ["queued", "failed"]);
    is_task(&app, &id, &events[1]).await;
    let (_, told) = all.next().await.unwrap();
    assert_eq!((&told["taskId"], &told["code"]), (&json!(id), &json!("expired")));
    assert!(told["error"].is_string(), "{told}");
}

#[tokio::test]
async fn everything_that_happens_is_told_in_its_order() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("TASK_BACKOFF", "1ms")]).await;
    let mut events = Events::open(&app, "/events").await;
    let answer = app.submit(&TestApp::call("hello", &json!({}))).await;
    let told = events.up_to("completed").await;
    assert_eq!(names(&told), ["queued", "running", "completed"]);
    assert!(told.iter().all(|(name, data)| data["taskId"] == *answer.task_id() && data["state"] == **name));
    assert_eq!(told[2].1["worker"], *worker.url);

    let id = sent(&app, "fail", &json!({ "message": "no luck" }), &json!({ "options": { "attempts": 2 } })).await;
    let told = events.up_to("failed").await;
    assert_eq!(names(&told), ["queued", "running", "delayed", "running", "failed"]);
    let end = &told[4].1;
    assert_eq!((&end["error"], &end["code"], &end["attempt"]), (&json!("no luck"), &json!("worker_failed"), &json!(2)));
    send(&app, "POST", &format!("/tasks/{id}/retry")).await;
    let told = events.up_to("failed").await;
    assert_eq!(names(&told), ["queued", "running", "delayed", "running", "failed"]);
    assert_eq!(told[1].1["attempt"], 3);

    let asleep = sent(&app, "sleep", &json!({ "ms": 60_000 }), &json!({})).await;
    events.up_to("running").await;
    send(&app, "DELETE", &format!("/tasks/{asleep}")).await;
    let told = events.up_to("cancelled").await;
    assert_eq!((names(&told), &told[0].1["attempt"]), (vec!["cancelled"], &json!(1)));
}

#[tokio::test]
async fn many_tasks_at_once_keep_their_order_each() {
    let worker = TestWorker::start(&["--slots", "4"]).await;
    let app = TestApp::start(&[&worker]).await;
    let mut events = Events::open(&app, "/events").await;
    let items: Vec<Value> = (0..150).map(|_| call("hello", &json!({}), &json!({}))).collect();
    let batch = app.request("POST", "/tasks").header("x-wr-auth", crate::harness::WORKER_KEY).json(&items).send();
    let (answer, others) = tokio::join!(batch, async {
        for _ in 0..50 {
            sent(&app, "hello", &json!({}), &json!({})).await;
        }
    });
    assert_eq!((answer.unwrap().status(), others), (200.try_into().unwrap(), ()));
    let mut lives = std::collections::BTreeMap::<String, Vec<String>>::new();
    let mut ended = 0;
    while ended < 200 {
        let (name, data) = events.next().await.unwrap();
        ended += usize::from(name == "completed");
        lives.entry(data["taskId"].as_str().unwrap().to_owned()).or_default().push(name);
    }
    for (id, life) in lives {
        assert_eq!(life, ["queued", "running", "completed"], "{id}");
    }
}

#[tokio::test]
async fn a_task_whose_worker_cannot_be_reached_waits_again() {
    let stub = StubWorker::start(1, &[]).await;
    let app = TestApp::start_for(&[&stub.url], &[("WORKER_DISCOVERY_INTERVAL", "60000")]).await;
    app.ready(1).await;
    let mut events = Events::open(&app, "/events").await;
    drop(stub);
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    for name in ["queued", "running", "queued"] {
        let (told, data) = events.next().await.unwrap();
        assert_eq!((told.as_str(), &data["taskId"]), (name, &json!(id)));
    }
}

#[tokio::test]
async fn filters_hold_back_the_rest() {
    let app = TestApp::start_for(&[], &[]).await;
    for (query, other, wanted) in [
        ("group=mine", json!({}), json!({ "group": "mine" })),
        ("contract=2.0", json!({}), json!({ "contract": 2 })),
        ("function=this", json!({}), json!({ "function": "this" })),
        ("state=delayed,cancelled", json!({}), json!({ "options": { "delayMs": 3_600_000 } })),
    ] {
        let mut events = Events::open(&app, &format!("/events?{query}")).await;
        sent(&app, "hello", &json!({}), &other).await;
        let id = sent(&app, "hello", &json!({}), &wanted).await;
        assert_eq!(events.next().await.unwrap().1["taskId"], *id, "{query}");
    }
    for query in ["state=done", "contract=one", "tenant=t", "group=a&group=b"] {
        let answer = app.get(&format!("/events?{query}")).await;
        assert_eq!(error(&answer), refused(400, "invalid_query"), "{query}");
    }
}

#[tokio::test]
async fn unknown_and_malformed_ids_have_no_events() {
    let app = TestApp::start_for(&[], &[]).await;
    for id in [UNKNOWN, "x", "%FF"] {
        let answer: Answer = app.get(&format!("/tasks/{id}/events")).await;
        assert_eq!(error(&answer), refused(404, "task_not_found"), "{id}");
    }
}

#[tokio::test]
async fn the_drain_ends_every_stream_and_is_not_held_up() {
    let worker = TestWorker::start(&[]).await;
    let mut app = TestApp::start(&[&worker]).await;
    let client = app.spawn(&TestApp::call("sleep", &json!({ "ms": 1_500 })));
    worker.has_started(1).await;
    let mut all = Events::open(&app, "/events").await;
    let mut one = Events::open(&app, &format!("/tasks/{}/events", worker.order()[0])).await;
    assert_eq!(one.next().await.unwrap().0, "running");
    app.terminate();
    assert_eq!((all.next().await, one.next().await), (None, None), "both end in good order");
    assert!(!client.is_finished(), "at the beginning of the drain");
    assert_eq!(client.await.unwrap().status, 200);
    assert_eq!(app.exited().await.code(), Some(0));
}

#[tokio::test]
async fn a_client_that_leaves_is_forgotten() {
    let app = TestApp::start_for(&[], &[("MAX_CONNECTIONS", "2")]).await;
    let id = sent(&app, "hello", &json!({}), &json!({})).await;
    for path in ["/events", &format!("/tasks/{id}/events")] {
        for _ in 0..4 {
            drop(Events::open(&app, path).await);
            until("its place is free", || async { app.get("/health").await.status == 200 }).await;
        }
    }
}
