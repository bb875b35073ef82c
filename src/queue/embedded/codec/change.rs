//! What changes about a task.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{FrameError, Kind, StandingRow, put};
use crate::queue::ledger::{End, Part, Standing};
use crate::task::{Attempt, AttemptOutcome, Candidate, Choice, ErrorCode, StoredResult, TaskId, Timestamp};

#[derive(Serialize, Deserialize)]
struct HeadRow {
    id: [u8; 16],
    standing: StandingRow,
    attempts: bool,
    end: bool,
}

#[derive(Serialize, Deserialize)]
struct RestRow<'a> {
    #[serde(borrow)]
    attempts: Option<Vec<AttemptRow<'a>>>,
    end: Option<EndRow<'a>>,
}

#[derive(Serialize, Deserialize)]
struct AttemptRow<'a> {
    n: u32,
    worker: &'a str,
    started_at: i64,
    ended_at: Option<i64>,
    outcome: Option<AttemptOutcome>,
    status: Option<u16>,
    policy: &'a str,
    version: &'a str,
    fallback: Option<&'a str>,
    rank: u32,
    candidates: u32,
    took_us: u32,
    signals: Candidate,
    left_out: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct EndRow<'a> {
    error: Option<&'a str>,
    code: Option<&'a str>,
    #[serde(borrow)]
    result: Option<ResultRow<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ResultRow<'a> {
    status: u16,
    content_type: Option<&'a str>,
    truncated: bool,
    #[serde(with = "serde_bytes")]
    body: &'a [u8],
}

/// The attempts and the end of a task, as far as an entry tells them.
pub(in crate::queue::embedded) type AttemptsAndEnd = (Option<Vec<Attempt>>, Option<End>);

/// Adds a change.
pub(in crate::queue::embedded) fn put_change(
    buffer: &mut Vec<u8>,
    id: TaskId,
    standing: &Standing,
    attempts: Option<&[Attempt]>,
    end: Option<&End>,
) -> Result<std::ops::Range<usize>, FrameError> {
    let head = HeadRow {
        id: id.as_u128().to_be_bytes(),
        standing: standing.into(),
        attempts: attempts.is_some(),
        end: end.is_some(),
    };
    let rest = RestRow {
        attempts: attempts.map(|attempts| attempts.iter().map(AttemptRow::from).collect()),
        end: end.map(EndRow::from),
    };
    put(buffer, Kind::Change, &(head, rest))
}

/// Reads whose change it is, how the task stood then, and what else there is.
pub(in crate::queue::embedded) fn read_change_head(body: &[u8]) -> Result<(TaskId, Standing, Part), FrameError> {
    let (head, _): (HeadRow, _) = postcard::take_from_bytes(body)?;
    let id = TaskId::from_u128(u128::from_be_bytes(head.id));
    Ok((id, head.standing.into(), Part::Change { attempts: head.attempts, end: head.end }))
}

/// Reads the attempts and the end.
pub(in crate::queue::embedded) fn read_change(body: &[u8]) -> Result<(TaskId, AttemptsAndEnd), FrameError> {
    let (head, rest): (HeadRow, RestRow<'_>) = postcard::from_bytes(body)?;
    let attempts = rest.attempts.map(|attempts| attempts.into_iter().map(Attempt::from).collect());
    Ok((TaskId::from_u128(u128::from_be_bytes(head.id)), (attempts, rest.end.map(End::from))))
}

impl<'a> From<&'a Attempt> for AttemptRow<'a> {
    fn from(attempt: &'a Attempt) -> Self {
        Self {
            n: attempt.n,
            worker: &attempt.worker,
            started_at: attempt.started_at.as_millis(),
            ended_at: attempt.ended_at.map(Timestamp::as_millis),
            outcome: attempt.outcome,
            status: attempt.status,
            policy: &attempt.why.policy,
            version: &attempt.why.version,
            fallback: attempt.why.fallback.as_deref(),
            rank: attempt.why.rank,
            candidates: attempt.why.candidates,
            took_us: attempt.why.took_us,
            signals: attempt.why.signals,
            left_out: attempt.why.left_out.as_deref(),
        }
    }
}

impl From<AttemptRow<'_>> for Attempt {
    fn from(row: AttemptRow<'_>) -> Self {
        Self {
            n: row.n,
            worker: row.worker.into(),
            started_at: Timestamp::from_millis(row.started_at),
            ended_at: row.ended_at.map(Timestamp::from_millis),
            outcome: row.outcome,
            status: row.status,
            why: Arc::new(Choice {
                policy: row.policy.into(),
                version: row.version.into(),
                fallback: row.fallback.map(Into::into),
                rank: row.rank,
                candidates: row.candidates,
                took_us: row.took_us,
                signals: row.signals,
                left_out: row.left_out.map(Into::into),
            }),
        }
    }
}

impl<'a> From<&'a End> for EndRow<'a> {
    fn from(end: &'a End) -> Self {
        Self {
            error: end.error.as_deref(),
            code: end.code.map(ErrorCode::word),
            result: end.result.as_ref().map(|result| ResultRow {
                status: result.status,
                content_type: result.content_type.as_deref(),
                truncated: result.truncated,
                body: &result.body,
            }),
        }
    }
}

impl From<EndRow<'_>> for End {
    fn from(row: EndRow<'_>) -> Self {
        Self {
            error: row.error.map(Into::into),
            // A word that this version does not know any more is an error of some kind still.
            code: row.code.map(|word| ErrorCode::from_word(word).unwrap_or(ErrorCode::Internal)),
            result: row.result.map(|result| StoredResult {
                status: result.status,
                content_type: result.content_type.map(Into::into),
                truncated: result.truncated,
                body: Bytes::copy_from_slice(result.body),
            }),
        }
    }
}
