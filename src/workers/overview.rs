//! The workers at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Fleet, Worker, WorkerStatus};

impl Fleet {
    /// Every listed worker, in list order.
    pub fn all_workers(&self) -> Vec<Worker> {
        self.shared.roster.load().members.iter().map(|member| member.view()).collect()
    }

    /// How many workers are listed.
    pub fn worker_count(&self) -> usize {
        self.shared.roster.load().members.len()
    }

    /// Their addresses, in list order.
    pub fn urls(&self) -> Vec<Arc<str>> {
        self.shared.roster.load().members.iter().map(|member| Arc::clone(member.address.url())).collect()
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
