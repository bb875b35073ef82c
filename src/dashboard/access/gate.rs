//! The gate itself: before pages, and before what pages ask for.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use http::Method;
use url::form_urlencoded;

use super::session::same;
use super::{Access, Visitor};
use crate::api::ApiError;
use crate::task::ErrorCode;

/// Where the pages carry their token.
const CSRF: &str = "x-csrf-token";

/// Lets nobody see a page without key or session: they are sent to the login, and from there back.
pub(in crate::dashboard) async fn require_for_page(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(visitor) = access.visitor(request.headers()) else {
        let wanted = if request.method() == Method::GET { request.uri().path_and_query() } else { None };
        return to_login(wanted.map_or("", |wanted| wanted.as_str())).into_response();
    };
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// Lets nobody have what pages ask for without key or session, and nobody act who may not: read-only sessions, and pages of others.
pub(in crate::dashboard) async fn require_for_data(
    State(access): State<Access>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let visitor =
        access.visitor(request.headers()).ok_or_else(|| ApiError::new(ErrorCode::Unauthorized, "Unauthorized"))?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        may_act(&visitor, request.headers())?;
    }
    request.extensions_mut().insert(visitor);
    Ok(next.run(request).await)
}

fn may_act(visitor: &Visitor, headers: &HeaderMap) -> Result<(), ApiError> {
    if !visitor.may_act() {
        return Err(ApiError::new(ErrorCode::Forbidden, "This session may look but not act"));
    }
    is_from_page(visitor, headers)
}

/// Whether an action carries what it has to.
pub(in crate::dashboard) fn is_from_page(visitor: &Visitor, headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(CSRF).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if visitor.csrf.as_ref().is_some_and(|token| !same(token, given)) {
        return Err(ApiError::new(ErrorCode::Forbidden, "The page is out of date: load it again"));
    }
    Ok(())
}

/// The way to the login, and on from there.
pub(super) fn to_login(wanted: &str) -> Redirect {
    match wanted {
        "" | "/dashboard" => Redirect::to("/dashboard/login"),
        wanted => {
            let next: String = form_urlencoded::byte_serialize(wanted.as_bytes()).collect();
            Redirect::to(&format!("/dashboard/login?next={next}"))
        }
    }
}
