//! Files that are not as they were left.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::call;
use crate::harness::{TestApp, TestWorker};

/// The newest file of the log.
fn newest(app: &TestApp) -> PathBuf {
    let files = std::fs::read_dir(app.data().join("queue")).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "wal")).max().unwrap()
}

/// Everything below a directory, but for the lock.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else if path.file_name().unwrap() != "lock" {
            all.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    all
}

/// A balancer that was killed after it had taken some tasks: it, and their ids.
async fn killed(worker: &TestWorker) -> (TestApp, Vec<String>) {
    let mut app = TestApp::start(&[worker]).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let id = app.accept(&call("echo", &json!({ "n": n }), json!({}))).await;
        assert_eq!(app.ended(&id).await["state"], "completed");
        ids.push(id);
    }
    app.kill().await;
    (app, ids)
}

#[tokio::test]
async fn a_torn_end_is_cut_off_with_a_warning() {
    let worker = TestWorker::start(&[]).await;
    let (mut app, ids) = killed(&worker).await;
    let file = newest(&app);
    let whole = std::fs::metadata(&file).unwrap().len();
    for garbage in [&b"\x40\0\0\0garbage"[..], &[0; 4], &[0; 4096], &[0xff; 700]] {
        OpenOptions::new().append(true).open(&file).unwrap().write_all(garbage).unwrap();
        app.restart().await;
        let warnings = app.lines_with("the end of the queue's log was torn");
        assert!(warnings.len() == 1 && warnings[0].contains("WARN"), "{warnings:?}");
        assert!(warnings[0].contains(&format!("bytes={}", garbage.len())), "{warnings:?}");
        for id in &ids {
            assert_eq!(app.shown(id).await["state"], "completed");
        }
        app.kill().await;
        assert_eq!(std::fs::metadata(&file).unwrap().len(), whole);
    }

    // The end of the last task is cut: it was never written, so the task runs again.
    OpenOptions::new().write(true).open(&file).unwrap().set_len(whole - 1).unwrap();
    app.restart().await;
    assert_eq!(app.lines_with("the end of the queue's log was torn").len(), 1);
    let last = app.ended(ids.last().unwrap()).await;
    assert_eq!((&last["state"], &last["interruptions"]), (&json!("completed"), &json!(1)));
    assert_eq!(worker.started(), 21);
    let id = app.accept(&call("echo", &json!({}), json!({}))).await;
    app.ended(&id).await;
    app.kill().await;
    app.restart().await;
    assert_eq!(app.shown(&id).await["state"], "completed", "what was written behind the cut is there");
    assert!(app.lines_with("was torn").is_empty());
}

#[tokio::test]
async fn damage_elsewhere_is_refused_and_nothing_is_changed() {
    let worker = TestWorker::start(&[]).await;
    let (mut app, ids) = killed(&worker).await;
    let file = newest(&app);
    let whole = std::fs::read(&file).unwrap();
    for at in [0, 4, whole.len() / 3, whole.len() / 2, whole.len() * 3 / 4] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&file, damaged).unwrap();
        let before = contents(&app.data());
        app.launch();
        app.prints("is damaged at byte").await;
        assert!(!app.exited().await.success(), "byte {at}");
        let (said, name) = (app.lines().join("\n"), file.file_name().unwrap().to_str().unwrap());
        assert!(said.contains(name), "byte {at}: {said}");
        assert!(contents(&app.data()) == before, "byte {at}: files were changed");
    }
    std::fs::write(&file, whole).unwrap();
    app.restart().await;
    for id in &ids {
        assert_eq!(app.shown(id).await["state"], "completed");
    }
}
