//! redb: two tables by id; a group is one transaction.
//!
//! redb's `Durability::None` keeps commits in memory until the next durable one, so a killed process loses them. For "in the operating
//! system's hands" the file is therefore wrapped and its sync left out.

use std::fs::{File, OpenOptions};
use std::path::Path;

use anyhow::{Context, Result};
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};

use crate::store::{Durability, Id, OnTask, Op, Place, Store, state_of};

const TASKS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("tasks");
const PAYLOADS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("payloads");

pub struct Redb {
    database: Database,
}

impl Redb {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join("tasks.redb"))?;
        let backend = Unsynced { file: FileBackend::new(file)?, sync: durability == Durability::Disk };
        let database = Database::builder().set_cache_size(64 * 1024 * 1024).create_with_backend(backend)?;
        let transaction = database.begin_write()?;
        transaction.open_table(TASKS)?;
        transaction.open_table(PAYLOADS)?;
        transaction.commit()?;
        Ok(Self { database })
    }
}

impl Store for Redb {
    fn write(&mut self, ops: &[Op<'_>], places: &mut Vec<Place>) -> Result<()> {
        places.clear();
        places.resize(ops.len(), 0);
        let transaction = self.database.begin_write()?;
        {
            let mut tasks = transaction.open_table(TASKS)?;
            let mut payloads = transaction.open_table(PAYLOADS)?;
            for op in ops {
                match op {
                    Op::Enqueue { id, meta, payload } => {
                        tasks.insert(id, *meta)?;
                        payloads.insert(id, *payload)?;
                    }
                    Op::Settle { id, record, .. } => {
                        tasks.insert(id, *record)?;
                        payloads.remove(id)?;
                    }
                    Op::Forget { id, .. } => drop(tasks.remove(id)?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn payload(&mut self, id: &Id, _: Place) -> Result<Vec<u8>> {
        let transaction = self.database.begin_read()?;
        let payloads = transaction.open_table(PAYLOADS)?;
        Ok(payloads.get(id)?.context("no such payload")?.value().to_vec())
    }

    fn recover(&mut self, each: &mut OnTask<'_>) -> Result<()> {
        let transaction = self.database.begin_read()?;
        for entry in transaction.open_table(TASKS)?.iter()? {
            let (key, record) = entry?;
            each(*key.value(), 0, state_of(record.value()), record.value());
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Unsynced {
    file: FileBackend,
    sync: bool,
}

impl StorageBackend for Unsynced {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        if self.sync { self.file.sync_data() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.file.write(offset, data)
    }

    fn close(&self) -> Result<(), std::io::Error> {
        self.file.close()
    }
}
