//! Who may see the pages, and who may act.

use reqwest::Method;

use super::session::{Session, client, hand_in};
use crate::harness::{Answer, LB_KEY, TestApp};

const READ_ONLY_KEY: &str = "read-only-key-of-the-tests";
const PAGES: [&str; 7] = [
    "/dashboard",
    "/dashboard/workers",
    "/dashboard/workers/aHR0cDovL2g",
    "/dashboard/logs?level=warn&q=a%20b",
    "/dashboard/tasks?state=failed",
    "/dashboard/tasks/new",
    "/dashboard/tasks/018c0000-0000-7000-8000-000000000000",
];
const DATA: [&str; 10] = [
    "/dashboard/api/workers",
    "/dashboard/api/workers/aHR0cDovL2g/logs",
    "/dashboard/api/live?of=overview",
    "/dashboard/api/history?range=5m",
    "/dashboard/api/session",
    "/dashboard/api/tasks",
    "/dashboard/api/tasks/export?format=csv",
    "/dashboard/api/tasks/018c0000-0000-7000-8000-000000000000/sent",
    "/dashboard/api/events",
    "/dashboard/api/lanes",
];
const PAUSE: &str = "/dashboard/api/lanes/default/1/pause";

async fn without_key(app: &TestApp, path: &str) -> Answer {
    Answer::of(client().get(format!("{}{path}", app.url)).send().await.unwrap()).await
}

fn is_secured(answer: &Answer, path: &str) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
    for (name, value) in
        [("x-frame-options", "DENY"), ("x-content-type-options", "nosniff"), ("referrer-policy", "same-origin")]
    {
        assert_eq!(answer.header(name), Some(value), "{path}");
    }
}

#[tokio::test]
async fn without_a_session_pages_lead_to_the_login_and_data_is_refused() {
    let app = TestApp::start_for(&[], &[]).await;
    for path in PAGES {
        let answer = without_key(&app, path).await;
        let location = answer.header("location").unwrap_or_default();
        assert!(answer.status == 303 && location.starts_with("/dashboard/login"), "{path}: {answer:?}");
        is_secured(&answer, path);
    }
    let back = without_key(&app, PAGES[3]).await;
    assert_eq!(back.header("location"), Some("/dashboard/login?next=%2Fdashboard%2Flogs%3Flevel%3Dwarn%26q%3Da%2520b"));
    for path in DATA {
        let answer = without_key(&app, path).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unauthorized")), "{path}");
        is_secured(&answer, path);
    }
    let login = without_key(&app, "/dashboard/login").await;
    assert_eq!(login.status, 200);
    is_secured(&login, "login");
}

#[tokio::test]
async fn either_key_begins_a_session_and_a_wrong_one_does_not() {
    let app = TestApp::start_for(&[], &[("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    for key in [LB_KEY, READ_ONLY_KEY] {
        let session = Session::begin(&app, key).await;
        for path in
            ["/dashboard", "/dashboard/workers", "/dashboard/logs", "/dashboard/api/workers", "/dashboard/api/tasks"]
        {
            let answer = session.get(path).await;
            assert_eq!(answer.status, 200, "{path}");
            is_secured(&answer, path);
            assert!(!answer.text().contains(LB_KEY) && !answer.text().contains(READ_ONLY_KEY), "{path} shows a key");
        }
        assert_eq!(
            session.get("/dashboard/login?next=/dashboard/logs").await.header("location"),
            Some("/dashboard/logs")
        );
        // A session is for the pages: the interface of programs knows none.
        assert_eq!(session.get("/tasks").await.status, 401);
    }
    let wrong = hand_in(&app, "wrong", &[]).await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, None));
    assert!(wrong.text().contains("neither"), "{}", wrong.text());
    is_secured(&wrong, "wrong key");
    for line in app.lines() {
        assert!(!line.contains(LB_KEY) && !line.contains(READ_ONLY_KEY), "{line}");
    }
}

#[tokio::test]
async fn the_cookie_is_for_this_site_and_no_script_and_for_https_where_there_is_https() {
    let app = TestApp::start_for(&[], &[]).await;
    let plain = hand_in(&app, LB_KEY, &[]).await;
    let cookie = plain.header("set-cookie").unwrap();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains(LB_KEY), "{cookie}");
    let https = hand_in(&app, LB_KEY, &[("x-forwarded-proto", "https")]).await;
    assert!(https.header("set-cookie").unwrap().ends_with("; Secure"));
    let foreign = hand_in(&app, LB_KEY, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!((foreign.status, foreign.header("set-cookie")), (403, None));
}

#[tokio::test]
async fn an_action_needs_the_token_of_its_page_and_a_session_that_may_act() {
    let app = TestApp::start_for(&[], &[("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    let (full, other) = (Session::begin(&app, LB_KEY).await, Session::begin(&app, LB_KEY).await);
    let bare = Answer::of(full.request(Method::POST, PAUSE).send().await.unwrap()).await;
    assert_eq!((bare.status, bare.json()["code"].as_str()), (403, Some("forbidden")));
    let foreign = full.request(Method::POST, PAUSE).header("x-csrf-token", &other.csrf);
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);
    assert_eq!(full.act(PAUSE).await.json()["paused"], true);
    let read_only = Session::begin(&app, READ_ONLY_KEY).await;
    let refused = read_only.act("/dashboard/api/lanes/default/1/resume").await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("forbidden")));
    assert_eq!(app.get("/lanes").await.json()[0]["paused"], true);
    // A program with the key needs no token: nobody can make it send its header.
    let program = app.request("POST", "/dashboard/api/lanes/default/1/resume").send().await.unwrap();
    assert_eq!(program.status().as_u16(), 200);
}

#[tokio::test]
async fn who_logs_out_is_out_with_the_same_cookie_too() {
    let app = TestApp::start_for(&[], &[]).await;
    let session = Session::begin(&app, LB_KEY).await;
    let log_out = |csrf: &str| session.request(Method::POST, "/dashboard/logout").body(format!("csrf={csrf}")).send();
    assert_eq!(log_out("wrong").await.unwrap().status().as_u16(), 403);
    assert_eq!(session.get("/dashboard").await.status, 200);
    let out = Answer::of(log_out(&session.csrf).await.unwrap()).await;
    assert_eq!((out.status, out.header("location")), (303, Some("/dashboard/login")));
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(session.get("/dashboard").await.status, 303);
    assert_eq!(session.get("/dashboard/api/workers").await.status, 401);
}

#[tokio::test]
async fn sessions_outlive_a_restart_but_no_change_of_a_key() {
    let mut app = TestApp::start_for(&[], &[("DASHBOARD_KEY", READ_ONLY_KEY)]).await;
    let session = Session::begin(&app, READ_ONLY_KEY).await;
    let status = async |app: &TestApp| {
        let request = client().get(format!("{}/dashboard", app.url)).header("cookie", &session.cookie);
        request.send().await.unwrap().status().as_u16()
    };
    app.kill().await;
    app.restart().await;
    assert_eq!(status(&app).await, 200);
    app.kill().await;
    app.restart_with(&[("DASHBOARD_KEY", "another")]).await;
    assert_eq!(status(&app).await, 303);
}

#[tokio::test]
async fn wrong_keys_cost_time_and_the_right_one_with_them() {
    let app = TestApp::start_for(&[], &[]).await;
    let mut refused = None;
    for _ in 0..10 {
        let answer = hand_in(&app, "wrong", &[]).await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let refused = refused.expect("it is slowed down");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && refused.text().contains("Try again in"), "{wait}");
}

#[tokio::test]
async fn without_access_control_everybody_may_and_is_warned_of_at_the_start() {
    let app = TestApp::start_for(&[], &[("DASHBOARD_AUTH", "off")]).await;
    app.prints("DASHBOARD_AUTH: off").await;
    for path in ["/dashboard", "/dashboard/api/workers", "/dashboard/api/tasks"] {
        assert_eq!(without_key(&app, path).await.status, 200, "{path}");
    }
    assert_eq!(without_key(&app, "/tasks").await.status, 401, "the API keeps its key");
    let forged = client().post(format!("{}{PAUSE}", app.url)).send().await.unwrap();
    assert_eq!(forged.status().as_u16(), 403, "a page of another site knows no token");
}

#[tokio::test]
async fn files_are_kept_by_browsers_for_good_under_a_name_that_changes_with_them() {
    let app = TestApp::start_for(&[], &[]).await;
    let login = without_key(&app, "/dashboard/login").await;
    let (_, rest) = login.text().split_once(r#"rel="stylesheet" href=""#).unwrap();
    let style = rest.split('"').next().unwrap();
    let answer = without_key(&app, style).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert!(answer.header("cache-control").unwrap().contains("immutable"));
    let outdated = without_key(&app, "/dashboard/assets/0123456789ab/app.css").await;
    assert_eq!((outdated.status, outdated.header("cache-control")), (200, Some("no-cache")));
    assert_eq!(without_key(&app, "/dashboard/assets/0123456789ab/none.css").await.status, 404);
}
