//! `andera-lb worker` as a process.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::DEADLINE;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andera-lb"));
    command.arg("worker").env_clear().stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn first_line(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    tokio::time::timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("a line")
}

#[tokio::test]
async fn says_where_it_listens_and_stops_on_sigterm() {
    let mut child = command()
        .args(["--port", "0", "--ws-port", "0", "--group", "g", "--contract", "2", "--slots", "4"])
        .args(["--tag", "zone=eu", "--tag", "weight=2", "--auth-key", "a"])
        .env("LB_AUTH_KEY", "b")
        .spawn()
        .unwrap();
    let line = first_line(&mut child).await;
    let (url, ws_port) =
        line.strip_prefix("listening on ").unwrap().strip_suffix(')').unwrap().split_once(" (WebSocket port ").unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{line}");

    let worker = super::start().await;
    let request = worker.client.get(format!("{url}/health")).header("x-lb-auth", "b");
    let health: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(health["websocketPort"].to_string(), ws_port);
    assert_eq!((&health["group"], &health["contract"]), (&"g".into(), &2.into()));
    assert_eq!(health["slots"]["limit"], 4);
    assert_eq!(health["tags"], serde_json::json!({"zone": "eu", "weight": 2}));

    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let status = tokio::time::timeout(DEADLINE, child.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn refuses_to_start_without_keys_or_with_nonsense() {
    for arguments in [
        vec!["--auth-key", "a"],
        vec!["--lb-auth-key", "b"],
        vec!["--auth-key", "a", "--lb-auth-key", "b", "--slots", "0"],
        vec!["--auth-key", "a", "--lb-auth-key", "b", "--tag", "x"],
        vec!["--auth-key", "", "--lb-auth-key", "b"],
    ] {
        let output = command().args(&arguments).output().await.unwrap();
        assert!(!output.status.success() && !output.stderr.is_empty(), "{arguments:?}");
    }
}
