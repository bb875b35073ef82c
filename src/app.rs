//! Builds everything from settings, and runs it.

mod connection;
mod crew;
mod leftover;
mod policies;
mod router;
mod server;

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::crew::Crew;
use crate::api::{ApiState, LbKey};
use crate::config::{QueueBackend, Settings};
use crate::dashboard::{Access, DashboardState, Live, Pages};
use crate::dispatch::{DispatchSettings, Dispatcher, DrainReport, Parts};
use crate::policy::{PolicyKeeper, Recorder};
use crate::queue::{BullmqQueue, EmbeddedQueue, MemoryQueue, QueueLimits, Sealer, TaskQueue};
use crate::task::{Chance, Clock};
use crate::telemetry::{LogRing, Metrics};
use crate::upstream::{HttpUpstream, WebhookNotifier, install_crypto_provider};
use crate::workers::{Fleet, FleetTasks, Slots, WorkerAddress};

pub use policies::check_policy;

/// How long connections may take to close once all tasks have ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the worker list comes from.
#[derive(Clone, Debug)]
pub enum WorkerList {
    /// `WORKERS_FILE`, followed as it changes.
    File,
    /// These, for good.
    Fixed(Vec<WorkerAddress>),
}

/// A balancer, built and not yet listening.
pub struct App {
    settings: Settings,
    dispatcher: Arc<Dispatcher>,
    queue: Arc<dyn TaskQueue>,
    policies: PolicyKeeper,
    recorder: Option<Arc<Recorder>>,
    fleet: Arc<Fleet>,
    api: ApiState,
    /// Absent if there are no pages.
    live: Option<Live>,
    router: axum::Router,
    upstream: HttpUpstream,
    fleet_tasks: FleetTasks,
    /// Ends what runs in the background, once the drain is over.
    stop: CancellationToken,
}

impl App {
    /// Builds a balancer. Its workers are watched from here on.
    pub async fn build(settings: Settings, workers: WorkerList, logs: LogRing) -> anyhow::Result<Self> {
        install_crypto_provider();
        let clock = Clock::system();
        let stop = CancellationToken::new();
        let metrics = Arc::new(Metrics::new());
        let slots = Arc::new(Slots::default());
        let queue = queue(&settings, &clock).await?;
        let recorder = policies::recorder(&settings.policy).await?;
        let policies =
            PolicyKeeper::start(&settings.policy, &settings.queue.data_dir, clock.clone(), recorder.clone()).await?;
        let pages = Pages::load(settings.dashboard.templates_dir.as_deref())?
            .serving(settings.dashboard.enabled, settings.dashboard.bull_board_enabled);
        let key = settings.auth.lb_auth_key.clone();
        let upstream = HttpUpstream::new(key.expose()).context("cannot set up HTTP to the workers")?;

        let notifier =
            WebhookNotifier::new(&settings.webhooks, clock.clone()).context("cannot set up HTTP to webhooks")?;
        let (watched, lb_key, counted) = (&settings.workers, key.clone(), Metrics::clone(&metrics));
        let (fleet, fleet_tasks) = match workers {
            WorkerList::File => {
                Fleet::start(watched, lb_key, Arc::clone(&slots), clock.clone(), counted, stop.clone()).await?
            }
            WorkerList::Fixed(list) => {
                Fleet::fixed(list, watched, lb_key, Arc::clone(&slots), clock.clone(), counted, stop.clone()).await?
            }
        };
        let fleet = Arc::new(fleet);
        let dispatcher = Dispatcher::new(Parts {
            queue: Arc::clone(&queue),
            slots,
            probe: Arc::<Fleet>::clone(&fleet),
            policy: policies.engine().clone(),
            upstream: Arc::new(upstream.clone()),
            notifier: Arc::new(notifier),
            metrics: Arc::clone(&metrics),
            clock,
            chance: Chance::process(),
            settings: DispatchSettings {
                tasks: settings.tasks.clone(),
                lease: settings.queue.lease,
                inbox: settings.inbox.clone(),
                policy_wait: settings.policy.wait,
            },
        });
        let secret = key;
        let key = LbKey::new(secret.clone());
        let api = ApiState {
            dispatcher: Arc::clone(&dispatcher),
            fleet: Arc::clone(&fleet),
            metrics: Arc::clone(&metrics),
            policies: policies.clone(),
            logs,
            key: key.clone(),
            body_limit: settings.server.request_body_limit,
        };
        let access = Access::new(key, &secret, &settings.dashboard, dispatcher.clock().clone())?;
        let dashboard = DashboardState::new(pages, access, &api, &settings);
        let live = settings.dashboard.enabled.then(|| dashboard.live().clone());
        let router = router::router(api.clone(), dashboard, &settings);
        Ok(Self {
            settings,
            dispatcher,
            queue,
            policies,
            recorder,
            fleet,
            api,
            live,
            router,
            upstream,
            fleet_tasks,
            stop,
        })
    }

    /// Serves until `shutdown`, then drains. When this returns, everything has ended.
    pub async fn run(self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<DrainReport> {
        let address = listener.local_addr()?;
        let policy = self.policies.engine().clone();
        log_start(&self.settings, address, &policy.active_choice());
        let background = TaskTracker::new();
        let (queue, stop) = (Arc::clone(&self.queue), self.stop.clone());
        // Tasks `queue`, `idle connections`, `policy directory`, `policy files`, `upkeep` and `dashboard sampler`.
        background.spawn(async move { queue.run(stop).await });
        background.spawn(self.upstream.keep_tidy(self.stop.clone()));
        background.spawn(policies::keep_told(policy.clone(), self.fleet, self.stop.clone()));
        background.spawn(self.policies.run(self.stop.clone()));
        background.spawn(Arc::clone(&self.dispatcher).run_upkeep());
        if let Some(live) = self.live {
            background.spawn(live.run(self.stop.clone()));
        }

        let closing = CancellationToken::new();
        let crew = Arc::new(Crew::start(available_parallelism().map_or(1, NonZero::get))?);
        let most = self.settings.server.max_connections;
        let server = server::Server::new(self.router, self.api, Arc::clone(&crew), most);
        let cut_off = CancellationToken::new();
        let mut serving = tokio::spawn(server.serve(listener, closing.clone(), cut_off.clone()));
        shutdown.cancelled().await;

        let limit = self.settings.server.shutdown_timeout;
        tracing::info!(limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), "draining");
        self.dispatcher.begin_drain();
        closing.cancel();
        let report = self.dispatcher.drain(limit).await;
        // A client that does not take its answer is not waited for.
        let closed = if let Ok(closed) = tokio::time::timeout(CLOSE_TIMEOUT, &mut serving).await {
            closed
        } else {
            cut_off.cancel();
            serving.await
        };
        closed.context("the server broke down")?;
        self.stop.cancel();
        self.fleet_tasks.finished().await;
        background.close();
        background.wait().await;
        policy.close().await;
        policies::close_record(self.recorder).await;
        if let Some(crew) = Arc::into_inner(crew) {
            crew.finished().await;
        }
        log_end(&self.settings, report);
        Ok(report)
    }
}

async fn queue(settings: &Settings, clock: &Clock) -> anyhow::Result<Arc<dyn TaskQueue>> {
    let tasks = &settings.tasks;
    let limits = QueueLimits {
        max_waiting: tasks.max_queued,
        max_interruptions: tasks.max_interruptions,
        retention: tasks.retention,
        retention_count: tasks.retention_count,
        retention_bytes: tasks.retention_bytes,
    };
    match settings.queue.backend {
        QueueBackend::Redis => {
            let sealer = Sealer::new(&settings.auth)?;
            let lease = settings.queue.lease;
            Ok(Arc::new(BullmqQueue::new(&settings.redis, limits, lease, clock.clone(), sealer)?))
        }
        QueueBackend::Memory => Ok(Arc::new(MemoryQueue::new(limits, clock.clone()))),
        QueueBackend::Embedded => {
            let sealer = Sealer::new(&settings.auth)?;
            let (directory, durability) = (settings.queue.data_dir.clone(), settings.queue.durability);
            let clock = clock.clone();
            let open = move || EmbeddedQueue::open(&directory, limits, clock, sealer, durability);
            Ok(Arc::new(tokio::task::spawn_blocking(open).await??))
        }
    }
}

fn log_start(settings: &Settings, address: SocketAddr, policy: &str) {
    tracing::info!(%address, queue = settings.queue.backend.word(), policy = %policy, "listening");
}

fn log_end(settings: &Settings, report: DrainReport) {
    if settings.queue.backend == QueueBackend::Memory && report.waiting > 0 {
        tracing::warn!(dropped = report.waiting, "QUEUE=memory: tasks that still waited are dropped");
    }
    tracing::info!(interrupted = report.interrupted, waiting = report.waiting, "stopped");
}
