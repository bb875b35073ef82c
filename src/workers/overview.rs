//! The workers at a glance.

use std::collections::BTreeMap;

use super::{Fleet, Worker, WorkerStatus};

impl Fleet {
    /// Every listed worker, in list order.
    pub fn all_workers(&self) -> Vec<Worker> {
        self.shared.roster.load().members.iter().map(|member| member.view()).collect()
    }

    /// How many workers have which status.
    pub fn status_counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = BTreeMap::new();
        for worker in self.all_workers() {
            // A word of a worker's own making must not make a metric.
            let word = match &worker.status {
                WorkerStatus::Other(_) => "other",
                WorkerStatus::Ready => "ready",
                WorkerStatus::Maintenance => "maintenance",
                WorkerStatus::Unreachable => "unreachable",
                WorkerStatus::Offline => "offline",
                WorkerStatus::Unauthorized => "unauthorized",
            };
            *counts.entry(word).or_default() += 1;
        }
        counts.into_iter().collect()
    }
}
