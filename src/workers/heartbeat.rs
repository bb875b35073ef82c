//! The WebSocket to one worker: pings one way, status and slots the other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};

use super::health::read_frame;
use super::member::Member;
use super::registry::Shared;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The longest message a worker may send, in bytes.
const MESSAGE_MAX_BYTES: usize = 1 << 20;
/// Buffers of one connection: there may be thousands, and status frames are short.
const BUFFER_BYTES: usize = 4 << 10;
/// The code by which a worker refuses the key.
const REFUSED: u16 = 4001;
/// The pause after the first connection that did not last.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two attempts to connect.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How long saying goodbye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(200);

/// How a connection ended.
enum Ending {
    /// The worker has left the list, or the balancer stops.
    Stopped,
    /// The worker's WebSocket is elsewhere now, or not wanted.
    Moved,
    /// The worker does not take the key.
    Refused,
    /// It broke, was closed, or did not answer; why.
    Lost(String),
}

/// Keeps a WebSocket open to one worker whenever there should be one, until the worker is gone.
pub(super) async fn beat(shared: &Shared, member: &Arc<Member>) {
    let mut ports = member.socket_port();
    // Connections in a row that did not last.
    let mut short_lived = 0_u32;
    let mut warned = false;
    loop {
        let wanted = async { ports.wait_for(Option::is_some).await.ok().and_then(|port| *port) };
        let Some(Some(port)) = member.gone.run_until_cancelled(wanted).await else { return };
        if short_lived > 0 {
            if member.gone.run_until_cancelled(sleep(pause(short_lived))).await.is_none() {
                return;
            }
            if *ports.borrow() != Some(port) {
                continue;
            }
        }
        let connecting = timeout(shared.settings.heartbeat_timeout, connect(shared, member, port));
        // On the heap, and gone again once it is connected: it is large, and there may be thousands.
        let connecting = Box::pin(connecting);
        let mut socket = match member.gone.run_until_cancelled(connecting).await {
            None => return,
            Some(Ok(Ok(socket))) => socket,
            Some(failed) => {
                let reason =
                    if let Ok(Err(error)) = failed { error.to_string() } else { "no answer in time".to_owned() };
                short_lived = short_lived.saturating_add(1);
                warn_unusable(member, &mut warned, &reason);
                continue;
            }
        };
        let opened = Instant::now();
        let ending = exchange(shared, member, &mut socket, &mut ports, port).await;
        let lasted = opened.elapsed() >= shared.settings.heartbeat_interval + shared.settings.heartbeat_timeout;
        short_lived = if lasted { 0 } else { short_lived.saturating_add(1) };
        match ending {
            Ending::Stopped => {
                goodbye(socket).await;
                return;
            }
            Ending::Moved => {
                shared.follow_up(member, &member.socket_closed(&shared.slots));
                goodbye(socket).await;
            }
            Ending::Refused => shared.follow_up(member, &member.socket_refused(&shared.slots)),
            Ending::Lost(reason) => {
                let (effect, was_live) = member.socket_lost(&shared.slots, &reason);
                shared.follow_up(member, &effect);
                if was_live {
                    shared.metrics.heartbeat_lost();
                    warned = false;
                } else {
                    warn_unusable(member, &mut warned, &reason);
                }
            }
        }
    }
}

async fn connect(shared: &Shared, member: &Arc<Member>, port: u16) -> Result<Socket, Error> {
    let scheme = if member.address.is_tls() { "wss" } else { "ws" };
    let mut request = format!("{scheme}://{}:{port}/", member.address.host()).into_client_request()?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, shared.transport.lb_key().clone());
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(16 * BUFFER_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES));
    let connector = Connector::Rustls(shared.transport.tls().clone());
    let (socket, _) = connect_async_tls_with_config(request, Some(config), true, Some(connector)).await?;
    Ok(socket)
}

/// Pings and listens until the connection ends.
async fn exchange(
    shared: &Shared,
    member: &Arc<Member>,
    socket: &mut Socket,
    ports: &mut watch::Receiver<Option<u16>>,
    port: u16,
) -> Ending {
    let patience = shared.settings.heartbeat_timeout;
    let mut pings = interval(shared.settings.heartbeat_interval);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // When the oldest unanswered ping must have been answered.
    let mut due: Option<Instant> = None;
    loop {
        tokio::select! {
            // Frames before the deadline: an answer that lies there already counts.
            biased;
            () = member.gone.cancelled() => return Ending::Stopped,
            _ = ports.changed() => {
                if *ports.borrow_and_update() != Some(port) {
                    return Ending::Moved;
                }
            }
            _ = pings.tick() => {
                due.get_or_insert_with(|| Instant::now() + patience);
                let ping = socket.send(Message::Text(Utf8Bytes::from_static("ping")));
                match timeout(patience, ping).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Ending::Lost(broken(&error)),
                    Err(_) => return silent(patience),
                }
            }
            message = socket.next() => match message {
                None => return Ending::Lost("the worker closed its WebSocket".into()),
                Some(Err(error)) => return Ending::Lost(broken(&error)),
                Some(Ok(Message::Close(frame))) => return match frame {
                    Some(frame) if u16::from(frame.code) == REFUSED => Ending::Refused,
                    _ => Ending::Lost("the worker closed its WebSocket".into()),
                },
                Some(Ok(message)) => {
                    due = None;
                    let vitals = message.to_text().ok().filter(|_| message.is_text()).and_then(read_frame);
                    shared.follow_up(member, &member.heard(&shared.slots, vitals));
                }
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => return silent(patience),
        }
    }
}

fn silent(patience: Duration) -> Ending {
    Ending::Lost(format!("the worker's WebSocket did not answer within {} ms", patience.as_millis()))
}

fn broken(error: &Error) -> String {
    format!("the worker's WebSocket broke: {error}")
}

async fn goodbye(mut socket: Socket) {
    // A worker that does not listen is left without a word.
    let _ = timeout(CLOSE_TIMEOUT, socket.close(None)).await;
}

fn warn_unusable(member: &Arc<Member>, warned: &mut bool, reason: &str) {
    if !std::mem::replace(warned, true) {
        tracing::warn!(worker = %member.address, reason, "no WebSocket to the worker: its health checks alone count");
    }
}

/// The pause before the next attempt to connect.
fn pause(short_lived: u32) -> Duration {
    let pause = RECONNECT_PAUSE * 2_u32.pow(short_lived.saturating_sub(1).min(16));
    pause.min(RECONNECT_PAUSE_MAX).mul_f64(0.5 + 0.5 * fastrand::f64())
}
