//! The command line, run as people and containers run it.

mod config;
mod demo;
mod doctor;
mod health;
mod policy;
mod policy_new;
mod serve;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use tokio::process::Command;

/// Runs `andera-lb` to its end, with only these variables.
async fn run(args: &[&str], env: &[(&str, &str)], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andera-lb"));
    command.args(args).env_clear().envs(env.iter().copied()).current_dir(directory).kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(30), command.output()).await.expect("it ends").unwrap()
}

/// Exit code, and the lines of stdout and stderr.
fn parts(output: &Output) -> (Option<i32>, Vec<String>, Vec<String>) {
    let lines = |bytes: &[u8]| std::str::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
    (output.status.code(), lines(&output.stdout), lines(&output.stderr))
}

#[tokio::test]
async fn help_names_every_subcommand() {
    let directory = tempfile::tempdir().unwrap();
    for args in [["--help"], ["-h"], ["help"]] {
        let (code, lines, errors) = parts(&run(&args, &[], directory.path()).await);
        assert_eq!((code, errors.len()), (Some(0), 0));
        for name in ["serve", "demo", "worker", "config", "health", "doctor", "policy"] {
            assert!(lines.iter().any(|line| line.trim_start().starts_with(name)), "{name} in {lines:#?}");
        }
    }
    let (code, lines, _) = parts(&run(&["--version"], &[], directory.path()).await);
    assert_eq!((code, lines), (Some(0), vec![format!("andera-lb {}", env!("CARGO_PKG_VERSION"))]));
    let (code, lines, errors) = parts(&run(&["sevre"], &[], directory.path()).await);
    assert_eq!((code, lines.len()), (Some(2), 0), "{errors:?}");
}
