//! fjall: metadata and payloads in a keyspace each, both by id; a group is one batch.

use std::path::Path;

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use crate::store::{Durability, Id, OnTask, Op, Place, Store, state_of};

pub struct Fjall {
    database: Database,
    tasks: Keyspace,
    payloads: Keyspace,
    mode: PersistMode,
}

impl Fjall {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let database = Database::builder(directory)
            .cache_size(64 * 1024 * 1024)
            .max_journaling_size(256 * 1024 * 1024)
            .manual_journal_persist(true)
            .worker_threads(1)
            .open()?;
        let tasks =
            database.keyspace("tasks", || KeyspaceCreateOptions::default().max_memtable_size(32 * 1024 * 1024))?;
        let payloads =
            database.keyspace("payloads", || KeyspaceCreateOptions::default().max_memtable_size(64 * 1024 * 1024))?;
        let mode = match durability {
            Durability::System => PersistMode::Buffer,
            Durability::Disk => PersistMode::SyncData,
        };
        Ok(Self { database, tasks, payloads, mode })
    }
}

impl Store for Fjall {
    fn write(&mut self, ops: &[Op<'_>], places: &mut Vec<Place>) -> Result<()> {
        places.clear();
        places.resize(ops.len(), 0);
        let mut batch = self.database.batch().durability(Some(self.mode));
        for op in ops {
            match op {
                Op::Enqueue { id, meta, payload } => {
                    batch.insert(&self.tasks, *id, *meta);
                    batch.insert(&self.payloads, *id, *payload);
                }
                Op::Settle { id, record, .. } => {
                    batch.insert(&self.tasks, *id, *record);
                    batch.remove(&self.payloads, *id);
                }
                Op::Forget { id, .. } => batch.remove(&self.tasks, *id),
            }
        }
        Ok(batch.commit()?)
    }

    fn payload(&mut self, id: &Id, _: Place) -> Result<Vec<u8>> {
        Ok(self.payloads.get(id)?.context("no such payload")?.to_vec())
    }

    fn recover(&mut self, each: &mut OnTask<'_>) -> Result<()> {
        for entry in self.tasks.iter() {
            let (key, record) = entry.into_inner()?;
            each(key.as_ref().try_into()?, 0, state_of(&record), &record);
        }
        Ok(())
    }
}
