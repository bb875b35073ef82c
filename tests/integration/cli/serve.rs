//! `andera-lb serve` that does not come up, or not as it should.

use std::net::TcpListener;

use super::{parts, run};
use crate::harness::{LB_KEY, Process};

/// A port that is taken: whoever tries to listen there does not get as far as exit code 64.
fn taken_port() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

#[tokio::test]
async fn a_bad_configuration_ends_with_64_and_a_line_for_each_problem() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("workers.json"), "[]").unwrap();
    let (_listener, port) = taken_port();
    for args in [&["serve"][..], &[]] {
        let env = [
            ("HOST", "127.0.0.1"),
            ("PORT", &*port),
            ("TASK_ATTEMPTS", "none"),
            ("REQUEST_BODY_LIMIT", "10 apples"),
            ("LOG_LEVEL", "loud"),
            ("QUEUE", "kafka"),
            ("POLICY", "native:best"),
        ];
        let (code, lines, errors) = parts(&run(args, &env, directory.path()).await);
        assert_eq!((code, lines), (Some(64), vec![]), "{errors:#?}");
        for name in ["LB_AUTH_KEY", "TASK_ATTEMPTS", "REQUEST_BODY_LIMIT", "LOG_LEVEL", "QUEUE", "POLICY"] {
            assert_eq!(
                errors.iter().filter(|line| line.starts_with(&format!("{name}: "))).count(),
                1,
                "{name} in {errors:#?}"
            );
        }
        assert_eq!(errors.len(), 6, "{errors:#?}");
    }
}

#[tokio::test]
async fn an_unusable_key_is_refused_and_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("workers.json"), "[]").unwrap();
    for key in ["two words", "a,b", "sch\u{f6}n", "a/b"] {
        let (code, _, errors) = parts(&run(&["serve"], &[("LB_AUTH_KEY", key), ("PORT", "0")], directory.path()).await);
        assert_eq!((code, errors.len()), (Some(64), 1), "{errors:?}");
        assert!(errors[0].starts_with("LB_AUTH_KEY: ") && errors[0].contains("WebSocket"), "{errors:?}");
        assert!(!errors[0].contains(key));
    }
}

#[tokio::test]
async fn a_workers_file_that_is_missing_or_broken_ends_with_64() {
    let directory = tempfile::tempdir().unwrap();
    let (_listener, port) = taken_port();
    let env = [("LB_AUTH_KEY", LB_KEY), ("HOST", "127.0.0.1"), ("PORT", &*port), ("WORKERS_FILE", "list.json")];
    for (content, reason) in [
        (None, "does not exist"),
        (Some("[\"http://worker:3000\""), "is not JSON"),
        (Some("{}"), "must be a JSON array"),
        (Some("[1]"), "entry 1 of the workers file is not a text"),
        (
            Some("[\"http://a\", \"ftp://b\"]"),
            "entry 2 of the workers file (ftp://b): the scheme must be http or https",
        ),
    ] {
        if let Some(content) = content {
            std::fs::write(directory.path().join("list.json"), content).unwrap();
        }
        let (code, _, errors) = parts(&run(&["serve"], &env, directory.path()).await);
        assert_eq!((code, errors.len()), (Some(64), 1), "{errors:?}");
        assert!(errors[0].starts_with("WORKERS_FILE: ") && errors[0].contains(reason), "{errors:?}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("workers.json"), "[]").unwrap();
    let (_listener, port) = taken_port();
    let env = [("LB_AUTH_KEY", LB_KEY), ("HOST", "127.0.0.1"), ("PORT", &*port)];
    let (code, _, errors) = parts(&run(&["serve"], &env, directory.path()).await);
    assert_eq!(code, Some(1));
    assert!(errors[0].contains(&format!("127.0.0.1:{port}")), "{errors:?}");
}

#[tokio::test]
async fn an_unknown_name_in_the_file_is_logged_and_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("workers.json"), "[]").unwrap();
    std::fs::write(directory.path().join(".env"), "LB_AUTH_KEY=k\nPORT=0\nWORKER_FILE=x\n").unwrap();
    let mut process = Process::start(&[], &[("HOST", "127.0.0.1")], directory.path());
    process.printed("listening address=").await;
    let lines = process.lines();
    let warning = lines.iter().find(|line| line.contains("[WARN]")).unwrap_or_else(|| panic!("{lines:#?}"));
    assert!(warning.ends_with("WORKER_FILE: unknown variable in .env, did you mean WORKERS_FILE?"), "{warning}");
    process.signal("-TERM");
    assert_eq!(process.ended().await.code(), Some(0));
}
