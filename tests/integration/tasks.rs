//! Tasks, from `POST /task` to their end.

use serde_json::json;

use crate::harness::{TestApp, TestWorker};

#[tokio::test]
async fn a_task_reaches_a_worker_and_its_result_comes_back() {
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start(&[&worker]).await;
    let answer = app.submit(&TestApp::call("hello", &json!({ "name": "Andera" }))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({ "success": true, "result": { "message": "Hello Andera!" } }));
    assert_eq!(worker.ledger()[0]["taskId"], answer.task_id());
}
