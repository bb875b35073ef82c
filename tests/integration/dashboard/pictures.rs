//! Pictures of all pages for `docs/screenshots`: `cargo test --test integration pictures -- --ignored`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::guest::{FIRST, Guest};
use crate::harness::app::client;
use crate::harness::{Answer, Page, Process};

const KEY: &str = "demo-lb-key";
const LIVE: &str = "document.querySelector('#live-state')?.dataset.state === 'live'";
/// How long the demo runs before: a picture of empty charts says nothing.
const TRAFFIC: Duration = Duration::from_mins(5);

#[tokio::test]
#[ignore = "makes pictures, which takes minutes, and looks at nothing"]
async fn pictures_of_the_demo() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Process::start(&["demo", "--port", "0"], &[], directory.path());
    let url = demo.printed("Open     ").await;
    let url = url.trim_end_matches('/');
    let page = Page::open().await;
    page.goto(&format!("{url}/dashboard/login")).await;
    pictures(&page, "login").await;
    tokio::time::sleep(TRAFFIC).await;
    page.type_into("#key", KEY).await;
    page.click("button[type=submit]").await;
    page.until(LIVE).await;
    for (name, path) in [("overview", "/dashboard"), ("workers", "/dashboard/workers"), ("logs", "/dashboard/logs")] {
        page.goto(&format!("{url}{path}")).await;
        page.until(LIVE).await;
        pictures(&page, name).await;
    }
    page.goto(&format!("{url}/dashboard/workers")).await;
    page.click(".card a").await;
    page.until(
        "document.querySelector('#try-function') !== null && document.querySelector('#tasks tbody tr') !== null",
    )
    .await;
    page.until(LIVE).await;
    pictures(&page, "worker").await;
    page.goto(&format!("{url}/")).await;
    pictures(&page, "landing").await;
}

/// Those of tasks need no long history, so they have a demo of their own.
#[tokio::test]
#[ignore = "makes pictures, and looks at nothing"]
async fn pictures_of_tasks() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Process::start(&["demo", "--port", "0"], &[], directory.path());
    let url = demo.printed("Open     ").await;
    let url = url.trim_end_matches('/');
    let fails = json!({
        "group": "default", "contract": 1, "function": "fail", "mode": "async",
        "input": { "times": 2, "message": "The disk of the worker was full" }, "options": { "tenant": "acme" },
    });
    let task = client().post(format!("{url}/task")).header("authorization", KEY);
    let task =
        Answer::of(task.header("x-wr-auth", "demo-worker-key").json(&fails).send().await.unwrap()).await.task_id();
    tokio::time::sleep(Duration::from_secs(15)).await;
    let page = Page::open().await;
    page.goto(&format!("{url}/dashboard/login")).await;
    page.type_into("#key", KEY).await;
    page.click("button[type=submit]").await;
    page.until(LIVE).await;
    for (name, path) in [
        ("tasks", "/dashboard/tasks".to_owned()),
        ("task", format!("/dashboard/tasks/{task}")),
        ("new-task", "/dashboard/tasks/new".to_owned()),
    ] {
        page.goto(&format!("{url}{path}")).await;
        page.until(LIVE).await;
        pictures(&page, name).await;
    }
}

#[tokio::test]
#[ignore = "makes pictures, which takes minutes, and looks at nothing"]
async fn pictures_of_queues_and_policies() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("policies")).unwrap();
    let demo = Process::start(&["demo", "--port", "0"], &[], directory.path());
    let url = demo.printed("Open     ").await;
    let url = url.trim_end_matches('/');
    let call = |method: reqwest::Method, path: &str| {
        client().request(method, format!("{url}{path}")).header("x-lb-auth", KEY).header("x-wr-auth", "demo-worker-key")
    };
    for file in [FIRST.to_owned(), format!("(nop) {FIRST}")] {
        let upload = call(reqwest::Method::PUT, "/policies/first-in-list").body(Guest::ranker(&file).module());
        assert_eq!(upload.send().await.unwrap().status(), 200);
    }
    // The machine that makes pictures is busy, and a fallback for that reason says nothing.
    let rules = json!({
        "policies": { "first-in-list": { "limits": { "deadlineMs": 1_000 } } },
        "rules": [{ "policy": "wasm:first-in-list", "shadow": { "policy": "native:peak-ewma", "sample": 0.5 } }],
    });
    std::fs::write(directory.path().join("policies/policies.json"), rules.to_string()).unwrap();
    for (function, input, options) in [
        ("hello", json!({ "name": "Ada" }), json!({ "delayMs": 900_000 })),
        ("hello", json!({ "name": "Grace" }), json!({ "delayMs": 3_600_000, "tenant": "navy" })),
        ("fail", json!({ "message": "The printer is on fire" }), json!({ "attempts": 1 })),
        ("sleep", json!({ "ms": 120_000 }), json!({ "timeoutMs": 300_000 })),
    ] {
        let body = json!({ "group": "default", "contract": 1, "function": function, "mode": "async", "input": input, "options": options });
        assert_eq!(call(reqwest::Method::POST, "/task").json(&body).send().await.unwrap().status(), 202);
    }
    let page = Page::open().await;
    page.goto(&format!("{url}/dashboard/login")).await;
    tokio::time::sleep(TRAFFIC / 10).await;
    page.type_into("#key", KEY).await;
    page.click("button[type=submit]").await;
    page.until(LIVE).await;
    for (name, path, shown) in [
        ("policies", "/dashboard/policies", "[data-policy]"),
        ("queues", "/bull", "[data-queue]"),
        ("queue", "/bull/queue/tasks.default.1", "[data-job]"),
    ] {
        page.goto(&format!("{url}{path}")).await;
        page.until(LIVE).await;
        page.until(&format!("document.querySelector('{shown}') !== null")).await;
        pictures(&page, name).await;
    }
    page.goto(&format!("{url}/bull/queue/tasks.default.1?status=failed")).await;
    page.click("[data-job] .name a").await;
    page.until("document.querySelector('.text-panel') !== null").await;
    page.until(LIVE).await;
    pictures(&page, "job").await;
}

async fn pictures(page: &Page, name: &str) {
    for (width, height) in [(1440, 900), (390, 844)] {
        for scheme in ["light", "dark"] {
            page.resize(width, height).await;
            page.scheme(scheme).await;
            // Charts follow their size at the next frame, and lists at the next second.
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            page.picture(width < 600 && !["logs", "tasks"].contains(&name), &file(name, width, scheme)).await;
        }
    }
}

fn file(name: &str, width: u32, scheme: &str) -> PathBuf {
    let suffix = if scheme == "dark" { "-dark" } else { "" };
    Path::new("docs/screenshots").join(format!("{name}-{width}{suffix}.png"))
}
