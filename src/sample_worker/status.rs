//! What a worker says about itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::body::written;
use super::slots::SlotReport;
use super::system::SystemReport;
use super::worker::Worker;
use crate::task::Contract;

/// The least time between two reports, so that short tasks do not flood the balancers.
const COALESCE: Duration = Duration::from_millis(20);

#[derive(Serialize)]
struct Service {
    name: &'static str,
    status: &'static str,
    state: &'static str,
}

const SERVICES: [Service; 1] = [Service { name: "sample", status: "running", state: "up" }];

impl Worker {
    fn status(&self) -> &'static str {
        if self.in_maintenance() { "maintenance" } else { "ready" }
    }

    /// `/health` for the balancer.
    pub(super) fn health(&self) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Health<'a> {
            status: &'static str,
            group: &'a str,
            contract: Contract,
            websocket_port: u16,
            functions: &'a RawValue,
            services: &'a [Service],
            tags: &'a Map<String, Value>,
            slots: SlotReport,
            system: SystemReport,
        }
        written(&Health {
            status: self.status(),
            group: &self.group,
            contract: self.contract,
            websocket_port: self.websocket_port,
            functions: &self.functions,
            services: &SERVICES,
            tags: &self.tags,
            slots: self.slots.report(),
            system: self.system.report(),
        })
    }

    /// `/health` for everybody else.
    pub(super) fn public_health(&self) -> Bytes {
        #[derive(Serialize)]
        struct Health {
            status: &'static str,
        }
        written(&Health { status: self.status() })
    }

    /// The answer to a `ping`.
    pub(super) fn pong(&self) -> Utf8Bytes {
        #[derive(Serialize)]
        struct Pong {
            status: &'static str,
            slots: SlotReport,
        }
        frame(&Pong { status: self.status(), slots: self.slots.report() })
    }

    fn full_report(&self) -> Utf8Bytes {
        #[derive(Serialize)]
        struct Report {
            status: &'static str,
            slots: SlotReport,
            system: SystemReport,
            services: &'static [Service],
        }
        frame(&Report {
            status: self.status(),
            slots: self.slots.report(),
            system: self.system.report(),
            services: &SERVICES,
        })
    }
}

fn frame(value: &impl Serialize) -> Utf8Bytes {
    Utf8Bytes::try_from(written(value)).unwrap_or_default()
}

/// Puts a new report before the balancers at every change and every second, until `shutdown`.
pub(super) async fn report(worker: &Arc<Worker>, shutdown: &CancellationToken) {
    let mut second = tokio::time::interval_at(Instant::now() + worker.phase, Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = second.tick() => worker.system.refresh().await,
            () = worker.change.raised() => {}
        }
        worker.change.lower();
        if worker.reports.receiver_count() > 0 {
            worker.reports.send_replace(worker.full_report());
        }
        tokio::time::sleep(COALESCE).await;
    }
}
