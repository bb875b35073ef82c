//! One process a data directory.

use crate::harness::TestApp;

#[tokio::test]
async fn a_second_process_is_told_who_has_the_directory_and_a_kill_frees_it() {
    let mut app = TestApp::start_for(&[], &[]).await;
    let holder = std::fs::read_to_string(app.data().join("lock")).unwrap();
    let mut second = app.second();
    second.printed("is in use by").await;
    assert!(!second.ended().await.success());
    let said = second.lines().join("\n");
    assert!(said.contains(&format!("in use by process {holder} (andera-lb)")), "{said}");
    assert_eq!(app.get("/tasks").await.status, 200, "the first one goes on");
    app.kill().await;
    app.restart().await;
    assert_ne!(std::fs::read_to_string(app.data().join("lock")).unwrap(), holder);
}
