//! What a browser gets.

use super::{error, error_of, refused, send};
use crate::harness::TestApp;
use crate::harness::app::client;

#[tokio::test]
async fn the_landing_page_and_its_icon_need_no_key() {
    let app = TestApp::start_for(&[], &[("DASHBOARD_ENABLED", "false"), ("BULL_BOARD_ENABLED", "false")]).await;
    let page = send(client().get(&app.url)).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().starts_with("<!doctype html>") && page.text().contains("/favicon.svg"));
    assert!(page.text().contains(env!("CARGO_PKG_VERSION")));
    assert!(!page.text().contains("/dashboard") && !page.text().contains("\"/bull\""), "links to what is not there");

    let icon = send(client().get(format!("{}/favicon.svg", app.url))).await;
    assert_eq!((icon.status, icon.header("content-type")), (200, Some("image/svg+xml")));
    assert!(icon.text().starts_with("<svg "));
}

#[tokio::test]
async fn a_dashboard_that_is_switched_off_is_not_there() {
    let (on, off) = tokio::join!(TestApp::start(&[]), TestApp::start_for(&[], &[("DASHBOARD_ENABLED", "false")]));
    for path in ["/dashboard", "/dashboard/api/workers", "/dashboard/api/workers/aHR0cDovL2g/logs"] {
        assert_eq!(error_of(off.request("GET", path)).await, refused(404, "not_found"), "{path}");
    }
    assert_eq!(on.get("/dashboard/api/workers").await.status, 200);
    let unlisted = on.get("/dashboard/api/workers/aHR0cDovL2g/logs").await;
    assert_eq!(error(&unlisted), refused(404, "not_found"));
    assert_eq!(unlisted.json()["error"], "There is no such worker");
}
