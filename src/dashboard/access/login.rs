//! Logging in and out.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use minijinja::context;
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::gate::to_login;
use super::session::same;
use super::{Role, Visitor, cookie};
use crate::api::ApiError;
use crate::dashboard::DashboardState;
use crate::task::ErrorCode;

/// A form of ours is never longer.
const MAX_FORM_BYTES: usize = 16 * 1024;
/// What the login's address may say.
#[derive(Debug, Default, Deserialize)]
pub(in crate::dashboard) struct Wanted {
    #[serde(default)]
    next: String,
}

/// The login. Who is logged in already goes on at once.
pub(in crate::dashboard) async fn show_login(
    State(state): State<DashboardState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let next = wanted.map(|Query(wanted)| wanted.next).unwrap_or_default();
    if state.access.visitor(&headers).is_some() {
        return Ok(Redirect::to(goal(&state, &next)).into_response());
    }
    page(&state, &next, None)
}

/// Takes a key, and begins a session if it is one of ours.
pub(in crate::dashboard) async fn log_in(
    State(state): State<DashboardState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    // A login that another site's page sends would be that site's session.
    let from = head.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if from.is_some_and(|from| !matches!(from, "same-origin" | "none")) {
        return Err(ApiError::new(ErrorCode::Forbidden, "The login was sent by another site"));
    }
    let form = form(body).await?;
    let next = field(&form, "next");
    let secure = cookie::is_secure(&head.headers);
    let key = field(&form, "key").trim();
    let role = match state.access.0.throttle.attempt(peer.ip(), || state.access.role_of(key)) {
        Err(wait) => {
            tracing::info!(address = %peer.ip(), "dashboard: another key so soon after wrong ones was not looked at");
            return too_soon(&state, next, wait);
        }
        Ok(None) => {
            tracing::warn!(address = %peer.ip(), "dashboard: wrong key");
            let message = "That is neither the balancer\u{2019}s key nor the read-only key.";
            return page(&state, next, Some((StatusCode::UNAUTHORIZED, message.to_owned())));
        }
        Ok(Some(role)) => role,
    };
    let token = state.access.0.sessions.begin(role);
    let cookie = token.and_then(|token| cookie::of_session(&token, secure));
    let cookie = cookie.ok_or_else(|| ApiError::new(ErrorCode::Internal, "No session can be begun"))?;
    tracing::info!(address = %peer.ip(), read_only = role == Role::ReadOnly, "dashboard: logged in");
    Ok(([(SET_COOKIE, cookie)], Redirect::to(goal(&state, next))).into_response())
}

/// Ends the session, here and in the browser.
pub(in crate::dashboard) async fn log_out(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let form = form(body).await?;
    if visitor.csrf.as_ref().is_some_and(|token| !same(token, field(&form, "csrf"))) {
        return Err(ApiError::new(ErrorCode::Forbidden, "The page is out of date: load it again"));
    }
    if let Some(session) = &visitor.session {
        state.access.0.sessions.end(session);
    }
    let mut response = to_login("").into_response();
    if let Some(cookie) = cookie::of_none(cookie::is_secure(&head.headers)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Who asks, and until when.
pub(in crate::dashboard) async fn show_session(Extension(visitor): Extension<Visitor>) -> Json<Value> {
    Json(json!({ "readOnly": !visitor.may_act(), "expiresAt": visitor.expires_at }))
}

fn page(state: &DashboardState, next: &str, problem: Option<(StatusCode, String)>) -> Result<Response, ApiError> {
    let (status, message) = problem.unzip();
    let next = if next.is_empty() { "" } else { goal(state, next) };
    let page = state.pages.render("login.html", context! { next, message, ..state.pages.basics() })?;
    Ok((status.unwrap_or(StatusCode::OK), page).into_response())
}

fn too_soon(state: &DashboardState, next: &str, wait: Duration) -> Result<Response, ApiError> {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    let unit = if seconds == 1 { "second" } else { "seconds" };
    let message = format!("Too many wrong keys. Try again in {seconds} {unit}.");
    let mut response = page(state, next, Some((StatusCode::TOO_MANY_REQUESTS, message)))?;
    if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    Ok(response)
}

async fn form(body: Body) -> Result<Vec<(String, String)>, ApiError> {
    let too_large = || ApiError::new(ErrorCode::BodyTooLarge, "The form is too large");
    let body = axum::body::to_bytes(body, MAX_FORM_BYTES).await.map_err(|_| too_large())?;
    Ok(form_urlencoded::parse(&body).into_owned().collect())
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
}

/// The page to go on to: the one that was wanted, or the first one there is.
fn goal<'a>(state: &DashboardState, next: &'a str) -> &'a str {
    let (dashboard, bull) = state.pages.served();
    let served = |(path, is_served): (&'static str, bool)| is_served.then_some(path);
    let mut ours = [("/dashboard", dashboard), ("/bull", bull)].into_iter().filter_map(served);
    if ours.any(|path| is_below(next, path)) { next } else { state.pages.home().unwrap_or("/") }
}

/// Whether that is a page below this one, written so that no browser takes it for anything else.
fn is_below(next: &str, path: &str) -> bool {
    let below = next.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && !next.contains("//");
    below && plain && !next.contains("..")
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn nobody_is_sent_elsewhere_after_the_login() {
        for ours in ["/dashboard", "/dashboard/workers?status=ready", "/dashboard/queue/a%2Fb"] {
            assert!(is_below(ours, "/dashboard"), "{ours}");
        }
        for other in [
            "",
            "/",
            "/bull",
            "//evil.example",
            "https://evil.example",
            "/dashboardx",
            "/dashboard//evil",
            "/dashboard/../logs",
            "/dashboard\\evil",
            "/dashboard\r\nSet-Cookie: a=b",
            "/task",
            "javascript:alert(1)",
        ] {
            assert!(!is_below(other, "/dashboard"), "{other}");
        }
    }
}
