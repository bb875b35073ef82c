//! Reads the detail of tasks.

use std::sync::Arc;

use super::codec;
use super::frame::{self, FrameError};
use super::log::{LogReader, ReadError};
use crate::queue::Sealer;
use crate::queue::ledger::{Detail, Place, Stored};

/// Reads the detail of tasks, on any thread that may block.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    log: LogReader,
    sealer: Arc<Sealer>,
}

impl Reader {
    pub(super) const fn new(log: LogReader, sealer: Arc<Sealer>) -> Self {
        Self { log, sealer }
    }

    /// An entry as it is in the log, unchecked.
    pub(super) fn bytes(&self, place: Place) -> Result<Vec<u8>, ReadError> {
        self.log.read(place)
    }

    /// The detail of a task.
    pub(super) fn load(&self, mut stored: Stored) -> Result<Detail, ReadError> {
        let bytes = self.log.read(stored.task)?;
        let spec = codec::read_task(frame::read(&bytes)?.body, |id, sealed| self.sealer.open(id, sealed))?;
        if spec.id != stored.id {
            return Err(another(spec.id).into());
        }
        let mut detail = Detail { spec: Arc::new(spec), attempts: Vec::new(), end: stored.ending.take() };
        if let Some(place) = stored.history {
            detail.attempts = self.change(&stored, place)?.0.unwrap_or_default();
        }
        if let Some(place) = stored.end.filter(|_| detail.end.is_none()) {
            detail.end = self.change(&stored, place)?.1;
        }
        Ok(detail)
    }

    fn change(&self, stored: &Stored, place: Place) -> Result<codec::AttemptsAndEnd, ReadError> {
        let bytes = self.log.read(place)?;
        let (id, change) = codec::read_change(frame::read(&bytes)?.body)?;
        if id == stored.id { Ok(change) } else { Err(another(id).into()) }
    }
}

fn another(id: crate::task::TaskId) -> FrameError {
    FrameError::Body(format!("it is about {id}"))
}
