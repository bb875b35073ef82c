//! `andera-lb config`.

use super::{parts, run};

/// Every variable of `.env.example`.
fn variables() -> Vec<String> {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/.env.example")).unwrap();
    let lines = example.lines().filter_map(|line| line.trim_start_matches("# ").split_once('='));
    lines
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect()
}

#[tokio::test]
async fn config_prints_everything_and_where_it_comes_from_but_no_secret() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join(".env"),
        "PORT=4100\nMAX_LOGS=7\nLB_AUTH_KEY=hush-hush\nLB_AUTH_KEY_PREVIOUS=hush-before\nWEBHOOK_SECRET=hush-too\n",
    )
    .unwrap();
    let (code, lines, errors) = parts(&run(&["config"], &[("PORT", "4200")], directory.path()).await);
    assert_eq!((code, errors), (Some(0), vec![]));
    for name in variables() {
        assert_eq!(lines.iter().filter(|line| line.starts_with(&format!("{name}="))).count(), 1, "{name}");
    }
    let line = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("PORT="), "PORT=4200 # environment", "the environment wins");
    assert_eq!(line("MAX_LOGS="), "MAX_LOGS=7 # .env");
    assert_eq!(line("LB_AUTH_KEY="), "LB_AUTH_KEY=*** # .env");
    assert_eq!(line("LB_AUTH_KEY_PREVIOUS="), "LB_AUTH_KEY_PREVIOUS=*** # .env");
    assert_eq!(line("WEBHOOK_SECRET="), "WEBHOOK_SECRET=*** # .env");
    assert_eq!(line("HOST="), "HOST=0.0.0.0 # default");
    assert!(!lines.concat().contains("hush"));
}

#[tokio::test]
async fn config_with_problems_prints_everything_and_exits_64() {
    let directory = tempfile::tempdir().unwrap();
    let env = [("LB_AUTH_KEY", "with space"), ("PORT", "http"), ("TASK_TIMEOUT", "-1")];
    let (code, lines, errors) = parts(&run(&["config"], &env, directory.path()).await);
    assert_eq!(code, Some(64));
    assert_eq!(lines.iter().filter(|line| line.contains('=') && !line.starts_with('#')).count(), variables().len());
    assert_eq!(errors.len(), 3, "{errors:#?}");
    for (name, _) in env {
        assert_eq!(errors.iter().filter(|line| line.starts_with(&format!("{name}: "))).count(), 1, "{name}");
    }
    assert!(!errors.concat().contains("with space") && !lines.concat().contains("with space"));
}

#[tokio::test]
async fn an_unknown_name_in_the_file_is_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let text = "LB_AUTH_KEY=k\nTASK_ATEMPTS=2\nSOMETHING_ELSE=1\nREDIS_PORT=6379\n";
    std::fs::write(directory.path().join(".env"), text).unwrap();
    let (code, _, errors) = parts(&run(&["config"], &[("UNKNOWN_IN_THE_ENVIRONMENT", "1")], directory.path()).await);
    assert_eq!(code, Some(0));
    let expected = [
        "warning: REDIS_PORT: ignored without REDIS_HOST, REDIS_URL or QUEUE=redis",
        "warning: SOMETHING_ELSE: unknown variable in .env",
        "warning: TASK_ATEMPTS: unknown variable in .env, did you mean TASK_ATTEMPTS?",
    ];
    assert_eq!(errors, expected);
}
