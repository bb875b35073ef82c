//! Loading as a whole.

use std::path::Path;
use std::time::Duration;

use super::*;

fn with(pairs: &[(&str, &str)]) -> Result<Settings, Vec<Problem>> {
    Settings::from_pairs([("LB_AUTH_KEY", "key")].into_iter().chain(pairs.iter().copied()))
}

/// The only problem that these pairs make.
fn problem(pairs: &[(&str, &str)]) -> String {
    let problems = with(pairs).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].to_string()
}

fn warnings(source: &Source) -> Vec<String> {
    Settings::load(source).unwrap().warnings
}

#[test]
fn everything_but_the_key_has_a_default() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.server.port, 4000);
    assert_eq!(settings.server.host.to_string(), "0.0.0.0");
    assert_eq!(settings.server.request_body_limit, 10 * 1024 * 1024);
    assert_eq!(settings.server.shutdown_timeout, Duration::from_secs(30));
    assert_eq!(settings.server.max_connections, 16_384);
    assert_eq!(settings.auth.lb_auth_key.expose(), "key");
    assert_eq!(settings.auth.lb_auth_key_previous, None);
    assert_eq!(settings.workers.file, Path::new("workers.json"));
    assert_eq!(settings.workers.discovery_interval, Duration::from_secs(3));
    assert_eq!(settings.workers.discovery_timeout, Duration::from_secs(3));
    assert_eq!(settings.workers.discovery_retries, 10);
    assert_eq!(settings.workers.heartbeat_interval, Duration::from_secs(3));
    assert_eq!(settings.workers.heartbeat_timeout, Duration::from_secs(3));
    assert_eq!(settings.tasks.timeout, Duration::from_mins(5));
    assert_eq!(settings.tasks.attempts, 3);
    assert_eq!(settings.tasks.backoff, Duration::from_millis(500));
    assert_eq!(settings.tasks.backoff_max, Duration::from_secs(30));
    assert_eq!(settings.tasks.queue_ttl, Duration::from_hours(24));
    assert_eq!(settings.tasks.no_worker_timeout, Duration::from_secs(10));
    assert_eq!(settings.tasks.max_queued, 1_000_000);
    assert_eq!(settings.tasks.result_max_bytes, 1024 * 1024);
    assert_eq!(settings.tasks.retention, Duration::from_hours(24));
    assert_eq!(settings.tasks.retention_count, 100_000);
    assert_eq!(settings.tasks.retention_bytes, 1024 * 1024 * 1024);
    assert_eq!(settings.tasks.stream_idle_timeout, Duration::from_mins(1));
    assert_eq!(settings.tasks.max_interruptions, 10);
    assert_eq!(settings.queue.backend, QueueBackend::Embedded);
    assert_eq!(settings.queue.data_dir, Path::new("data"));
    assert_eq!(settings.queue.lease, Duration::from_secs(15));
    assert_eq!(settings.policy.choice, PolicyChoice::Unset);
    assert_eq!(settings.policy.wait, Duration::from_millis(250));
    assert_eq!(settings.logging.level, tracing::Level::INFO);
    assert_eq!(settings.logging.max_logs, 1000);
    assert!(settings.dashboard.enabled);
    assert!(settings.dashboard.bull_board_enabled);
    assert_eq!(settings.dashboard.templates_dir, None);
}

#[test]
fn a_missing_key_is_a_problem() {
    let problems = Settings::from_pairs::<String, String>([]).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().starts_with("LB_AUTH_KEY: is required but not set"), "{}", problems[0]);
}

#[test]
fn a_key_that_is_no_token_is_refused_with_the_reason_but_not_shown() {
    for key in ["two words", "comma,separated", "quote\"", "clé", "a/b", "(x)"] {
        let shown = problem(&[("LB_AUTH_KEY", key)]);
        assert!(shown.starts_with("LB_AUTH_KEY: "), "{shown}");
        assert!(shown.contains("WebSocket sub-protocol"), "{shown}");
        assert!(!shown.contains(key), "{shown}");
    }
    assert!(with(&[("LB_AUTH_KEY", "aZ9!#$%&'*+-.^_`|~")]).is_ok());
}

#[test]
fn the_key_before_is_held_to_the_rules_of_the_present_one() {
    let settings = with(&[("LB_AUTH_KEY_PREVIOUS", "older")]).unwrap();
    assert_eq!(settings.auth.lb_auth_key_previous.unwrap().expose(), "older");
    assert!(with(&[("LB_AUTH_KEY_PREVIOUS", "")]).unwrap().auth.lb_auth_key_previous.is_none());
    let shown = problem(&[("LB_AUTH_KEY_PREVIOUS", "two words")]);
    assert!(shown.starts_with("LB_AUTH_KEY_PREVIOUS: ") && !shown.contains("two words"), "{shown}");
}

#[test]
fn the_same_key_twice_is_warned_of_and_not_shown() {
    let source = |previous| Source::from_pairs([("LB_AUTH_KEY", "hush"), ("LB_AUTH_KEY_PREVIOUS", previous)]);
    assert_eq!(warnings(&source("older")), [] as [&str; 0]);
    assert_eq!(
        warnings(&source("hush")),
        ["LB_AUTH_KEY_PREVIOUS: the same as LB_AUTH_KEY: it is meant to be the key before"]
    );
}

#[test]
fn every_problem_is_told_with_variable_value_and_what_is_accepted() {
    let problems = Settings::from_pairs([
        ("PORT", "70000"),
        ("TASK_TIMEOUT", "soon"),
        ("DASHBOARD_ENABLED", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("HOST", "line\nbreak"),
    ])
    .unwrap_err();
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 6, "{shown:?}");
    assert!(shown.iter().all(|line| !line.contains('\n')));
    assert!(shown.contains(&"PORT: \"70000\" is refused, it must be a whole number from 0 to 65535".to_owned()));
    assert!(shown.contains(&"LOG_LEVEL: \"loud\" is refused, it must be error, warn, info, debug or trace".to_owned()));
    for variable in ["TASK_TIMEOUT", "DASHBOARD_ENABLED", "HOST", "LB_AUTH_KEY"] {
        assert!(problems.iter().any(|problem| problem.variable == variable), "{variable}");
    }
}

#[test]
fn intervals_of_nothing_are_refused_but_any_free_port_is_fine() {
    for variable in ["WORKER_DISCOVERY_INTERVAL", "WS_HEARTBEAT_INTERVAL", "TASK_TIMEOUT", "LEASE_MS", "TASK_ATTEMPTS"]
    {
        assert!(problem(&[(variable, "0")]).starts_with(variable));
    }
    assert_eq!(with(&[("PORT", "0")]).unwrap().server.port, 0);
}

#[test]
fn values_are_read_with_their_units() {
    let settings = with(&[
        ("TASK_TIMEOUT", "90s"),
        ("WORKER_DISCOVERY_INTERVAL", "250"),
        ("RETENTION", "7d"),
        ("REQUEST_BODY_LIMIT", "1.5MB"),
        ("BULL_BOARD_ENABLED", "off"),
        ("LOG_LEVEL", "DEBUG"),
        ("TEMPLATES_DIR", "pages"),
        ("POLICY", "native:peak-ewma"),
    ])
    .unwrap();
    assert_eq!(settings.tasks.timeout, Duration::from_secs(90));
    assert_eq!(settings.workers.discovery_interval, Duration::from_millis(250));
    assert_eq!(settings.tasks.retention, Duration::from_hours(168));
    assert_eq!(settings.server.request_body_limit, 1_572_864);
    assert!(!settings.dashboard.bull_board_enabled);
    assert_eq!(settings.logging.level, tracing::Level::DEBUG);
    assert_eq!(settings.dashboard.templates_dir.as_deref(), Some(Path::new("pages")));
    assert_eq!(settings.policy.choice, PolicyChoice::Native("peak-ewma".to_owned()));
}

#[test]
fn tasks_may_wait_as_long_as_they_are_kept_unless_told_otherwise() {
    assert_eq!(with(&[("RETENTION", "2h")]).unwrap().tasks.queue_ttl, Duration::from_hours(2));
    assert_eq!(with(&[("RETENTION", "2h"), ("QUEUE_TTL", "5m")]).unwrap().tasks.queue_ttl, Duration::from_mins(5));
    assert!(problem(&[("RETENTION", "never")]).starts_with("RETENTION"));
}

#[test]
fn queues_and_policies_of_other_versions_are_refused() {
    let shown = problem(&[("QUEUE", "kafka")]);
    assert_eq!(shown, "QUEUE: \"kafka\" is refused, it must be embedded, redis or memory");
    for policy in ["least-loaded", "wasm:", "wasm:../mine", "wasm:.hidden", "native:"] {
        assert!(problem(&[("POLICY", policy)]).contains("native:<name> or wasm:<name>"));
    }
}

#[test]
fn a_broken_file_is_a_problem() {
    let source = Source::from_pairs([("LB_AUTH_KEY", "key")]).with_dot_env("=45\n");
    let problems = Settings::load(&source).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].variable, ".env");
}

#[test]
fn whoever_says_where_a_redis_is_has_chosen_it() {
    let backend = |pairs: &[(&str, &str)]| with(pairs).unwrap().queue.backend;
    assert_eq!(backend(&[]), QueueBackend::Embedded);
    assert_eq!(backend(&[("REDIS_HOST", " "), ("REDIS_PORT", "6380")]), QueueBackend::Embedded);
    assert_eq!(backend(&[("REDIS_HOST", "redis")]), QueueBackend::Redis);
    assert_eq!(backend(&[("REDIS_URL", "redis://localhost")]), QueueBackend::Redis);
    assert_eq!(backend(&[("REDIS_HOST", "redis"), ("QUEUE", "memory")]), QueueBackend::Memory);
    assert_eq!(backend(&[("REDIS_URL", "redis://localhost"), ("QUEUE", "embedded")]), QueueBackend::Embedded);
}

#[test]
fn an_env_file_of_the_original_chooses_redis_and_is_shown_so() {
    let source = Source::default().with_dot_env("LB_AUTH_KEY=key\nREDIS_HOST=redis\nREDIS_PORT=6379\n");
    assert_eq!(Settings::load(&source).unwrap().settings.queue.backend, QueueBackend::Redis);
    assert_eq!(warnings(&source), [] as [&str; 0]);
    let effective = Effective::of(&source);
    let queue = effective.settings().iter().find(|setting| setting.name == "QUEUE").unwrap();
    assert_eq!((queue.value.as_str(), queue.origin), ("redis", Origin::Default));
}

#[test]
fn a_port_or_password_of_a_redis_alone_is_warned_of() {
    let source = Source::default().with_dot_env("LB_AUTH_KEY=key\nREDIS_PORT=6379\n");
    assert_eq!(warnings(&source), ["REDIS_PORT: ignored without REDIS_HOST, REDIS_URL or QUEUE=redis"]);
    let chosen = Source::from_pairs([("LB_AUTH_KEY", "key"), ("REDIS_PORT", "6379"), ("QUEUE", "memory")]);
    assert_eq!(warnings(&chosen), [] as [&str; 0]);
}

#[test]
fn unknown_names_are_warned_of_in_the_file_only() {
    let source = Source::from_pairs([("LB_AUTH_KEY", "key"), ("TASK_TIMOUT", "1")])
        .with_dot_env("WORKER_FILE=a.json\ntask_attempts=2\nCOMPOSE_PROJECT_NAME=andera\nPORT=5\n");
    assert_eq!(
        warnings(&source),
        [
            "COMPOSE_PROJECT_NAME: unknown variable in .env",
            "WORKER_FILE: unknown variable in .env, did you mean WORKERS_FILE?",
            "task_attempts: unknown variable in .env, did you mean TASK_ATTEMPTS?",
        ]
    );
}

#[test]
fn the_key_of_the_example_is_warned_of() {
    let source = Source::from_pairs([("LB_AUTH_KEY", "change-me")]);
    assert_eq!(warnings(&source), ["LB_AUTH_KEY: still the value of .env.example"]);
}

#[test]
fn the_debug_form_of_settings_hides_secrets() {
    let settings = with(&[("LB_AUTH_KEY", "hush"), ("LB_AUTH_KEY_PREVIOUS", "hush-too")]).unwrap();
    assert!(!format!("{settings:?}").contains("hush"));
}
