//! The page of the policies. It asks for them itself, every few seconds.

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use minijinja::context;

use super::DashboardState;
use super::access::Visitor;
use super::pages::Page;
use crate::api::ApiError;

/// The page.
pub(super) async fn show(
    State(state): State<DashboardState>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Response, ApiError> {
    state.pages.page(Page::Policies, "policies.html", &visitor, context! { title => "Policies" })
}
