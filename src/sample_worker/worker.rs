//! What all parts of a worker share.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::WorkerOptions;
use super::change::Change;
use super::failures::Failures;
use super::function;
use super::keys::Keys;
use super::ledger::Ledger;
use super::logs::Logs;
use super::slots::Slots;
use super::system::System;
use super::webhook::Webhooks;
use crate::task::Contract;

/// One worker: what it publishes, what it is doing, and the tasks it has spawned.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) keys: Keys,
    pub(super) group: String,
    pub(super) contract: Contract,
    pub(super) websocket_port: u16,
    /// The declarations of all functions, as `/health` shows them.
    pub(super) functions: Box<RawValue>,
    pub(super) tags: serde_json::Map<String, serde_json::Value>,
    /// What the time that functions take is multiplied by.
    pub(super) pace: f64,
    pub(super) slots: Arc<Slots>,
    pub(super) system: Arc<System>,
    pub(super) logs: Logs,
    pub(super) ledger: Option<Ledger>,
    pub(super) failures: Failures,
    pub(super) webhooks: Arc<Webhooks>,
    /// Raised at every change that the balancers are told of.
    pub(super) change: Arc<Change>,
    /// The latest full report, for every open WebSocket.
    pub(super) reports: watch::Sender<Utf8Bytes>,
    /// Cancelled when nothing may go on any longer.
    pub(super) stop: CancellationToken,
    /// Every task spawned by the worker.
    pub(super) running: TaskTracker,
    /// How long after its start it reports first: many that start together do not report together.
    pub(super) phase: Duration,
    maintenance: AtomicBool,
}

/// What the workers of one process have in common.
#[derive(Debug)]
pub(super) struct Machine {
    system: Arc<System>,
    webhooks: Arc<Webhooks>,
}

impl Machine {
    pub(super) async fn new() -> Self {
        let machine = Self { system: Arc::new(System::new()), webhooks: Arc::new(Webhooks::new().await) };
        machine.system.refresh().await;
        machine
    }
}

impl Worker {
    pub(super) async fn new(options: WorkerOptions, websocket_port: u16, machine: &Machine) -> anyhow::Result<Self> {
        let contract = Contract::new(options.contract).context("The contract must be a finite number")?;
        let ledger = match options.ledger {
            Some(path) => {
                Some(Ledger::open(&path).await.with_context(|| format!("Cannot open the ledger {}", path.display()))?)
            }
            None => None,
        };
        let change = Arc::new(Change::default());
        Ok(Self {
            keys: Keys::new(options.auth_key, options.lb_auth_key),
            group: options.group,
            contract,
            websocket_port,
            functions: function::declarations().context("The functions cannot be written as JSON")?,
            tags: options.tags,
            pace: options.pace.clamp(0.0, 1_000.0),
            slots: Arc::new(Slots::new(options.slots, Arc::clone(&change))),
            system: Arc::clone(&machine.system),
            logs: Logs::default(),
            ledger,
            failures: Failures::default(),
            webhooks: Arc::clone(&machine.webhooks),
            change,
            reports: watch::Sender::new(Utf8Bytes::default()),
            stop: CancellationToken::new(),
            running: TaskTracker::new(),
            phase: options.phase,
            maintenance: AtomicBool::new(false),
        })
    }

    pub(super) fn in_maintenance(&self) -> bool {
        self.maintenance.load(Ordering::Acquire)
    }

    /// Switches maintenance on or off and tells the balancers.
    pub(super) fn set_maintenance(&self, maintenance: bool) {
        self.maintenance.store(maintenance, Ordering::Release);
        self.change.raise();
        self.logs.info("WORKER", if maintenance { "Maintenance mode" } else { "Ready" });
    }

    /// Runs a piece of work to its end, whoever waits for it, or until the worker stops for good.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.child_token();
        self.running.spawn(async move {
            stop.run_until_cancelled(work).await;
        });
    }
}
