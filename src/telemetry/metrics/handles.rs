//! Handles that count without looking a label up.

use std::sync::{Arc, OnceLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::labels::{Labels, RouteLabels};

/// A family whose label sets are numbered: each is resolved once, when it is first asked for.
#[derive(Debug)]
pub(super) struct Resolved<L, M> {
    family: Family<L, M>,
    handles: Box<[OnceLock<M>]>,
}

impl<L: Labels, M: Clone> Resolved<L, M> {
    /// For label sets numbered from 0 to below `count`.
    pub(super) fn new(family: Family<L, M>, count: usize) -> Self {
        Self { family, handles: (0..count).map(|_| OnceLock::new()).collect() }
    }

    /// The handle of number `index`, if it was asked for before.
    pub(super) fn known(&self, index: usize) -> Option<&M> {
        self.handles.get(index)?.get()
    }

    /// The handle of number `index`, whose label set is `labels()`. A number out of range is looked up each time.
    pub(super) fn get(&self, index: usize, labels: impl FnOnce() -> L) -> M {
        match self.handles.get(index) {
            Some(handle) => handle.get_or_init(|| self.family.get_or_create_owned(&labels())).clone(),
            None => self.family.get_or_create_owned(&labels()),
        }
    }
}

/// Counts what one policy decides.
#[derive(Clone, Debug)]
pub struct PolicyMetrics {
    decisions: Counter,
    waits: Counter,
}

impl PolicyMetrics {
    pub(super) fn new(decisions: Counter, waits: Counter) -> Self {
        Self { decisions, waits }
    }

    /// It ranked workers, or told the task to wait.
    pub fn decided(&self, wait: bool) {
        self.decisions.inc();
        if wait {
            self.waits.inc();
        }
    }
}

/// Counts the answers of one route.
#[derive(Clone, Debug)]
pub struct RouteMetrics {
    route: &'static str,
    classes: Arc<Resolved<RouteLabels, Counter>>,
}

/// The classes of a status; the last one for what is none of HTTP's.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

impl RouteMetrics {
    pub(super) fn new(family: Family<RouteLabels, Counter>, route: &'static str) -> Self {
        Self { route, classes: Arc::new(Resolved::new(family, CLASSES.len())) }
    }

    /// It answered with that status.
    pub fn answered(&self, status: u16) {
        let index = match status {
            100..=599 => usize::from(status / 100 - 1),
            _ => CLASSES.len() - 1,
        };
        self.classes.get(index, || RouteLabels { route: self.route, status_class: CLASSES[index] }).inc();
    }
}
