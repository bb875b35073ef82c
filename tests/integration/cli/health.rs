//! `andera-lb health`.

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

use super::{parts, run};
use crate::harness::TestApp;

/// Something that answers `/health` with this.
async fn answering(body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/health", get(move || async move { body }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn health_exits_0_if_the_balancer_is_ready() {
    let directory = tempfile::tempdir().unwrap();
    let app = TestApp::start(&[]).await;
    let port = app.url.rsplit(':').next().unwrap();
    let expected = (Some(0), vec!["ready".to_owned()], vec![]);
    for host in ["0.0.0.0", "127.0.0.1"] {
        let env = [("PORT", port), ("HOST", host)];
        assert_eq!(parts(&run(&["health"], &env, directory.path()).await), expected, "by PORT and HOST {host}");
    }
    for url in [app.url.clone(), format!("{}/", app.url)] {
        assert_eq!(parts(&run(&["health", "--url", &url], &[], directory.path()).await), expected, "{url}");
    }
    std::fs::write(directory.path().join(".env"), format!("PORT={port}\n")).unwrap();
    assert_eq!(parts(&run(&["health"], &[], directory.path()).await), expected, "by .env");
}

#[tokio::test]
async fn health_exits_1_if_it_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let away = answering(r#"{"status":"unreachable"}"#).await;
    let (code, lines, _) = parts(&run(&["health", "--url", &away], &[], directory.path()).await);
    assert_eq!((code, lines), (Some(1), vec!["unreachable".to_owned()]));
    for url in ["http://127.0.0.1:9", &answering("hello").await] {
        let (code, lines, _) = parts(&run(&["health", "--url", url], &[], directory.path()).await);
        assert_eq!((code, lines.len()), (Some(1), 1));
        assert!(lines[0].starts_with(url), "{lines:?}");
    }
}
