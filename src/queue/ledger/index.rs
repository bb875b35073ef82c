//! Where each task's entry is.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::store::EntryRef;
use crate::task::TaskId;

const SHARDS: usize = 16;

/// The entry of every task, in order of ids. Sharded by the ids' last bits, which are random.
#[derive(Debug, Default)]
pub(super) struct Index {
    shards: [Mutex<BTreeMap<TaskId, EntryRef>>; SHARDS],
}

impl Index {
    fn shard(&self, id: TaskId) -> &Mutex<BTreeMap<TaskId, EntryRef>> {
        &self.shards[(id.as_u128() % SHARDS as u128) as usize]
    }

    /// Adds a task, unless it is known; `add` makes its entry, and nobody else can add it meanwhile. An entry not made is not kept.
    pub(super) fn insert<T>(&self, id: TaskId, add: impl FnOnce() -> (Option<EntryRef>, T)) -> Option<T> {
        let mut shard = self.shard(id).lock();
        if shard.contains_key(&id) {
            return None;
        }
        let (entry, told) = add();
        shard.extend(entry.map(|entry| (id, entry)));
        Some(told)
    }

    pub(super) fn get(&self, id: TaskId) -> Option<EntryRef> {
        self.shard(id).lock().get(&id).copied()
    }

    pub(super) fn remove(&self, id: TaskId) {
        self.shard(id).lock().remove(&id);
    }

    /// Up to `limit` tasks older than `before`, newest first.
    pub(super) fn newest_before(&self, before: Option<TaskId>, limit: usize) -> Vec<(TaskId, EntryRef)> {
        let mut newest = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let older: Box<dyn Iterator<Item = _>> = match before {
                Some(before) => Box::new(shard.range(..before).rev()),
                None => Box::new(shard.iter().rev()),
            };
            newest.extend(older.take(limit).map(|(id, entry)| (*id, *entry)));
        }
        newest.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        newest.truncate(limit);
        newest
    }
}
