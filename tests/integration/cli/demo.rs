//! `andera-lb demo`.

use serde_json::json;
use tokio::process::Command;

use crate::harness::{Process, until};

/// The lines printed below `title`, up to the next empty one.
fn below(lines: &[String], title: &str) -> String {
    let start = lines.iter().position(|line| line.trim() == title).unwrap_or_else(|| panic!("{title} in {lines:#?}"));
    let block: Vec<&str> = lines[start + 1..].iter().map(String::as_str).take_while(|line| !line.is_empty()).collect();
    block.join("\n")
}

async fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).env("no_proxy", "*").output().await.unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_demo_runs_its_printed_lines_work_and_sigterm_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut demo = Process::start(&["demo", "--port", "0"], &[], directory.path());
    until("the welcome", || async { demo.lines().iter().any(|line| line.contains("Ctrl-C")) }).await;
    let lines = demo.lines();

    let answer: serde_json::Value = serde_json::from_str(&sh(&below(&lines, "A task:")).await).unwrap();
    assert_eq!(answer, json!({ "success": true, "result": { "message": "Hello Andera!" } }));
    let workers: serde_json::Value = serde_json::from_str(&sh(&below(&lines, "The workers:")).await).unwrap();
    let limits: Vec<u64> =
        workers.as_array().unwrap().iter().map(|worker| worker["slots"]["limit"].as_u64().unwrap()).collect();
    assert_eq!(limits, [8, 4, 2]);
    assert!(sh(&below(&lines, "The log:")).await.starts_with(r#"{"logs":["#));
    let page = lines.iter().find_map(|line| line.trim().strip_prefix("Open")).unwrap();
    assert!(sh(&format!("curl -s {}", page.trim())).await.contains("Andera load balancer"));

    demo.signal("-TERM");
    assert_eq!(demo.ended().await.code(), Some(0));
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "it leaves no file");
}
