//! The yardstick: files that are only appended to, one write(2) a group, a checksum a record, a file deleted when nothing in it lives.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::live::{Live, Replay, SEGMENT};
use crate::store::{Durability, ENDED, Id, OnTask, Op, Place, QUEUED, Store};

/// Length, checksum, kind, id, length of the metadata.
const HEADER: usize = 4 + 4 + 1 + 16 + 4;

pub struct Plain {
    directory: PathBuf,
    durability: Durability,
    files: BTreeMap<u64, File>,
    segment: u64,
    length: u64,
    buffer: Vec<u8>,
    live: Live,
    _lock: File,
}

impl Plain {
    pub fn open(directory: &Path, durability: Durability) -> Result<Self> {
        let lock = File::create(directory.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("locked by another process"),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut store = Self {
            directory: directory.to_owned(),
            durability,
            files: BTreeMap::new(),
            segment: 0,
            length: 0,
            buffer: Vec::new(),
            live: Live::default(),
            _lock: lock,
        };
        for entry in std::fs::read_dir(directory)? {
            let name = entry?.file_name();
            if let Some(segment) = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok()) {
                store.open_segment(segment)?;
            }
        }
        match store.files.last_key_value() {
            Some((last, file)) => (store.segment, store.length) = (*last, file.metadata()?.len()),
            None => store.open_segment(0)?,
        }
        Ok(store)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.directory.join(format!("{segment:010}.log"))
    }

    fn open_segment(&mut self, segment: u64) -> Result<()> {
        let file = OpenOptions::new().create(true).read(true).append(true).open(self.path(segment))?;
        self.files.insert(segment, file);
        Ok(())
    }

    fn place(&self) -> Place {
        self.segment * SEGMENT + self.length + self.buffer.len() as u64
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

    fn flush(&mut self) -> Result<()> {
        let mut file = &self.files[&self.segment];
        if let Err(error) = file.write_all(&self.buffer) {
            // What was written of the group is taken back, or the next group would stand behind a torn record.
            self.buffer.clear();
            file.set_len(self.length)?;
            return Err(error.into());
        }
        if self.durability == Durability::Disk {
            file.sync_data()?;
        }
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn rotate(&mut self) -> Result<()> {
        if self.length >= SEGMENT - 1024 * 1024 {
            self.segment += 1;
            self.length = 0;
            self.open_segment(self.segment)?;
            if self.durability == Durability::Disk {
                File::open(&self.directory)?.sync_all()?;
            }
        }
        if let Some(keep) = self.live.trim(self.place()) {
            let kept = self.files.split_off(&(keep / SEGMENT));
            for segment in std::mem::replace(&mut self.files, kept).into_keys() {
                std::fs::remove_file(self.path(segment))?;
            }
        }
        Ok(())
    }
}

impl Store for Plain {
    fn write(&mut self, ops: &[Op<'_>], places: &mut Vec<Place>) -> Result<()> {
        places.clear();
        for op in ops {
            let place = self.place();
            match op {
                Op::Enqueue { id, meta, payload } => self.put(QUEUED, id, meta, payload),
                Op::Settle { id, record, .. } => self.put(ENDED, id, record, &[]),
                // The tasks to keep are counted again at the next start.
                Op::Forget { .. } => {}
            }
            places.push(place);
        }
        self.flush()?;
        for (op, at) in ops.iter().zip(places.iter()) {
            match op {
                Op::Enqueue { .. } => self.live.add(*at, *at),
                Op::Settle { place, .. } => {
                    self.live.remove(*place);
                    self.live.add(*at, *at);
                }
                Op::Forget { place, .. } => self.live.remove(*place),
            }
        }
        self.rotate()
    }

    fn payload(&mut self, _: &Id, place: Place) -> Result<Vec<u8>> {
        let file = self.files.get(&(place / SEGMENT)).context("no such segment")?;
        let mut head = [0; 4];
        file.read_exact_at(&mut head, place % SEGMENT)?;
        let mut record = vec![0; u32::from_le_bytes(head) as usize + 8];
        file.read_exact_at(&mut record, place % SEGMENT)?;
        let meta = u32::from_le_bytes(record[HEADER - 4..HEADER].try_into()?) as usize;
        Ok(record.split_off(HEADER + meta))
    }

    fn recover(&mut self, each: &mut OnTask<'_>) -> Result<()> {
        let mut replay = Replay::default();
        let last = self.segment;
        for (segment, file) in &self.files {
            let bytes = std::fs::read(self.path(*segment))?;
            let mut at = 0;
            while let Some(record) = intact(&bytes[at..]) {
                let meta = u32::from_le_bytes(record[HEADER - 4..HEADER].try_into()?) as usize;
                let id = record[9..25].try_into()?;
                let place = segment * SEGMENT + at as u64;
                replay.take(place, place, record[8], id, &record[HEADER..HEADER + meta]);
                at += record.len();
            }
            if at < bytes.len() {
                // A torn tail has nothing intact behind it.
                let behind = (at + 1..bytes.len()).any(|from| intact(&bytes[from..]).is_some());
                if *segment != last || behind {
                    bail!("{} is damaged at byte {at}", self.path(*segment).display());
                }
                eprintln!("plain: torn tail of {} bytes cut", bytes.len() - at);
                file.set_len(at as u64)?;
                self.length = at as u64;
            }
        }
        replay.finish(&mut self.live, each);
        Ok(())
    }
}

fn intact(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    if length < HEADER - 8 {
        return None;
    }
    let record = bytes.get(..length.checked_add(8)?)?;
    (crc32fast::hash(&record[8..]) == u32::from_le_bytes(record[4..8].try_into().ok()?)).then_some(record)
}
