//! Which task holds which idempotency key.

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use parking_lot::{Mutex, MutexGuard};

use crate::task::{IdempotencyKey, TaskId};

const SHARDS: usize = 16;

type Shard = HashMap<IdempotencyKey, TaskId, RandomState>;
type Held = HashMap<TaskId, IdempotencyKey, RandomState>;

/// The task that holds each idempotency key.
///
/// A shard's lock may be held while a lane's is taken, never the other way round.
#[derive(Debug, Default)]
pub(super) struct Keys {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    /// The key of each task that has one.
    held: Mutex<Held>,
}

/// The place of a key that nobody holds. While it is there nobody else can take the key.
pub(super) struct Place<'a> {
    shard: MutexGuard<'a, Shard>,
    held: &'a Mutex<Held>,
}

impl Place<'_> {
    /// Gives the key to a task.
    pub(super) fn insert(&mut self, key: IdempotencyKey, task: TaskId) {
        self.held.lock().insert(task, key.clone());
        self.shard.insert(key, task);
    }
}

impl Keys {
    fn shard(&self, key: &IdempotencyKey) -> &Mutex<Shard> {
        let number = self.hasher.hash_one(key) % SHARDS as u64;
        &self.shards[usize::try_from(number).unwrap_or(0)]
    }

    /// The place of a free key, or the task that holds it.
    pub(super) fn place(&self, key: &IdempotencyKey) -> Result<Place<'_>, TaskId> {
        let shard = self.shard(key).lock();
        match shard.get(key) {
            Some(holder) => Err(*holder),
            None => Ok(Place { shard, held: &self.held }),
        }
    }

    /// Gives a key to a task that comes back from the store. Of two that had it, the later one has it still.
    pub(super) fn restore(&self, key: IdempotencyKey, task: TaskId) {
        self.held.lock().insert(task, key.clone());
        let mut shard = self.shard(&key).lock();
        let holder = shard.entry(key).or_insert(task);
        *holder = task.max(*holder);
    }

    /// Frees the key that a task holds.
    pub(super) fn remove(&self, task: TaskId) {
        let Some(key) = self.held.lock().remove(&task) else { return };
        let mut shard = self.shard(&key).lock();
        if shard.get(&key) == Some(&task) {
            shard.remove(&key);
        }
    }
}
