//! The WebSocket port: a report every second, and after a ping.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::header::SEC_WEBSOCKET_PROTOCOL;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::{ROUND, Worker};
use crate::programs::BALANCER_KEY;

/// Buffers of a connection: there may be thousands, and frames are short.
const BUFFER: usize = 1024;

pub(super) async fn serve(worker: Arc<Worker>, stream: TcpStream) {
    // `None`: the balancer has gone.
    let _ = talk(&worker, stream).await;
}

async fn talk(worker: &Worker, stream: TcpStream) -> Option<()> {
    let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
    let mut socket = accept_hdr_async_with_config(stream, echo, Some(config)).await.ok()?;
    let mut rounds = interval_at(Instant::now() + until_next(worker), ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = rounds.tick() => {}
            message = socket.next() => match message?.ok()? {
                Message::Text(text) if text.as_str() == "ping" => {}
                _ => continue,
            },
        }
        socket.send(Message::text(format!("{{{}}}", worker.report()))).await.ok()?;
    }
}

/// The sub-protocol is the balancer's key.
#[expect(clippy::result_large_err, reason = "the type is the library's")]
fn echo(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    match request.headers().get(SEC_WEBSOCKET_PROTOCOL) {
        Some(protocol) if protocol == BALANCER_KEY => {
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
            Ok(response)
        }
        _ => {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = StatusCode::UNAUTHORIZED;
            Err(refusal)
        }
    }
}

/// How long it is to its moment within the round: all sockets are opened at nearly the same time, and must not report so.
fn until_next(worker: &Worker) -> Duration {
    let within = Duration::from_nanos(worker.started.elapsed().subsec_nanos().into());
    worker.phase.checked_sub(within).unwrap_or((worker.phase + ROUND).saturating_sub(within))
}
