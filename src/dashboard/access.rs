//! Who may see the pages, and who may act on them.
//!
//! Three ways in: the balancer's key in a header, as everywhere; a session, which somebody began with that key or with
//! `DASHBOARD_KEY` (who then sees everything and can change nothing); or nothing at all, with `DASHBOARD_AUTH=off`. The API itself
//! knows no sessions: what pages need of it stands once more below `/dashboard/api`, behind the gate here. So no cookie ever opens a
//! route that programs use, and one rule holds for every action of a page: it carries the session's token.

mod cookie;
mod gate;
mod headers;
mod login;
mod session;
mod throttle;

use std::sync::Arc;

use http::HeaderMap;
use subtle::ConstantTimeEq;

pub(super) use gate::{is_from_page, require_for_data, require_for_page};
pub(super) use headers::secure;
pub(super) use login::{log_in, log_out, show_login, show_session};
pub(super) use session::Role;

use self::session::Sessions;
use self::throttle::Throttle;
use crate::api::LbKey;
use crate::config::{DashboardSettings, Secret};
use crate::task::{Clock, Timestamp};

/// The gate of the pages. Clones are the same one.
#[derive(Clone)]
pub struct Access(Arc<Inner>);

struct Inner {
    key: LbKey,
    read_only_key: Option<Secret>,
    /// Whether anything is asked for at all.
    asks: bool,
    sessions: Sessions,
    throttle: Throttle,
}

/// The key that signs sessions could not be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot derive the key that signs sessions")]
pub struct DeriveError;

/// Somebody who may see the pages.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) role: Role,
    /// What an action of a page has to carry. `None` for programs: nobody can make them send a header.
    pub(super) csrf: Option<String>,
    /// The session, if there is one.
    pub(super) session: Option<Arc<str>>,
    /// When it ends.
    pub(super) expires_at: Option<Timestamp>,
}

impl Visitor {
    pub(super) fn may_act(&self) -> bool {
        self.role == Role::Full
    }
}

impl Access {
    /// The gate of these keys.
    pub fn new(key: LbKey, lb_key: &Secret, settings: &DashboardSettings, clock: Clock) -> Result<Self, DeriveError> {
        let sessions = Sessions::new(lb_key, settings.key.as_ref(), clock)?;
        let read_only_key = settings.key.clone();
        Ok(Self(Arc::new(Inner { key, read_only_key, asks: settings.auth, sessions, throttle: Throttle::default() })))
    }

    /// Who sends a request with these headers; `None` is somebody without key and session.
    pub(super) fn visitor(&self, headers: &HeaderMap) -> Option<Visitor> {
        if self.0.key.opens(headers) {
            return Some(Visitor { role: Role::Full, csrf: None, session: None, expires_at: None });
        }
        if !self.0.asks {
            let csrf = Some(self.0.sessions.csrf(""));
            return Some(Visitor { role: Role::Full, csrf, session: None, expires_at: None });
        }
        let token = cookie::session(headers)?;
        let session = self.0.sessions.check(token)?;
        let csrf = Some(self.0.sessions.csrf(token));
        Some(Visitor { role: session.role, csrf, session: Some(token.into()), expires_at: Some(session.expires_at) })
    }

    /// Whether a stream that this visitor opened may go on: a session may have ended meanwhile.
    pub(super) fn still_admits(&self, visitor: &Visitor) -> bool {
        visitor.session.as_deref().is_none_or(|token| self.0.sessions.check(token).is_some())
    }

    /// What a key opens. Both are compared whatever comes of the first, so that time tells nothing.
    fn role_of(&self, key: &str) -> Option<Role> {
        let full = self.0.key.is(key);
        let read_only = self.0.read_only_key.as_ref().map(|own| own.expose().as_bytes().ct_eq(key.as_bytes()));
        let read_only = read_only.is_some_and(bool::from);
        match (full, read_only) {
            (true, _) => Some(Role::Full),
            (false, true) => Some(Role::ReadOnly),
            (false, false) => None,
        }
    }
}
