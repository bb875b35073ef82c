//! The endpoints of the main port.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::body::{Answer, Served, json, json_of};
use super::refusal::Refusal;
use super::worker::Worker;
use super::{listener, run};

/// Connections at a time; the next ones wait to be accepted.
const MAX_CONNECTIONS: usize = 16_384;

/// Serves connections until `shutdown`; each is left to end what it is at.
pub(super) async fn serve(worker: &Arc<Worker>, listener: &TcpListener, shutdown: &CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((stream, place)) = shutdown.run_until_cancelled(listener::accept(listener, &places)).await {
        // A token of its own: all connections looking at one would contend for it.
        let (connected, shutdown) = (Arc::clone(worker), shutdown.child_token());
        worker.spawn(async move {
            connection(connected, stream, shutdown).await;
            drop(place);
        });
    }
}

async fn connection(worker: Arc<Worker>, stream: TcpStream, shutdown: CancellationToken) {
    let service = service_fn(move |request| {
        let worker = Arc::clone(&worker);
        async move { Served::Ok(answer(&worker, request).await) }
    });
    let mut connection = std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "sample worker: connection ended");
    }
}

async fn answer(worker: &Arc<Worker>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    match (request.method(), path.strip_suffix('/').unwrap_or(path)) {
        (&Method::POST, "/task") => run::task(worker, request).await,
        (&Method::GET, "/health") if worker.keys.balancer_is_in(request.headers()) => ok(worker.health()),
        (&Method::GET, "/health") => ok(worker.public_health()),
        (&Method::GET, "/logs") => logs(worker, &request),
        (&Method::POST, "/on") => switch(worker, &request, false),
        (&Method::POST, "/off") => switch(worker, &request, true),
        _ => json_of(StatusCode::NOT_FOUND, &json!({"error": "Not found"})),
    }
}

fn ok(body: Bytes) -> Answer {
    json(StatusCode::OK, body)
}

fn logs(worker: &Worker, request: &Request<Incoming>) -> Answer {
    #[derive(Serialize)]
    struct Lines {
        logs: Vec<String>,
    }
    if !worker.keys.balancer_is_in(request.headers()) {
        return Refusal::Unauthorized.answer();
    }
    json_of(StatusCode::OK, &Lines { logs: worker.logs.lines() })
}

fn switch(worker: &Worker, request: &Request<Incoming>, maintenance: bool) -> Answer {
    if !worker.keys.worker_is_in(request.headers()) {
        return Refusal::Unauthorized.answer();
    }
    worker.set_maintenance(maintenance);
    ok(worker.public_health())
}
