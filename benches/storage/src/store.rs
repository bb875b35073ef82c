//! What the bench asks of a store.

use std::path::Path;

use anyhow::{Result, bail};

/// A task id: ordered by time of creation, like UUID v7.
pub type Id = [u8; 16];

/// Where a record lies, for stores that do not find it by id. Others may answer anything.
pub type Place = u64;

/// What becomes of the written data before the write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// In the operating system's hands: survives the death of the process.
    System,
    /// On the disk: survives a power loss.
    Disk,
}

/// One change.
pub enum Op<'a> {
    /// A new task.
    Enqueue { id: Id, meta: &'a [u8], payload: &'a [u8] },
    /// A task has ended: its payload goes, `record` stays.
    Settle { id: Id, place: Place, record: &'a [u8] },
    /// An ended task is dropped.
    Forget { id: Id, place: Place },
}

/// The state of a recovered task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Ended,
}

/// Called for each recovered task.
pub type OnTask<'a> = dyn FnMut(Id, Place, State, &[u8]) + 'a;

/// A store of tasks, used by one thread.
pub trait Store: Send {
    /// Writes all of `ops` as one group, durable on return. One place for each op goes to `places`.
    fn write(&mut self, ops: &[Op<'_>], places: &mut Vec<Place>) -> Result<()>;
    /// The payload of a queued task.
    fn payload(&mut self, id: &Id, place: Place) -> Result<Vec<u8>>;
    /// Visits the metadata of all tasks; queued ones in their order, ended ones in their order.
    fn recover(&mut self, each: &mut OnTask<'_>) -> Result<()>;
}

/// The first byte of a stored record says what it is of.
pub const QUEUED: u8 = 1;
/// See [`QUEUED`].
pub const ENDED: u8 = 2;

/// The state a stored record's first byte tells.
#[cfg(any(feature = "fjall", feature = "redb", feature = "sqlite"))]
pub fn state_of(record: &[u8]) -> State {
    if record.first() == Some(&ENDED) { State::Ended } else { State::Queued }
}

/// The stores of this run: all of this build, or those in `STORES`, separated by commas.
pub fn names() -> Vec<&'static str> {
    let wanted = std::env::var("STORES").ok();
    let wanted: Option<Vec<_>> = wanted.as_ref().map(|names| names.split(',').collect());
    NAMES.iter().copied().filter(|name| wanted.as_ref().is_none_or(|wanted| wanted.contains(name))).collect()
}

/// All the names [`open`] knows in this build.
const NAMES: &[&str] = &[
    "none",
    "plain",
    #[cfg(feature = "fjall")]
    "fjall",
    #[cfg(feature = "redb")]
    "redb",
    #[cfg(feature = "sqlite")]
    "sqlite",
    #[cfg(feature = "wal-db")]
    "wal-db",
    #[cfg(feature = "wal-db")]
    "wal-db-grouped",
];

/// Opens a store by name.
pub fn open(name: &str, directory: &Path, durability: Durability) -> Result<Box<dyn Store>> {
    std::fs::create_dir_all(directory)?;
    Ok(match name {
        "none" => Box::new(crate::stores::none::None),
        "plain" => Box::new(crate::stores::plain::Plain::open(directory, durability)?),
        #[cfg(feature = "fjall")]
        "fjall" => Box::new(crate::stores::fjall::Fjall::open(directory, durability)?),
        #[cfg(feature = "redb")]
        "redb" => Box::new(crate::stores::redb::Redb::open(directory, durability)?),
        #[cfg(feature = "sqlite")]
        "sqlite" => Box::new(crate::stores::sqlite::Sqlite::open(directory, durability)?),
        #[cfg(feature = "wal-db")]
        "wal-db" => Box::new(crate::stores::wal_db::WalDb::open(directory, durability, false)?),
        #[cfg(feature = "wal-db")]
        "wal-db-grouped" => Box::new(crate::stores::wal_db::WalDb::open(directory, durability, true)?),
        other => bail!("no store is named {other:?}; there are {NAMES:?}"),
    })
}
