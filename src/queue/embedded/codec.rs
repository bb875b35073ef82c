//! What the entries of the log say. Their form is postcard's: fields in order, numbers of variable length, nothing self-describing; so
//! a field is never added, removed or moved without another [`FORMAT`], nor a name of [`Mode`] or
//! [`AttemptOutcome`](crate::task::AttemptOutcome), which are told by their place.

mod change;
mod task;

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use super::frame::{self, FrameError, Kind};
use crate::queue::ledger::{Order, Phase, Standing};
use crate::task::{Contract, LaneKey, Mode, Priority, TaskId, Timestamp};

pub(super) use self::change::{AttemptsAndEnd, put_change, read_change, read_change_head};
pub(super) use self::task::{put_task, read_task, read_task_head};

/// The form of all entries.
pub(super) const FORMAT: u32 = 2;

/// Where a task stands, as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct StandingRow {
    phase: PhaseRow,
    priority: u32,
    sequence: u64,
    expires_at: i64,
    version: u32,
    attempts: u32,
    earlier: u32,
    interruptions: u16,
    mode: Mode,
    owes_notice: bool,
}

#[derive(Debug, Serialize, Deserialize)]
enum PhaseRow {
    Queued,
    Delayed(i64),
    Running,
    Completed(i64),
    Failed(i64),
    Cancelled(i64),
}

impl From<&Standing> for StandingRow {
    fn from(standing: &Standing) -> Self {
        Self {
            phase: match standing.phase {
                Phase::Queued => PhaseRow::Queued,
                Phase::Delayed(at) => PhaseRow::Delayed(at.as_millis()),
                Phase::Running => PhaseRow::Running,
                Phase::Completed(at) => PhaseRow::Completed(at.as_millis()),
                Phase::Failed(at) => PhaseRow::Failed(at.as_millis()),
                Phase::Cancelled(at) => PhaseRow::Cancelled(at.as_millis()),
            },
            priority: Priority::rank(standing.order.priority()),
            sequence: standing.order.sequence(),
            expires_at: standing.expires_at.as_millis(),
            version: standing.version,
            attempts: standing.attempts,
            earlier: standing.earlier,
            interruptions: standing.interruptions,
            mode: standing.mode,
            owes_notice: standing.owes_notice,
        }
    }
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        Self {
            phase: match row.phase {
                PhaseRow::Queued => Phase::Queued,
                PhaseRow::Delayed(at) => Phase::Delayed(Timestamp::from_millis(at)),
                PhaseRow::Running => Phase::Running,
                PhaseRow::Completed(at) => Phase::Completed(Timestamp::from_millis(at)),
                PhaseRow::Failed(at) => Phase::Failed(Timestamp::from_millis(at)),
                PhaseRow::Cancelled(at) => Phase::Cancelled(Timestamp::from_millis(at)),
            },
            order: Order::new(Priority::new(row.priority), row.sequence),
            expires_at: Timestamp::from_millis(row.expires_at),
            version: row.version,
            attempts: row.attempts,
            earlier: row.earlier,
            interruptions: row.interruptions,
            mode: row.mode,
            owes_notice: row.owes_notice,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct LaneRow<'a> {
    group: &'a str,
    contract: f64,
}

impl<'a> From<&'a LaneKey> for LaneRow<'a> {
    fn from(lane: &'a LaneKey) -> Self {
        Self { group: &lane.group, contract: lane.contract.as_f64() }
    }
}

impl TryFrom<LaneRow<'_>> for LaneKey {
    type Error = FrameError;

    fn try_from(row: LaneRow<'_>) -> Result<Self, FrameError> {
        let contract =
            Contract::new(row.contract).ok_or_else(|| FrameError::Body("a contract is no number".to_owned()))?;
        Ok(Self::new(row.group, contract))
    }
}

/// Adds the log's header.
pub(super) fn put_header(buffer: &mut Vec<u8>) -> Result<(), FrameError> {
    put(buffer, Kind::Header, &FORMAT).map(drop)
}

/// Reads the log's header: its format.
pub(super) fn read_header(body: &[u8]) -> Result<u32, FrameError> {
    Ok(postcard::from_bytes(body)?)
}

/// Adds that a task was forgotten.
pub(super) fn put_forgotten(buffer: &mut Vec<u8>, id: TaskId) -> Result<(), FrameError> {
    put(buffer, Kind::Forgotten, &id.as_u128().to_be_bytes()).map(drop)
}

/// Reads which task was forgotten.
pub(super) fn read_forgotten(body: &[u8]) -> Result<TaskId, FrameError> {
    Ok(TaskId::from_u128(u128::from_be_bytes(postcard::from_bytes(body)?)))
}

/// Adds that a lane was paused or resumed.
pub(super) fn put_lane(buffer: &mut Vec<u8>, lane: &LaneKey, paused: bool) -> Result<(), FrameError> {
    put(buffer, Kind::Lane, &(LaneRow::from(lane), paused)).map(drop)
}

/// Reads which lane was paused or resumed.
pub(super) fn read_lane(body: &[u8]) -> Result<(LaneKey, bool), FrameError> {
    let (lane, paused): (LaneRow<'_>, bool) = postcard::from_bytes(body)?;
    Ok((lane.try_into()?, paused))
}

fn put(buffer: &mut Vec<u8>, kind: Kind, row: &impl Serialize) -> Result<std::ops::Range<usize>, FrameError> {
    frame::put(buffer, kind, |buffer| {
        postcard::serialize_with_flavor(row, EndOf(buffer))?;
        Ok(())
    })
}

/// Writes to the end of a buffer, byte by byte where it is only a byte: most fields are.
struct EndOf<'a>(&'a mut Vec<u8>);

impl Flavor for EndOf<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
