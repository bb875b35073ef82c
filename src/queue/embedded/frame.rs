//! How entries lie in a group of the log: `length, checksum, kind, body`. The checksum is of another kind than the log's own, so that
//! the log never takes an entry for one of its records.

use crate::queue::ledger::Place;

/// What stands before a body: its length (with the kind), the checksum, the kind.
const HEADER: usize = 4 + 4 + 1;

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The log's beginning: its format.
    Header = 0,
    /// The fixed part of a task.
    Task = 1,
    /// What changed about a task.
    Change = 2,
    /// A task was forgotten on request.
    Forgotten = 3,
    /// A lane was paused or resumed.
    Lane = 4,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        [Self::Header, Self::Task, Self::Change, Self::Forgotten, Self::Lane].get(usize::from(number)).copied()
    }
}

/// An entry cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("an entry is cut off")]
    Short,
    #[error("the checksum of an entry is wrong")]
    Checksum,
    #[error("an entry is of an unknown kind ({0})")]
    Kind(u8),
    #[error("an entry does not say what it should: {0}")]
    Body(String),
}

impl From<postcard::Error> for FrameError {
    fn from(error: postcard::Error) -> Self {
        Self::Body(error.to_string())
    }
}

/// Adds an entry, whose body `write` adds; gives where it lies in the buffer.
pub(super) fn put<E>(
    buffer: &mut Vec<u8>,
    kind: Kind,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<std::ops::Range<usize>, E> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEADER - 1]);
    buffer.push(kind as u8);
    if let Err(error) = write(buffer) {
        buffer.truncate(start);
        return Err(error);
    }
    let summed = start + HEADER - 1;
    let length = u32::try_from(buffer.len() - summed).unwrap_or(u32::MAX);
    let sum = crc32fast::hash(&buffer[summed..]);
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
    buffer[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
    Ok(start..buffer.len())
}

/// An entry as it lies in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) body: &'a [u8],
    /// All of it.
    pub(super) bytes: &'a [u8],
}

/// Reads the entry at the beginning of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let (length, sum) = number(0).zip(number(4)).ok_or(FrameError::Short)?;
    let end = (HEADER - 1).checked_add(length as usize).ok_or(FrameError::Short)?;
    let summed = bytes.get(HEADER - 1..end).ok_or(FrameError::Short)?;
    let (kind, body) = summed.split_first().ok_or(FrameError::Short)?;
    if crc32fast::hash(summed) != sum {
        return Err(FrameError::Checksum);
    }
    Ok(Frame { kind: Kind::of(*kind).ok_or(FrameError::Kind(*kind))?, body, bytes: &bytes[..end] })
}

/// The entries of a group that begins at `start` of the log.
pub(super) fn entries(group: &[u8], start: u64) -> impl Iterator<Item = Result<(Place, Frame<'_>), FrameError>> {
    let mut rest = group;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let at = start + (group.len() - rest.len()) as u64;
        Some(
            read(rest)
                .map(|frame| {
                    rest = &rest[frame.bytes.len()..];
                    (Place { offset: at, length: u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX) }, frame)
                })
                .inspect_err(|_| rest = &[]),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Vec<u8> {
        let mut buffer = Vec::new();
        for (kind, text) in [(Kind::Task, "one"), (Kind::Change, ""), (Kind::Lane, "three")] {
            put::<()>(&mut buffer, kind, |buffer| {
                buffer.extend_from_slice(text.as_bytes());
                Ok(())
            })
            .unwrap();
        }
        buffer
    }

    #[test]
    fn entries_come_back_with_their_places() {
        let group = group();
        let read: Vec<_> = entries(&group, 100).map(Result::unwrap).collect();
        let kinds: Vec<_> = read.iter().map(|(place, frame)| (place.offset, frame.kind, frame.body)).collect();
        assert_eq!(kinds, [(100, Kind::Task, &b"one"[..]), (112, Kind::Change, b""), (121, Kind::Lane, b"three")]);
    }

    #[test]
    fn a_changed_bit_is_seen_wherever_it_is() {
        let group = group();
        for bit in 0..group.len() * 8 {
            let mut damaged = group.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(entries(&damaged, 0).any(|entry| entry.is_err()), "bit {bit}");
        }
    }

    #[test]
    fn what_could_not_be_written_leaves_no_trace() {
        let mut buffer = group();
        let before = buffer.clone();
        put(&mut buffer, Kind::Task, |buffer| {
            buffer.push(1);
            Err("no")
        })
        .unwrap_err();
        assert_eq!(buffer, before);
    }
}
