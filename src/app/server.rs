//! The HTTP server: accepts connections, limits them, and ends in good order.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::leftover::Leftovers;
use crate::api::normalize_path;
use crate::telemetry::{Metrics, RouteMetrics};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection without a request may still bring one when the server closes: its client has begun before it could know.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// After a failed accept (too many open files, say), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The HTTP server.
pub(super) struct Server {
    shared: Arc<Shared>,
    max_connections: usize,
}

struct Shared {
    router: Router,
    leftovers: Leftovers,
    task: RouteMetrics,
    other: RouteMetrics,
}

impl Server {
    pub(super) fn new(router: Router, metrics: &Metrics, max_connections: usize) -> Self {
        let leftovers = Leftovers::default();
        let shared = Shared { router, leftovers, task: metrics.route("/task"), other: metrics.route("other") };
        Self { shared: Arc::new(shared), max_connections }
    }

    /// Accepts connections until `closing`, then lets requests under way finish; what is left at `cut_off` is dropped.
    pub(super) async fn serve(self, listener: TcpListener, closing: CancellationToken, cut_off: CancellationToken) {
        let connections = TaskTracker::new();
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
            self.converse(&connections, place, stream, peer, &closing, &cut_off);
        }
        accept_the_last(listener, &room, |place, stream, peer| {
            self.converse(&connections, place, stream, peer, &closing, &cut_off);
        });
        connections.close();
        connections.wait().await;
        self.shared.leftovers.finished().await;
    }

    fn converse(
        &self,
        connections: &TaskTracker,
        place: OwnedSemaphorePermit,
        stream: TcpStream,
        peer: SocketAddr,
        closing: &CancellationToken,
        cut_off: &CancellationToken,
    ) {
        let (shared, closing, cut_off) = (Arc::clone(&self.shared), closing.clone(), cut_off.clone());
        connections.spawn(async move {
            cut_off.run_until_cancelled(converse(stream, peer, shared, closing)).await;
            drop(place);
        });
    }
}

/// Who has connected by now is told, too. The system itself is asked: the runtime need not have heard of them yet.
fn accept_the_last(
    listener: TcpListener,
    room: &Arc<Semaphore>,
    converse: impl Fn(OwnedSemaphorePermit, TcpStream, SocketAddr),
) {
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        let Ok(place) = Arc::clone(room).try_acquire_owned() else { return };
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            converse(place, stream, peer);
        }
    }
}

/// One connection, from its first request to its last.
async fn converse(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>, closing: CancellationToken) {
    // Small answers must not wait for an acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let asked = CancellationToken::new();
    let first = asked.clone();
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        first.cancel();
        request.extensions_mut().insert(ConnectInfo(peer));
        answer(Arc::clone(&shared), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let closed = async {
        closing.cancelled().await;
        // A connection that is shut down before its first request was read is cut, though that may be on its way.
        let _ = tokio::time::timeout(FIRST_REQUEST, asked.cancelled()).await;
    };
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = closed => connection.as_mut().graceful_shutdown(),
    }
    // What is left are requests under way: the drain ends them.
    let _ = connection.await;
}

async fn answer(shared: Arc<Shared>, mut request: http::Request<Incoming>) -> Result<http::Response<Body>, Infallible> {
    normalize_path(request.uri_mut());
    let metrics = if request.uri().path() == "/task" { &shared.task } else { &shared.other };
    let (request, leftover) = Leftovers::watch(request);
    let response = shared.router.clone().call(request).await?;
    if let Some(leftover) = leftover {
        shared.leftovers.read(&leftover);
    }
    metrics.answered(response.status().as_u16());
    Ok(response)
}
