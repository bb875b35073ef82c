//! SQLite in WAL mode: two tables by a running number (the cheapest key it has); a group is one transaction.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};

use crate::store::{Durability, Id, OnTask, Op, Place, Store, state_of};

pub struct Sqlite {
    connection: Connection,
    next: Place,
}

impl Sqlite {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let connection = Connection::open(directory.join("tasks.sqlite"))?;
        let synchronous = match durability {
            Durability::System => "OFF",
            Durability::Disk => "FULL",
        };
        connection.execute_batch(&format!(
            "PRAGMA locking_mode = EXCLUSIVE;
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = {synchronous};
             PRAGMA cache_size = -65536;
             PRAGMA wal_autocheckpoint = 4000;
             CREATE TABLE IF NOT EXISTS tasks (seq INTEGER PRIMARY KEY, id BLOB NOT NULL, record BLOB NOT NULL);
             CREATE TABLE IF NOT EXISTS payloads (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL);"
        ))?;
        let next: i64 = connection.query_row("SELECT COALESCE(MAX(seq), 0) + 1 FROM tasks", [], |row| row.get(0))?;
        Ok(Self { connection, next: next as Place })
    }
}

impl Store for Sqlite {
    fn write(&mut self, ops: &[Op<'_>], places: &mut Vec<Place>) -> Result<()> {
        places.clear();
        let transaction = self.connection.transaction()?;
        {
            let mut add = transaction.prepare_cached("INSERT INTO tasks (seq, id, record) VALUES (?1, ?2, ?3)")?;
            let mut add_payload = transaction.prepare_cached("INSERT INTO payloads (seq, payload) VALUES (?1, ?2)")?;
            let mut end = transaction.prepare_cached("UPDATE tasks SET record = ?2 WHERE seq = ?1")?;
            let mut drop_payload = transaction.prepare_cached("DELETE FROM payloads WHERE seq = ?1")?;
            let mut forget = transaction.prepare_cached("DELETE FROM tasks WHERE seq = ?1")?;
            for op in ops {
                places.push(match op {
                    Op::Enqueue { id, meta, payload } => {
                        add.execute(params![self.next as i64, id, meta])?;
                        add_payload.execute(params![self.next as i64, payload])?;
                        self.next += 1;
                        self.next - 1
                    }
                    Op::Settle { place, record, .. } => {
                        end.execute(params![*place as i64, record])?;
                        drop_payload.execute(params![*place as i64])?;
                        *place
                    }
                    Op::Forget { place, .. } => {
                        forget.execute(params![*place as i64])?;
                        *place
                    }
                });
            }
        }
        Ok(transaction.commit()?)
    }

    fn payload(&mut self, _: &Id, place: Place) -> Result<Vec<u8>> {
        let mut select = self.connection.prepare_cached("SELECT payload FROM payloads WHERE seq = ?1")?;
        Ok(select.query_row(params![place as i64], |row| row.get(0))?)
    }

    fn recover(&mut self, each: &mut OnTask<'_>) -> Result<()> {
        let mut select = self.connection.prepare("SELECT seq, id, record FROM tasks ORDER BY seq")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let record = row.get_ref(2)?.as_blob()?;
            each(row.get_ref(1)?.as_blob()?.try_into()?, row.get::<_, i64>(0)? as Place, state_of(record), record);
        }
        Ok(())
    }
}
