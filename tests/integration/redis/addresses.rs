//! The ways to name a Redis.

use super::*;
use crate::harness::until;

async fn runs_a_task(app: &TestApp) {
    let answer = app.submit(&hello(json!({}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_user_a_password_and_a_database_in_the_address() {
    let redis = Redis::start().await;
    redis.command(&["ACL", "SETUSER", "balancer", "on", ">p@ss", "~*", "&*", "+@all"]).await;
    let url = format!("redis://balancer:p%40ss@127.0.0.1:{}/3", redis.port());
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &[("REDIS_URL", &url)]).await;
    runs_a_task(&app).await;
    let databases = redis.command(&["INFO", "keyspace"]).await.unwrap();
    assert!(databases.contains("db3:") && !databases.contains("db0:"), "{databases}");
}

#[tokio::test]
async fn a_host_a_port_and_a_password() {
    let redis = Redis::start().await;
    redis.command(&["CONFIG", "SET", "requirepass", "p@ss w/rd"]).await;
    let port = redis.port().to_string();
    let env = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", &port), ("REDIS_PASSWORD", "p@ss w/rd")];
    let worker = TestWorker::start(&[]).await;
    let app = TestApp::start_with(&[&worker], &env).await;
    runs_a_task(&app).await;
}

/// A cluster demands that all keys of a call are in one slot, which the part of the prefix in braces sees to.
#[tokio::test]
async fn a_node_of_a_cluster_that_holds_all_keys() {
    let redis = Redis::start_with(&["--cluster-enabled", "yes"]).await;
    redis.command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    until("the cluster is up", || async {
        redis.command(&["CLUSTER", "INFO"]).await.unwrap().contains("cluster_state:ok")
    })
    .await;
    let worker = TestWorker::start(&[]).await;
    let app = balancer(&redis, &[&worker], &[("REDIS_PREFIX", "{andera}")]).await;
    runs_a_task(&app).await;
    assert_eq!(redis.number(&["EXISTS", "{andera}:andera-tasks"]).await, 1);
}
