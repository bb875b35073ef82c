//! Which lane a task is in.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::lane::Lane;
use crate::task::TaskId;

const SHARDS: usize = 16;

/// The lane of every task, in order of ids. Sharded by the ids' last bits, which are random.
#[derive(Debug, Default)]
pub(super) struct Index {
    shards: [Mutex<BTreeMap<TaskId, Arc<Lane>>>; SHARDS],
}

impl Index {
    fn shard(&self, id: TaskId) -> &Mutex<BTreeMap<TaskId, Arc<Lane>>> {
        &self.shards[(id.as_u128() % SHARDS as u128) as usize]
    }

    /// Adds a task; `false` if it is known.
    pub(super) fn insert(&self, id: TaskId, lane: &Arc<Lane>) -> bool {
        let mut shard = self.shard(id).lock();
        if shard.contains_key(&id) {
            return false;
        }
        shard.insert(id, Arc::clone(lane));
        true
    }

    pub(super) fn get(&self, id: TaskId) -> Option<Arc<Lane>> {
        self.shard(id).lock().get(&id).map(Arc::clone)
    }

    pub(super) fn remove(&self, id: TaskId) {
        self.shard(id).lock().remove(&id);
    }

    /// Up to `limit` tasks older than `before`, newest first.
    pub(super) fn newest_before(&self, before: Option<TaskId>, limit: usize) -> Vec<(TaskId, Arc<Lane>)> {
        let mut newest = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let older: Box<dyn Iterator<Item = _>> = match before {
                Some(before) => Box::new(shard.range(..before).rev()),
                None => Box::new(shard.iter().rev()),
            };
            newest.extend(older.take(limit).map(|(id, lane)| (*id, Arc::clone(lane))));
        }
        newest.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        newest.truncate(limit);
        newest
    }
}
