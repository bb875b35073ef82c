//! The curl lines of the original's README ("Testing your Load Balancer"), run as written there.

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{LB_KEY, TestApp, TestWorker, WORKER_KEY};

const HEALTH: &str = "curl http://localhost:4000/health";

const TASK: &str = r#"curl -X POST http://localhost:4000/task \
  -H "Content-Type: application/json" \
  -H "Authorization: <LB_AUTH_KEY>" \
  -H "x-wr-auth: <AUTH_KEY>" \
  -d '{
    "function": "hello",
    "input": { "name": "Andera" },
    "contract": 1,
    "group": "default"
  }'"#;

/// Runs a line in a shell, with the keys and the port filled in.
async fn run(app: &TestApp, line: &str) -> Value {
    let port = app.url.rsplit(':').next().unwrap();
    let line = line.replace("<LB_AUTH_KEY>", LB_KEY).replace("<AUTH_KEY>", WORKER_KEY).replace("4000", port);
    let output = Command::new("sh").arg("-c").arg(&line).env("no_proxy", "*").output().await.unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}

#[tokio::test]
async fn the_curl_lines_of_the_originals_readme_work() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    assert_eq!(run(&app, HEALTH).await, json!({ "status": "ready" }));
    assert_eq!(run(&app, TASK).await, json!({ "success": true, "result": { "message": "Hello Andera!" } }));
}
