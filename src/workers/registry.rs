//! The set of known workers.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use reqwest::Url;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ballots::Ballots;
use super::discovery::discover;
use super::file::{self, Contents, FileError};
use super::heartbeat::beat;
use super::member::Member;
use super::state::Effect;
use super::transport::Transport;
use super::watch::FileWatch;
use super::{Slots, Worker, WorkerAddress, WorkerId};
use crate::config::{Secret, WorkerSettings};
use crate::task::Clock;
use crate::telemetry::Metrics;

/// Why the workers cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The workers file is missing or wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key cannot be sent in a header.
    #[error("LB_AUTH_KEY contains characters that no header can carry")]
    Key,
    /// No HTTP client could be made.
    #[error("no HTTP client for the workers: {0}")]
    Client(String),
    /// The runtime is shutting down.
    #[error("the start was cut off")]
    CutOff,
}

/// The known workers. Probes them, listens to them, and keeps the slots up to date. A cheap handle.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(super) shared: Arc<Shared>,
}

/// The tasks behind a [`Fleet`].
#[derive(Debug)]
pub struct FleetTasks {
    tracker: TaskTracker,
}

/// What all tasks of the registry share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: WorkerSettings,
    pub(super) metrics: Metrics,
    pub(super) transport: Transport,
    pub(super) slots: Arc<Slots>,
    pub(super) clock: Clock,
    pub(super) roster: ArcSwap<Roster>,
    /// Why the workers file is not in force as it is now.
    pub(super) file_error: Mutex<Option<Arc<str>>>,
    ballots: Ballots,
    /// Every address ever listed: a worker that comes back keeps its number.
    ids: Mutex<HashMap<Arc<str>, WorkerId>>,
    changes: watch::Sender<u64>,
    pub(super) cancel: CancellationToken,
    tracker: TaskTracker,
}

/// The listed workers, in their order.
#[derive(Debug, Default)]
pub(super) struct Roster {
    pub(super) members: Vec<Arc<Member>>,
    by_id: HashMap<WorkerId, Arc<Member>>,
    pub(super) by_url: HashMap<Arc<str>, Arc<Member>>,
}

impl Fleet {
    /// Reads the workers file, starts to watch it and its workers. Everything ends when `cancel` is cancelled.
    pub async fn start(
        settings: &WorkerSettings,
        lb_key: Secret,
        slots: Arc<Slots>,
        clock: Clock,
        metrics: Metrics,
        cancel: CancellationToken,
    ) -> Result<(Self, FleetTasks), StartError> {
        let path = settings.file.clone();
        let contents = tokio::task::spawn_blocking(move || file::read(&path)).await;
        let Contents { bytes, detached } = contents.map_err(|_| StartError::CutOff)??;
        let listing = file::parse(&bytes)?;
        let (fleet, tasks) = Self::idle(settings, lb_key, slots, clock, metrics, cancel).await?;
        let watch = FileWatch::new(Arc::clone(&fleet.shared), bytes, detached);
        listing.warn_of_duplicates();
        fleet.shared.list(&listing.addresses);
        // Task `workers file`.
        fleet.shared.tracker.spawn(watch.follow());
        Ok((fleet, tasks))
    }

    /// Watches a fixed list of workers, without a file.
    pub async fn fixed(
        addresses: impl IntoIterator<Item = WorkerAddress>,
        settings: &WorkerSettings,
        lb_key: Secret,
        slots: Arc<Slots>,
        clock: Clock,
        metrics: Metrics,
        cancel: CancellationToken,
    ) -> Result<(Self, FleetTasks), StartError> {
        let addresses: Vec<_> = addresses.into_iter().map(Arc::new).collect();
        let (fleet, tasks) = Self::idle(settings, lb_key, slots, clock, metrics, cancel).await?;
        fleet.shared.list(&addresses);
        Ok((fleet, tasks))
    }

    async fn idle(
        settings: &WorkerSettings,
        lb_key: Secret,
        slots: Arc<Slots>,
        clock: Clock,
        metrics: Metrics,
        cancel: CancellationToken,
    ) -> Result<(Self, FleetTasks), StartError> {
        let settings = settings.clone();
        let transport = {
            let settings = settings.clone();
            tokio::task::spawn_blocking(move || Transport::new(&settings, &lb_key)).await
        };
        let tracker = TaskTracker::new();
        let shared = Arc::new(Shared {
            settings,
            metrics,
            transport: transport.map_err(|_| StartError::CutOff)??,
            slots,
            clock,
            roster: ArcSwap::default(),
            file_error: Mutex::new(None),
            ballots: Ballots::default(),
            ids: Mutex::new(HashMap::new()),
            changes: watch::Sender::new(0),
            cancel,
            tracker: tracker.clone(),
        });
        Ok((Self { shared }, FleetTasks { tracker }))
    }

    /// The workers in list order, without those whose contract is not valid.
    pub fn workers(&self) -> Vec<Worker> {
        self.views(true)
    }

    /// The workers whose contract is not valid, in list order.
    pub fn invalid_workers(&self) -> Vec<Worker> {
        self.views(false)
    }

    fn views(&self, valid: bool) -> Vec<Worker> {
        let roster = self.shared.roster.load();
        let views = roster.members.iter().map(|member| member.view());
        views.filter(|worker| worker.contract_valid.unwrap_or(true) == valid).collect()
    }

    /// A listed worker.
    pub fn worker(&self, worker: WorkerId) -> Option<Worker> {
        self.shared.roster.load().by_id.get(&worker).map(|member| member.view())
    }

    /// The number of a listed worker, by its address with or without a trailing slash.
    pub fn find(&self, url: &str) -> Option<WorkerId> {
        let url = url.trim().trim_end_matches('/');
        self.shared.roster.load().by_url.get(url).map(|member| member.id)
    }

    /// A connection to the worker failed: nothing goes there until it passes a health check, which is made at once.
    pub fn suspect(&self, worker: WorkerId) {
        if let Some(member) = self.shared.roster.load().by_id.get(&worker) {
            member.suspect();
        }
    }

    /// Asks for a health check at once. Requests are merged: one check of a worker at a time, at most one in 100 ms.
    pub fn probe_now(&self, worker: WorkerId) {
        if let Some(member) = self.shared.roster.load().by_id.get(&worker) {
            member.probe_now();
        }
    }

    /// Why the workers file as it is now is not in force; the last good list is.
    pub fn file_error(&self) -> Option<Arc<str>> {
        self.shared.file_error.lock().clone()
    }

    /// Counts up whenever the list or a worker's status, lane, contract, tags or services change; slots and machine figures
    /// aside.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }
}

impl FleetTasks {
    #[cfg(test)]
    pub(super) fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until everything has ended, which it does after the token given at the start is cancelled.
    pub async fn finished(self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Shared {
    /// Makes `addresses` the list. Workers that stay keep their state and socket. Not to be called twice at once.
    pub(super) fn list(self: &Arc<Self>, addresses: &[Arc<WorkerAddress>]) {
        let before = self.roster.load_full();
        let mut roster = Roster::default();
        let mut added = Vec::new();
        for address in addresses {
            if roster.by_url.contains_key(address.url()) {
                continue;
            }
            let member = match before.by_url.get(address.url()) {
                Some(member) => Arc::clone(member),
                None => match self.member(address) {
                    Some(member) => {
                        added.push(Arc::clone(&member));
                        member
                    }
                    None => continue,
                },
            };
            member.set_place(roster.members.len());
            roster.by_id.insert(member.id, Arc::clone(&member));
            roster.by_url.insert(Arc::clone(address.url()), Arc::clone(&member));
            roster.members.push(member);
        }
        let roster = Arc::new(roster);
        self.roster.store(Arc::clone(&roster));
        let gone: Vec<_> = before.members.iter().filter(|member| !roster.by_id.contains_key(&member.id)).collect();
        for member in &gone {
            member.leave();
            self.ballots.cast(&self.slots, member);
        }
        self.ballots.reorder(&self.slots);
        tracing::info!(
            workers = roster.members.len(),
            added = added.len(),
            removed = gone.len(),
            "worker list in force"
        );
        for member in added {
            self.spawn(member);
        }
        self.bump();
    }

    fn member(&self, address: &Arc<WorkerAddress>) -> Option<Arc<Member>> {
        let Ok(health_url) = Url::parse(&format!("{address}/health")) else {
            tracing::error!(worker = %address, "not a usable address");
            return None;
        };
        let id = {
            let mut ids = self.ids.lock();
            let next = WorkerId(u32::try_from(ids.len()).unwrap_or(u32::MAX));
            *ids.entry(Arc::clone(address.url())).or_insert(next)
        };
        Some(Arc::new(Member::new(id, Arc::clone(address), health_url, self.cancel.child_token())))
    }

    fn spawn(self: &Arc<Self>, member: Arc<Member>) {
        let shared = Arc::clone(self);
        // Task `worker <url>`: one a worker, so that none waits for another.
        self.tracker.spawn(async move {
            tokio::join!(member.gone.run_until_cancelled(discover(&shared, &member)), beat(&shared, &member));
        });
    }

    /// Does what a change of one worker means for others.
    pub(super) fn follow_up(&self, member: &Arc<Member>, effect: &Effect) {
        let counted = effect.recount && self.ballots.cast(&self.slots, member);
        if effect.shown || counted {
            self.bump();
        }
    }

    pub(super) fn bump(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }
}
