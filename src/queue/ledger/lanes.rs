//! The lanes of a ledger, by key and by number.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use parking_lot::RwLock;

use super::lane::Lane;
use super::store::{EntryRef, Store};
use crate::task::LaneKey;

/// The lanes of a ledger. They are numbered, since a task's index entry has no room for more.
#[derive(Debug)]
pub(super) struct Lanes<S> {
    store: Arc<S>,
    inner: RwLock<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    by_key: HashMap<LaneKey, Arc<Lane<S>>, RandomState>,
    all: Vec<Arc<Lane<S>>>,
}

impl<S: Store> Lanes<S> {
    pub(super) fn new(store: Arc<S>) -> Self {
        Self { store, inner: RwLock::new(Inner { by_key: HashMap::default(), all: Vec::new() }) }
    }

    /// The lane of that key; it is made if there is none.
    pub(super) fn get_or_make(&self, key: &LaneKey) -> Arc<Lane<S>> {
        if let Some(lane) = self.get(key) {
            return lane;
        }
        let mut inner = self.inner.write();
        if let Some(lane) = inner.by_key.get(key) {
            return Arc::clone(lane);
        }
        let number = u32::try_from(inner.all.len()).unwrap_or(u32::MAX);
        let lane = Arc::new(Lane::new(number, key.clone(), Arc::clone(&self.store)));
        inner.all.push(Arc::clone(&lane));
        inner.by_key.insert(key.clone(), Arc::clone(&lane));
        lane
    }

    pub(super) fn get(&self, key: &LaneKey) -> Option<Arc<Lane<S>>> {
        self.inner.read().by_key.get(key).map(Arc::clone)
    }

    /// The lane of an entry.
    pub(super) fn of(&self, entry: EntryRef) -> Option<Arc<Lane<S>>> {
        self.inner.read().all.get(entry.lane as usize).map(Arc::clone)
    }

    pub(super) fn all(&self) -> Vec<Arc<Lane<S>>> {
        self.inner.read().all.clone()
    }
}
