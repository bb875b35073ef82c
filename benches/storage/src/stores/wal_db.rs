//! wal-db: one record of the log for each group, a prefix dropped when nothing in it lives.
//!
//! The crate reads whole records only. A group may be large, so single payloads are read through the store below it, which is shared.
//! It also empties its marker of the log's beginning before it writes it anew: a kill (or a full disk) in between leaves a log that
//! cannot be opened. The beginning is therefore kept here as well, in a file that is replaced as a whole.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use anyhow::{Result, ensure};
use wal_db::{Lsn, OpenPolicy, SegmentedStore, Wal, WalConfig, WalError, WalStore};

use super::live::{Live, Replay, SEGMENT};
use crate::store::{Durability, ENDED, Id, OnTask, Op, Place, QUEUED, Store};

/// Length, checksum, kind, id, length of the metadata.
const HEADER: usize = 4 + 4 + 1 + 16 + 4;
/// What wal-db puts before a record.
const FRAME: u64 = 8;

pub struct WalDb {
    files: Arc<SegmentedStore>,
    wal: Wal<Shared>,
    durability: Durability,
    grouped: bool,
    /// The last record that is whole.
    last: Option<Lsn>,
    buffer: Vec<u8>,
    live: Live,
}

impl WalDb {
    pub fn open(directory: &Path, durability: Durability, grouped: bool) -> Result<Self> {
        let config = WalConfig::new().with_open_policy(OpenPolicy::Strict);
        let files = Arc::new(SegmentedStore::open(directory, SEGMENT)?);
        let wal = Wal::with_store_and_config(Shared(Arc::clone(&files)), config)?;
        if wal.truncated_on_open() > 0 {
            eprintln!("wal-db: torn tail of {} bytes cut", wal.truncated_on_open());
        }
        Ok(Self { files, wal, durability, grouped, last: None, buffer: Vec::new(), live: Live::default() })
    }

    fn put(&mut self, kind: u8, id: &Id, meta: &[u8], payload: &[u8]) {
        let start = self.buffer.len();
        let length = (HEADER - 8 + meta.len() + payload.len()) as u32;
        self.buffer.extend_from_slice(&length.to_le_bytes());
        self.buffer.extend_from_slice(&[0; 4]);
        self.buffer.push(kind);
        self.buffer.extend_from_slice(id);
        self.buffer.extend_from_slice(&(meta.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(meta);
        self.buffer.extend_from_slice(payload);
        let sum = crc32fast::hash(&self.buffer[start + 8..]);
        self.buffer[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    }

    /// Writes the buffer; the places so far are told from its start.
    fn flush(&mut self, places: &mut [Place]) -> Result<Place> {
        if self.buffer.is_empty() {
            return Ok(0);
        }
        let beginning = match self.wal.append(&self.buffer) {
            Ok(lsn) => lsn,
            Err(error) => {
                // The failed record leaves a hole, and later ones would be acknowledged behind it. An empty log would be opened anew.
                if let Some(last) = self.last {
                    self.wal.truncate_after(last)?;
                }
                return Err(error.into());
            }
        };
        self.last = Some(beginning);
        let beginning = beginning.get();
        self.buffer.clear();
        for place in places {
            *place += beginning + FRAME;
        }
        Ok(beginning)
    }
}

impl Store for WalDb {
    fn write(&mut self, ops: &[Op<'_>], places: &mut Vec<Place>) -> Result<()> {
        places.clear();
        self.buffer.clear();
        for op in ops {
            places.push(self.buffer.len() as u64);
            match op {
                Op::Enqueue { id, meta, payload } => self.put(QUEUED, id, meta, payload),
                Op::Settle { id, record, .. } => self.put(ENDED, id, record, &[]),
                // The tasks to keep are counted again at the next start.
                Op::Forget { .. } => {}
            }
            if !self.grouped {
                let last = places.len() - 1;
                self.flush(&mut places[last..])?;
            }
        }
        let group = if self.grouped { Some(self.flush(places)?) } else { None };
        if self.durability == Durability::Disk {
            self.wal.sync()?;
        }
        for (op, at) in ops.iter().zip(places.iter()) {
            match op {
                Op::Enqueue { .. } => self.live.add(*at, group.unwrap_or(at.saturating_sub(FRAME))),
                Op::Settle { place, .. } => {
                    self.live.remove(*place);
                    self.live.add(*at, group.unwrap_or(at.saturating_sub(FRAME)));
                }
                Op::Forget { place, .. } => self.live.remove(*place),
            }
        }
        if let Some(keep) = self.live.trim(self.wal.len()) {
            let _head = self.wal.truncate_before(Lsn::new(keep))?;
        }
        Ok(())
    }

    fn payload(&mut self, _: &Id, place: Place) -> Result<Vec<u8>> {
        let mut head = [0; HEADER];
        ensure!(self.files.read_at(place, &mut head)? == HEADER, "no such record");
        let length = u32::from_le_bytes(head[..4].try_into()?) as usize + 8;
        let mut record = vec![0; length];
        ensure!(self.files.read_at(place, &mut record)? == length, "no such record");
        let sum = u32::from_le_bytes(head[4..8].try_into()?);
        ensure!(crc32fast::hash(&record[8..]) == sum, "the record at {place} is damaged");
        let meta = u32::from_le_bytes(head[HEADER - 4..].try_into()?) as usize;
        Ok(record.split_off(HEADER + meta))
    }

    fn recover(&mut self, each: &mut OnTask<'_>) -> Result<()> {
        let mut replay = Replay::default();
        for group in self.wal.iter()? {
            let group = group?;
            self.last = Some(group.lsn());
            let start = group.lsn().get() + FRAME;
            let (data, mut at) = (group.data(), 0);
            while at < data.len() {
                let length = u32::from_le_bytes(data[at..at + 4].try_into()?) as usize + 8;
                let record = &data[at..at + length];
                let meta = u32::from_le_bytes(record[HEADER - 4..HEADER].try_into()?) as usize;
                replay.take(
                    start + at as u64,
                    group.lsn().get(),
                    record[8],
                    record[9..25].try_into()?,
                    &record[HEADER..HEADER + meta],
                );
                at += length;
            }
        }
        replay.finish(&mut self.live, each);
        Ok(())
    }
}

const BEGINNING: &str = "beginning";

fn error(context: &'static str, source: io::Error) -> WalError {
    WalError::Io { context, source }
}

/// The log's files, for the log and for single reads. A test would put faults in here.
struct Shared(Arc<SegmentedStore>);

impl WalStore for Shared {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), WalError> {
        self.0.write_at(offset, bytes)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, WalError> {
        self.0.read_at(offset, buffer)
    }

    fn truncate(&self, len: u64) -> Result<(), WalError> {
        self.0.truncate(len)
    }

    fn sync(&self) -> Result<(), WalError> {
        self.0.sync()
    }

    fn len(&self) -> Result<u64, WalError> {
        self.0.len()
    }

    fn head(&self) -> Result<u64, WalError> {
        let own = match fs::read(self.0.dir().join(BEGINNING)) {
            Ok(bytes) => {
                let bytes = bytes.try_into().map_err(|_| io::Error::other("its length is wrong"));
                u64::from_le_bytes(bytes.map_err(|source| error("reading the log's beginning", source))?)
            }
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(error("reading the log's beginning", source)),
        };
        Ok(own.max(self.0.head()?))
    }

    fn truncate_before(&self, offset: u64) -> Result<u64, WalError> {
        let new = self.0.dir().join("beginning.new");
        fs::write(&new, offset.to_le_bytes())
            .and_then(|()| fs::rename(&new, self.0.dir().join(BEGINNING)))
            .map_err(|source| error("writing the log's beginning", source))?;
        self.0.truncate_before(offset)
    }
}
