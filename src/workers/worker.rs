//! A worker as it is shown to people and programs.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{SlotReport, WorkerId};
use crate::task::Contract;

/// A worker as `/health` and `/dashboard/api/workers` show it. Serializes to the protocol's `Worker`; what is not known is
/// left out. Cheap to clone.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Worker {
    /// Its number within this process; not part of the JSON.
    #[serde(skip)]
    pub id: WorkerId,
    /// The listed address without a trailing slash.
    pub url: Arc<str>,
    /// Where its WebSocket listens, on the same host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket_port: Option<u16>,
    /// Its group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Arc<str>>,
    /// Its contract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
    /// How it is.
    pub status: WorkerStatus,
    /// A sentence on why it gets no tasks, if there is more to say than the status does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_reason: Option<Arc<str>>,
    /// Its slots, by its last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<SlotFigures>,
    /// Its machine, by its last report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemFigures>,
    /// Its functions, as it publishes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functions: Option<Arc<Value>>,
    /// Its tags: an object, or a list of strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Arc<Value>>,
    /// Its services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<Arc<[Service]>>,
    /// Whether it publishes the same functions as the majority of its lane; absent while it has no lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_valid: Option<bool>,
    /// A sentence on what differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_mismatch_reason: Option<Arc<str>>,
}

/// How a worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerStatus {
    /// It takes tasks.
    Ready,
    /// Its operator has switched it off for a while.
    Maintenance,
    /// Its `/health` does not answer as it should.
    Unreachable,
    /// Its heartbeat was lost, and no health check has passed since.
    Offline,
    /// It refuses the balancer's key.
    Unauthorized,
    /// A word of its own; such a worker gets no tasks.
    Other(Arc<str>),
}

impl WorkerStatus {
    /// The word on the wire.
    pub fn word(&self) -> &str {
        match self {
            Self::Ready => "ready",
            Self::Maintenance => "maintenance",
            Self::Unreachable => "unreachable",
            Self::Offline => "offline",
            Self::Unauthorized => "unauthorized",
            Self::Other(word) => word,
        }
    }

    /// Whether the worker is alive by its own word.
    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Ready | Self::Maintenance)
    }
}

impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Serialize for WorkerStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

/// What a worker says of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlotFigures {
    /// Slots with a task in them.
    pub used: u32,
    /// Slots without.
    pub available: u32,
    /// All slots.
    pub limit: u32,
    /// Tasks that wait within the worker.
    pub queue: u32,
}

/// What a worker says of its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemFigures {
    /// Seconds since it was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<f64>,
    /// 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_memory_percent: Option<f64>,
    /// 1-minute load average by cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_load: Option<f64>,
}

/// A service that a worker depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its name.
    pub name: Arc<str>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Arc<str>>,
    /// `up`, `down` or `restarting`.
    pub state: Arc<str>,
}

impl Service {
    pub(super) fn is_up(&self) -> bool {
        *self.state == *"up"
    }
}

/// What the arithmetic of slots needs of a report.
pub(super) fn slot_report(slots: SlotFigures, system: Option<SystemFigures>) -> SlotReport {
    #[expect(clippy::cast_possible_truncation, reason = "signals are f32")]
    let signal = |figure: Option<f64>| figure.map(|figure| figure as f32);
    SlotReport {
        limit: slots.limit,
        used: slots.used,
        queue: slots.queue,
        cpu: signal(system.and_then(|system| system.cpu_load)),
        memory: signal(system.and_then(|system| system.used_memory_percent)),
    }
}
