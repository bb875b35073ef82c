//! The HTTP server: accepts connections, limits them, and ends in good order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::IntoResponse;
use http::Method;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tower::Service;

use super::connection::{Activity, converse};
use super::crew::Crew;
use super::leftover::Leftovers;
use crate::api::{self, ApiError, ApiState, normalize_path};
use crate::dispatch::Refusal;
use crate::telemetry::RouteMetrics;

/// After a failed accept (too many open files, say), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The HTTP server.
pub(super) struct Server {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    max_connections: usize,
}

struct Shared {
    api: ApiState,
    router: Router,
    /// Where everything but tasks is answered: a page may take long, and tasks on its thread are not to wait for it.
    elsewhere: Handle,
    leftovers: Leftovers,
    task: RouteMetrics,
    other: RouteMetrics,
}

/// What a connection needs to know of the server.
#[derive(Clone)]
struct Conditions {
    shared: Arc<Shared>,
    connections: TaskTracker,
    closing: CancellationToken,
    cut_off: CancellationToken,
}

impl Server {
    /// A server that answers from `router`, on the threads of `crew`; to be made within the runtime where other things than tasks
    /// are answered.
    pub(super) fn new(router: Router, api: ApiState, crew: Arc<Crew>, max_connections: usize) -> Self {
        let (task, other) = (api.metrics.route("/task"), api.metrics.route("other"));
        let (elsewhere, leftovers) = (Handle::current(), Leftovers::default());
        Self { shared: Arc::new(Shared { api, router, elsewhere, leftovers, task, other }), crew, max_connections }
    }

    /// Accepts connections until `closing`, then lets requests under way finish; what is left at `cut_off` is dropped.
    pub(super) async fn serve(self, listener: TcpListener, closing: CancellationToken, cut_off: CancellationToken) {
        let (connections, shared) = (TaskTracker::new(), Arc::clone(&self.shared));
        let conditions = Conditions { shared, connections: connections.clone(), closing: closing.clone(), cut_off };
        let room = Arc::new(Semaphore::new(self.max_connections));
        loop {
            // Without room the next client waits in the listener's backlog.
            let place = closing.run_until_cancelled(Arc::clone(&room).acquire_owned()).await;
            let Some(Ok(place)) = place else { break };
            let (stream, peer) = tokio::select! {
                biased;
                () = closing.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            self.converse(&conditions, place, stream, peer).await;
        }
        for (place, stream, peer) in the_last(listener, &room) {
            self.converse(&conditions, place, stream, peer).await;
        }
        connections.close();
        connections.wait().await;
        self.shared.leftovers.finished().await;
    }

    async fn converse(
        &self,
        conditions: &Conditions,
        place: OwnedSemaphorePermit,
        stream: TcpStream,
        peer: SocketAddr,
    ) {
        let Conditions { shared, connections, closing, cut_off } = conditions.clone();
        // Counted from here on, wherever it is.
        let counted = connections.token();
        let serve = move |stream, peer, seat| {
            connections.spawn(async move {
                converse(stream, closing, cut_off, |request, activity| answer(&shared, peer, request, activity)).await;
                drop((place, seat));
            });
            drop(counted);
        };
        self.crew.take(stream, peer, serve).await;
    }
}

/// Who has connected by now is told, too. The system itself is asked: the runtime need not have heard of them yet.
fn the_last(listener: TcpListener, room: &Arc<Semaphore>) -> Vec<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let mut last = Vec::new();
    let Ok(listener) = listener.into_std() else { return last };
    while let Ok((stream, peer)) = listener.accept() {
        let Ok(place) = Arc::clone(room).try_acquire_owned() else { break };
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            last.push((place, stream, peer));
        }
    }
    last
}

async fn answer(
    shared: &Shared,
    peer: SocketAddr,
    mut request: http::Request<Incoming>,
    activity: Arc<Activity>,
) -> http::Response<Body> {
    normalize_path(request.uri_mut());
    let (is_task, is_post) = (request.uri().path() == "/task", request.method() == Method::POST);
    let (mut request, leftover) = Leftovers::watch(request);
    let response = if is_task && is_post {
        // Boxed, since what a connection is at is moved about.
        Box::pin(api::post_task(&shared.api, request)).await
    } else {
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = AbortOnDropHandle::new(shared.elsewhere.spawn(shared.router.clone().call(request)));
        match response.await {
            Ok(Ok(response)) => response,
            // The runtime ends.
            Err(_) => ApiError::from(Refusal::shutting_down()).into_response(),
        }
    };
    if let Some(leftover) = leftover {
        shared.leftovers.read(&leftover, activity);
    }
    let metrics = if is_task { &shared.task } else { &shared.other };
    metrics.answered(response.status().as_u16());
    response
}
