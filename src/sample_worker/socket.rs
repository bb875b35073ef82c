//! The WebSocket port: reports to the balancers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::listener;
use super::worker::Worker;

/// Balancers at a time; the next ones wait to be accepted.
const MAX_CONNECTIONS: usize = 256;

/// How long a handshake, the sending of a frame or a farewell may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A balancer sends pings and nothing else.
const MAX_MESSAGE: usize = 64 * 1024;

/// Buffers of one connection: there may be thousands of workers in this process, and frames are short.
const BUFFER: usize = 4 * 1024;

const UNAUTHORIZED: CloseCode = CloseCode::Library(4001);

/// Serves balancers until `shutdown`.
pub(super) async fn serve(worker: &Arc<Worker>, listener: &TcpListener, shutdown: &CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Some((stream, place)) = shutdown.run_until_cancelled(listener::accept(listener, &places)).await {
        let (connected, shutdown) = (Arc::clone(worker), shutdown.child_token());
        worker.spawn(async move {
            balancer(&connected, stream, &shutdown).await;
            drop(place);
        });
    }
}

async fn balancer(worker: &Worker, stream: TcpStream, shutdown: &CancellationToken) {
    let Some((mut socket, authorized)) = handshake(worker, stream).await else { return };
    if !authorized {
        worker.logs.warn("WS", "Closed a connection with a wrong key");
        return close(&mut socket, UNAUTHORIZED, "Unauthorized").await;
    }
    worker.logs.info("WS", "A balancer has connected");
    if talk(worker, &mut socket, shutdown).await.is_some() {
        close(&mut socket, CloseCode::Away, "Shutting down").await;
    }
    worker.logs.info("WS", "A balancer has gone");
}

/// Accepts the connection and says whether the key is right. Any sub-protocol is echoed: clients give up without the echo, and
/// would not see the close code.
async fn handshake(worker: &Worker, stream: TcpStream) -> Option<(WebSocketStream<TcpStream>, bool)> {
    let mut authorized = false;
    #[expect(clippy::result_large_err, reason = "the type is the library's")]
    let echo = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        if let Some(protocol) = request.headers().get(SEC_WEBSOCKET_PROTOCOL) {
            authorized = worker.keys.is_balancer(protocol.as_bytes());
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        Ok(response)
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    let accepted = tokio_tungstenite::accept_hdr_async_with_config(stream, echo, Some(config));
    match tokio::time::timeout(PATIENCE, accepted).await {
        Ok(Ok(socket)) => Some((socket, authorized)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "sample worker: WebSocket handshake failed");
            None
        }
        Err(_) => None,
    }
}

/// Reports and answers pings. `None` when the balancer has gone, something when the worker stops.
async fn talk(worker: &Worker, socket: &mut WebSocketStream<TcpStream>, shutdown: &CancellationToken) -> Option<()> {
    let mut reports = worker.reports.subscribe();
    loop {
        let frame: Utf8Bytes = tokio::select! {
            () = shutdown.cancelled() => return Some(()),
            changed = reports.changed() => {
                changed.ok()?;
                reports.borrow_and_update().clone()
            }
            message = socket.next() => match message?.ok()? {
                Message::Text(text) if text.as_str() == "ping" => worker.pong(),
                _ => continue,
            },
        };
        tokio::time::timeout(PATIENCE, socket.send(Message::Text(frame))).await.ok()?.ok()?;
    }
}

async fn close(socket: &mut WebSocketStream<TcpStream>, code: CloseCode, reason: &'static str) {
    let farewell = async {
        socket.close(Some(CloseFrame { code, reason: reason.into() })).await.ok()?;
        // The other side's own close frame ends it properly.
        while socket.next().await?.is_ok() {}
        Some(())
    };
    // Whoever does not say good-bye is left all the same.
    drop(tokio::time::timeout(PATIENCE, farewell).await);
}
