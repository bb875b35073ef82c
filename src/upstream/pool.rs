//! Connections kept for the next task.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::DeliveryError;
use super::connection::{Connection, Connector, SendError};
use super::http::describe;
use crate::task::PerThread;

/// Node closes an idle connection after 5 s; one second less keeps requests off connections that are about to go.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Connections to workers, each kept for some seconds after its last request, for the thread that opened it: its runtime is the one
/// that hears of its answers, and would have to wake another thread for each.
pub(super) struct Pool {
    connector: Connector,
    origins: Mutex<HashMap<(bool, Authority), Arc<Origin>, RandomState>>,
}

/// A worker's address, as far as connections go.
struct Origin {
    host: HeaderValue,
    /// By thread; those in use least recently first.
    idle: PerThread<Mutex<Vec<Idle>>>,
}

/// Boxed, since it is handed on often and is large.
type Kept = Box<Connection>;

struct Idle {
    connection: Kept,
    since: Instant,
}

/// A connection on its way through one request. Dropped without [`Lent::give_back`] it is closed.
pub(super) struct Lent {
    connection: Kept,
    origin: Arc<Origin>,
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, origins: Mutex::default() }
    }

    /// Sends a request to where `uri` says, and waits for the head of the answer. Over a kept connection if there is one that has
    /// not been closed meanwhile.
    pub(super) async fn send(
        &self,
        uri: &Uri,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Lent), DeliveryError> {
        let origin = self.origin(uri)?;
        request.headers_mut().insert(HOST, origin.host.clone());
        let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        *request.uri_mut() = Uri::from(path);
        while let Some(mut connection) = origin.take() {
            match connection.send(request).await {
                Ok(response) => return Ok((response, Lent { connection, origin })),
                Err(SendError::Unsent(back)) => request = *back,
                Err(SendError::Broken(error)) => return Err(DeliveryError::Broken(describe(&error))),
            }
        }
        let opened = Box::pin(Connection::open(&self.connector, uri)).await;
        let mut connection = Box::new(opened.map_err(|error| DeliveryError::Connect(describe(&*error)))?);
        match connection.send(request).await {
            Ok(response) => Ok((response, Lent { connection, origin })),
            Err(SendError::Unsent(_)) => Err(DeliveryError::Connect("closed before the request was sent".to_owned())),
            Err(SendError::Broken(error)) => Err(DeliveryError::Broken(describe(&error))),
        }
    }

    fn origin(&self, uri: &Uri) -> Result<Arc<Origin>, DeliveryError> {
        let authority = uri.authority().ok_or_else(|| DeliveryError::Connect(format!("{uri} names no host")))?;
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        match self.origins.lock().entry((secure, authority.clone())) {
            Entry::Occupied(origin) => Ok(Arc::clone(origin.get())),
            Entry::Vacant(place) => {
                let host = host(authority, secure).map_err(|error| DeliveryError::Connect(error.to_string()))?;
                Ok(Arc::clone(place.insert(Arc::new(Origin { host, idle: PerThread::default() }))))
            }
        }
    }

    /// Closes what has been idle for too long, and forgets workers without a connection.
    pub(super) fn tidy(&self) {
        let mut closed = Vec::new();
        self.origins.lock().retain(|_, origin| {
            let mut in_use = Arc::strong_count(origin) > 1;
            for idle in origin.idle.all() {
                let mut idle = idle.lock();
                let stale = idle.iter().take_while(|idle| idle.is_stale()).count();
                closed.extend(idle.drain(..stale));
                in_use |= !idle.is_empty();
            }
            in_use
        });
        // Sockets are closed with no lock held.
        drop(closed);
    }

    /// Looks after idle connections for as long as it is polled.
    pub(super) async fn keep_tidy(&self) {
        let mut ticks = tokio::time::interval(IDLE_TIMEOUT / 2);
        loop {
            ticks.tick().await;
            self.tidy();
        }
    }
}

impl Origin {
    /// The connection that was in use last, as it is the least likely to be closed soon.
    fn take(&self) -> Option<Kept> {
        loop {
            let mut idle = self.idle.own().lock().pop()?;
            if !idle.is_stale() && idle.connection.is_free() {
                return Some(idle.connection);
            }
        }
    }
}

impl Idle {
    fn is_stale(&self) -> bool {
        self.since.elapsed() >= IDLE_TIMEOUT
    }
}

impl Lent {
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// For the next request, if it can carry one.
    pub(super) fn give_back(mut self) {
        if self.connection.is_free() {
            let idle = Idle { connection: self.connection, since: Instant::now() };
            self.origin.idle.own().lock().push(idle);
        }
    }
}

/// The value of `host`: without the default port (RFC 9110, 7.2), and without a user.
fn host(authority: &Authority, secure: bool) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    match authority.port_u16() {
        Some(port) if port != if secure { 443 } else { 80 } => {
            HeaderValue::from_str(&format!("{}:{port}", authority.host()))
        }
        _ => HeaderValue::from_str(authority.host()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_port_is_not_named() {
        let named = |authority: &str, secure| host(&authority.parse().unwrap(), secure).unwrap();
        assert_eq!(named("a.example:80", false), "a.example");
        assert_eq!(named("a.example:80", true), "a.example:80");
        assert_eq!(named("[::1]:443", true), "[::1]");
        assert_eq!(named("user@a.example:8080", false), "a.example:8080");
    }
}
