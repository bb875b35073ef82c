//! The connection to the server, its loss and return.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, OnceCell, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::steps::Scripts;
use crate::config::RedisSettings;
use crate::queue::QueueError;
use crate::task::PerThread;

/// How often the server is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_millis(250);
/// A server that has not answered for so long is shown as unreachable.
const PING_LIMIT: Duration = Duration::from_millis(600);
/// A connection that has not answered for so long is given up.
const GIVE_UP: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The address of the Redis is none.
#[derive(Debug, thiserror::Error)]
#[error("REDIS_URL is no address of a Redis: {0}")]
pub struct RedisAddressError(RedisError);

/// A connection.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) connection: MultiplexedConnection,
    /// Since when it is there.
    pub(super) since: Instant,
    /// Whether the server has taken our library of functions.
    pub(super) has_library: bool,
    lost: CancellationToken,
    own: Arc<OwnConnections>,
}

/// The connections of threads with a runtime of their own, opened when they first ask for something: so neither a command nor its
/// answer is handed from thread to thread. They are one with the connection they belong to: lost with it, and it with one of them.
type OwnConnections = PerThread<OnceCell<MultiplexedConnection>>;

impl Live {
    /// Every connection there is.
    fn all(&self) -> impl Iterator<Item = MultiplexedConnection> {
        self.own.all().filter_map(OnceCell::get).chain([&self.connection]).cloned()
    }

    async fn ping(&self) -> RedisResult<()> {
        let ping = async |mut connection| redis::cmd("PING").query_async::<()>(&mut connection).await;
        try_join_all(self.all().map(ping)).await.map(drop)
    }
}

/// No limits: a call may be a large one, and a connection that does not answer is noticed by the pings.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None)
}

/// The connection to the server, when there is one. [`Self::keep`] keeps it.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) scripts: Scripts,
    live: watch::Sender<Option<Live>>,
    /// How long a call waits for a connection.
    patience: Duration,
    /// Somebody has seen the connection break.
    doubt: Notify,
    answers: AtomicBool,
    /// Time does not pass by itself, so nothing has a limit.
    timeless: bool,
}

impl Link {
    pub(super) fn new(settings: &RedisSettings, timeless: bool) -> Result<Self, RedisAddressError> {
        Ok(Self {
            client: Client::open(settings.address().expose()).map_err(RedisAddressError)?,
            scripts: Scripts::new(),
            live: watch::Sender::new(None),
            patience: settings.wait,
            doubt: Notify::new(),
            answers: AtomicBool::new(false),
            timeless,
        })
    }

    /// The connection, waited for if there is none.
    pub(super) async fn live(&self) -> Result<Live, QueueError> {
        let mut watch = self.live.subscribe();
        let there = watch.wait_for(Option::is_some);
        let there = tokio::time::timeout(self.patience, there).await;
        let live = there.ok().and_then(Result::ok).and_then(|live| live.clone());
        live.ok_or_else(|| QueueError::Away("there is no connection to Redis".to_owned()))
    }

    /// The connection, if there is one and the server answers.
    pub(super) fn answering(&self) -> Option<Live> {
        self.answers.load(Ordering::Relaxed).then(|| self.live.borrow().clone()).flatten()
    }

    /// The connection for what this thread has to say.
    pub(super) async fn connection(&self, live: &Live) -> MultiplexedConnection {
        if self.timeless || Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread {
            return live.connection.clone();
        }
        let config = config();
        let open = || self.client.get_multiplexed_async_connection_with_config(&config);
        match timeout(CONNECT_LIMIT, live.own.own().get_or_try_init(open)).await {
            Ok(Ok(own)) => own.clone(),
            // The server may allow no more.
            Ok(Err(_)) | Err(_) => live.connection.clone(),
        }
    }

    /// The answer to something that was asked on a connection; an error once that is given up.
    pub(super) async fn hear<T>(
        &self,
        live: &Live,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, QueueError> {
        let answer = tokio::select! {
            biased;
            answer = answer => answer,
            () = live.lost.cancelled() => return Err(QueueError::Unavailable("the connection was lost".to_owned())),
        };
        answer.map_err(|error| {
            if error.is_io_error() || error.is_connection_dropped() {
                self.doubt.notify_one();
            }
            QueueError::Unavailable(error.to_string())
        })
    }

    /// Connects, and again whenever the connection is lost, until cancelled. `greet` is called with every new connection, before
    /// anybody else has it; one that it refuses is given up.
    pub(super) async fn keep<F: Future<Output = Result<(), QueueError>>>(
        &self,
        cancel: &CancellationToken,
        greet: impl Fn(Live) -> F,
    ) {
        let mut away: Option<Instant> = None;
        let mut pause = PAUSE;
        while !cancel.is_cancelled() {
            match self.connect(&greet).await {
                Ok(live) => {
                    if let Some(away) = away.take() {
                        let away_ms = u64::try_from(away.elapsed().as_millis()).unwrap_or(u64::MAX);
                        tracing::info!(away_ms, "Redis is back");
                    }
                    pause = PAUSE;
                    self.answers.store(true, Ordering::Relaxed);
                    self.live.send_replace(Some(live.clone()));
                    self.watch_over(&live, cancel).await;
                    if cancel.is_cancelled() {
                        // What is still to be settled after the end of all other work needs it.
                        return;
                    }
                    self.answers.store(false, Ordering::Relaxed);
                    self.live.send_replace(None);
                    live.lost.cancel();
                    away = Some(Instant::now());
                    tracing::error!("the connection to Redis is lost");
                }
                Err(error) => {
                    if away.is_none() {
                        away = Some(Instant::now());
                        tracing::error!(%error, "cannot connect to Redis; trying on");
                    }
                    let jitter = Duration::from_secs_f64(pause.as_secs_f64() * (0.5 + fastrand::f64() / 2.0));
                    let _ = tokio::time::timeout(jitter, cancel.cancelled()).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn connect<F: Future<Output = Result<(), QueueError>>>(
        &self,
        greet: &impl Fn(Live) -> F,
    ) -> Result<Live, QueueError> {
        let connect = async {
            let connection = self.client.get_multiplexed_async_connection_with_config(&config()).await;
            let connection = connection.map_err(|error| QueueError::Unavailable(error.to_string()))?;
            let has_library = self.scripts.load(&mut connection.clone()).await;
            let has_library = has_library.map_err(|error| QueueError::Unavailable(error.to_string()))?;
            let (lost, own) = (CancellationToken::new(), Arc::default());
            let live = Live { connection, since: Instant::now(), has_library, lost, own };
            greet(live.clone()).await?;
            Ok(live)
        };
        if self.timeless {
            return connect.await;
        }
        let slow = |_| QueueError::Unavailable("it takes too long".to_owned());
        tokio::time::timeout(CONNECT_LIMIT, connect).await.map_err(slow)?
    }

    /// Returns once the connection is lost.
    async fn watch_over(&self, live: &Live, cancel: &CancellationToken) {
        loop {
            let ping = live.ping();
            tokio::pin!(ping);
            let mut answer = if self.timeless {
                Some(ping.as_mut().await)
            } else {
                tokio::time::timeout(PING_LIMIT, ping.as_mut()).await.ok()
            };
            if answer.is_none() {
                self.answers.store(false, Ordering::Relaxed);
                answer = tokio::time::timeout(GIVE_UP.saturating_sub(PING_LIMIT), ping).await.ok();
            }
            if !matches!(answer, Some(Ok(()))) {
                return;
            }
            self.answers.store(true, Ordering::Relaxed);
            let rest = async {
                if self.timeless { std::future::pending().await } else { tokio::time::sleep(PING_INTERVAL).await }
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = self.doubt.notified() => {}
                () = rest => {}
            }
        }
    }
}
