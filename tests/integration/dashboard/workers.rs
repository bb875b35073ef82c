//! Many workers.

use std::time::{Duration, Instant};

use super::session::Session;
use crate::harness::{LB_KEY, Page, TestApp};

/// Workers that nobody answers for are as many rows as any.
#[tokio::test]
async fn thousands_of_workers_are_a_table_in_pages() {
    let urls: Vec<String> = (0..2_000).map(|n| format!("http://127.0.0.1:{}", 20_000 + n)).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    // Probes of so many would keep this machine busy.
    let rarely = [("WORKER_DISCOVERY_INTERVAL", "600000"), ("WORKER_DISCOVERY_RETRIES", "0")];
    let app = TestApp::start_for(&urls, &rarely).await;
    let session = Session::begin(&app, LB_KEY).await;
    let began = Instant::now();
    assert_eq!(session.get("/dashboard/workers").await.status, 200);
    // No figure of speed: what is ruled out is work by the worker, which takes many times as long.
    assert!(began.elapsed() < Duration::from_secs(10));
    let page = Page::open().await;
    page.log_in(&app, LB_KEY).await;
    page.goto(&format!("{}/dashboard/workers", app.url)).await;
    page.until("document.querySelectorAll('#list tbody tr').length === 100").await;
    page.shows("1–100 of 2000").await;
    page.click("#paging button:last-child").await;
    page.shows("101–200 of 2000").await;
    page.type_into("#search", ":21999").await;
    page.until("document.querySelectorAll('#list tbody tr').length === 1").await;
}
