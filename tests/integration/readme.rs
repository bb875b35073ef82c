//! What README and docs say is what the program does.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use andera_lb::api::ApiError;
use andera_lb::config::{Effective, Setting, Source};
use andera_lb::policy::NATIVE_NAMES;
use andera_lb::task::{Contract, ErrorCode, LaneKey};
use andera_lb::telemetry::{LaneCounts, Metrics, Snapshot, WorkerCounts};
use axum::response::IntoResponse;

use crate::harness::Process;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

fn readme() -> String {
    std::fs::read_to_string(PATH).unwrap()
}

/// What stands between the comments `<!-- name…-->` and `<!-- /name -->`.
fn part<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, after) = text.split_once(&format!("<!-- {name}:")).unwrap();
    let (_, after) = after.split_once("-->\n").unwrap();
    after.split_once(&format!("<!-- /{name} -->")).unwrap().0
}

/// The cells of a table's rows, head and rule left out.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn the_table_of_settings_is_the_one_made_from_the_code() {
    let text = readme();
    let table = settings_table();
    if std::env::var_os("UPDATE_README").is_some() {
        let (head, rest) = text.split_once("writes it anew -->\n").unwrap();
        let (_, tail) = rest.split_once("<!-- /settings -->").unwrap();
        std::fs::write(PATH, format!("{head}writes it anew -->\n{table}<!-- /settings -->{tail}")).unwrap();
    }
    assert_eq!(part(&readme(), "settings"), table, "run this test with UPDATE_README=1 to rewrite the table");
}

fn settings_table() -> String {
    let mut table = "| variable | default | |\n|---|---|---|\n".to_owned();
    let effective = Effective::of(&Source::default());
    for section in effective.settings().chunk_by(|one, next| one.section == next.section) {
        let about = section[0].section.join(" ");
        writeln!(table, "| | | **{}** |", about.trim().trim_end_matches('.')).unwrap();
        for setting in section {
            writeln!(table, "| `{}` | {} | {} |", setting.name, default(setting), cell(setting.about)).unwrap();
        }
    }
    table
}

fn default(setting: &Setting) -> String {
    match setting.value.as_str() {
        "" if setting.required => "none, required".to_owned(),
        "" => "none".to_owned(),
        value => format!("`{value}`"),
    }
}

/// Lines as the text of one cell.
fn cell(lines: &[&str]) -> String {
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").replace('|', "\\|");
    // A single backtick is itself; two make code.
    if text.matches('`').count() % 2 == 0 { text } else { text.replace('`', "\\`") }
}

#[test]
fn the_table_of_errors_has_every_code_with_its_status() {
    let text = readme();
    let told: Vec<(String, String)> = rows(part(&text, "errors"))
        .iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned()))
        .collect();
    let known: Vec<(String, String)> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let status = ApiError::new(*code, "").into_response().status();
            (code.word().to_owned(), status.as_str().to_owned())
        })
        .collect();
    assert_eq!(told, known);
}

#[test]
fn the_table_of_metrics_has_every_metric() {
    let text = readme();
    let told: BTreeSet<String> =
        rows(part(&text, "metrics")).iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
    let snapshot = Snapshot {
        workers: vec![WorkerCounts { status: "ready", count: 1 }],
        lanes: vec![LaneCounts { lane: LaneKey::new("g", Contract::new(1.0).unwrap()), queued: 1, running: 1 }],
        ..Snapshot::default()
    };
    let metrics = Metrics::new();
    // A family shows nothing before its first count.
    metrics.policy("p").decided(false);
    metrics.policy_fallback("p", "trap");
    metrics.route("/task").answered(200);
    let rendered = metrics.render(&snapshot);
    let known: BTreeSet<String> = rendered
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect();
    assert_eq!(told, known);
}

#[test]
fn every_native_policy_is_there() {
    let text = readme();
    for name in NATIVE_NAMES {
        assert!(text.contains(&format!("| `native:{name}` |")), "{name}");
    }
}

#[test]
fn the_list_of_dependencies_has_every_direct_one() {
    let file = |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let manifest = file("Cargo.toml");
    let sections = manifest.split("\n[").filter(|section| section.contains("dependencies]\n"));
    let direct: BTreeSet<&str> =
        sections.flat_map(str::lines).filter_map(|line| line.split_once(" = ").map(|(name, _)| name)).collect();
    let list = file("docs/dependencies.md");
    let listed: BTreeSet<&str> = list
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('|').nth(1).unwrap_or_default().split(','))
        .map(|name| name.trim().trim_matches('`'))
        .collect();
    // `tokio` is among the dependencies for tests too, with more features.
    assert_eq!(listed, direct);
}

#[test]
fn the_files_it_leads_to_are_there() {
    let text = readme();
    for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
        let is_file = !link.starts_with("http") && !link.starts_with('#');
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(link);
        assert!(!is_file || path.exists(), "{link}");
    }
}

#[tokio::test]
async fn its_first_task_runs_in_the_demo_as_written() {
    let directory = tempfile::tempdir().unwrap();
    let demo = Process::start(&["demo", "--port", "0"], &[], directory.path());
    let url = demo.printed("Open     ").await;
    demo.printed("status=ready").await;
    let text = readme();
    let block = text.split("```sh\n").find(|block| block.starts_with("curl ")).unwrap();
    let (command, rest) = block.split_once("```").unwrap();
    let expected = rest.split_once("```json\n").unwrap().1.split_once("\n```").unwrap().0;
    let command = command.replace("http://localhost:4000", url.trim_end_matches('/')).replacen("curl ", "curl -sS ", 1);
    let output = tokio::task::spawn_blocking(|| Command::new("sh").arg("-c").arg(command).output().unwrap());
    let output = output.await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", String::from_utf8_lossy(&output.stderr));
}
