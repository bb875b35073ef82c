//! The books come back from the log.

use std::path::Path;
use std::time::Instant;

use super::codec;
use super::error::OpenError;
use super::files::Files;
use super::frame::{Frame, FrameError, Kind};
use super::journal::Journal;
use super::log::Log;
use super::sizes::Sizes;
use super::space::Space;
use crate::config::Durability;
use crate::queue::ledger::{Ledger, Place, Written};

/// Opens the log and fills the books from it.
pub(super) fn recover(
    directory: &Path,
    files: &Files,
    sizes: Sizes,
    durability: Durability,
    ledger: &Ledger<Journal>,
) -> Result<(Log, Space), OpenError> {
    let began = Instant::now();
    let space = std::cell::RefCell::new(Space::new(sizes));
    let log = Log::open(
        directory,
        files,
        durability,
        |group| space.borrow_mut().group(group.start, group.end),
        |place, frame| take_in(ledger, &mut space.borrow_mut(), place, frame),
    )?;
    if log.torn() > 0 {
        tracing::warn!(
            bytes = log.torn(),
            "the end of the queue's log was torn, and is cut off: it was never acknowledged"
        );
    }
    let found = ledger.restored();
    let space = space.into_inner();
    if found.waiting + found.interrupted + found.ended > 0 {
        tracing::info!(
            waiting = found.waiting,
            interrupted = found.interrupted,
            ended = found.ended,
            log_bytes = space.size(),
            took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "recovered the tasks of the last run"
        );
    }
    Ok((log, space))
}

fn take_in(ledger: &Ledger<Journal>, space: &mut Space, place: Place, frame: Frame<'_>) -> Result<(), FrameError> {
    match frame.kind {
        Kind::Task => {
            space.used(place);
            let useless = ledger.restore_task(codec::read_task_head(frame.body)?, place);
            useless.into_iter().for_each(|place| space.useless(place));
        }
        Kind::Change => {
            let (id, standing, part) = codec::read_change_head(frame.body)?;
            space.used(place);
            let written = Written { version: standing.version, place, part };
            let useless = ledger.restore_part(id, &standing, written);
            useless.into_iter().for_each(|place| space.useless(place));
        }
        Kind::Forgotten => {
            let useless = ledger.restore_forgotten(codec::read_forgotten(frame.body)?);
            useless.into_iter().flatten().for_each(|place| space.useless(place));
        }
        Kind::Lane => {
            let (lane, paused) = codec::read_lane(frame.body)?;
            ledger.restore_paused(&lane, paused);
        }
        Kind::Header => {}
    }
    Ok(())
}
