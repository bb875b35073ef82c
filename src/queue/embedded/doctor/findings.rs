//! What an examination found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalogue::Catalogue;
use super::raw::LogBytes;
use super::scan::Scanned;
use crate::task::TaskState;

/// What an examination found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The directory of the log.
    pub directory: String,
    /// Its files, oldest first.
    pub files: Vec<LogFile>,
    /// Where the log begins: what was before that was dropped long ago.
    pub beginning: u64,
    /// Where it ends.
    pub end: u64,
    /// Groups that are whole.
    pub groups: u64,
    /// Entries that are whole.
    pub entries: u64,
    /// Tasks that can be read, by state.
    pub tasks: TaskCounts,
    /// Bytes that are of use.
    pub live_bytes: u64,
    /// What the next start cuts off.
    pub torn_tail: Option<TornTail>,
    /// What is wrong; nothing if the log is sound.
    pub damages: Vec<Damage>,
    /// Tasks of which there is only what came after their submission: they are lost.
    pub lost_tasks: u64,
    /// Tasks that can be read, but for their attempts or their result.
    pub incomplete_tasks: u64,
}

/// A file of the log.
#[derive(Clone, Debug, Serialize)]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Tasks by state.
pub type TaskCounts = BTreeMap<&'static str, u64>;

/// Bytes at the end that are no whole group: the last write was under way when the balancer ended, and was never acknowledged.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TornTail {
    /// How many.
    pub bytes: u64,
    /// Whole entries in them. They are told, exported and kept by a repair; a start does without them.
    pub entries: u64,
}

/// A part of the log that cannot be read.
#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    /// The file it begins in.
    pub file: String,
    /// Where in that file.
    pub offset: u64,
    /// How far the next group is that can be read. Not all of that need be damaged.
    pub bytes: u64,
    /// What is wrong there.
    pub reason: String,
}

impl Findings {
    pub(super) fn new(
        bytes: &LogBytes,
        catalogue: &Catalogue,
        beginning: u64,
        scanned: Scanned,
        wrong: Option<Damage>,
    ) -> Self {
        let mut tasks: TaskCounts = TaskState::ALL.iter().map(|state| (state.word(), 0)).collect();
        let (mut live_bytes, mut incomplete) = (0, 0);
        for (_, known) in catalogue.tasks() {
            *tasks.entry(known.standing.state().word()).or_default() += 1;
            live_bytes += known.places().map(|place| u64::from(place.length)).sum::<u64>();
            incomplete += u64::from(known.lacks_something());
        }
        let damages: Vec<Damage> = wrong.into_iter().chain(scanned.damages).collect();
        // Of a task that was forgotten its last changes may be there still. All of those had ended.
        let lost = |ended: bool| !ended || beginning == 0;
        let lost = catalogue.orphans().filter(|(_, known)| lost(known.standing.state().is_ending())).count() as u64;
        Self {
            directory: bytes.directory().display().to_string(),
            files: bytes
                .segments()
                .iter()
                .map(|segment| LogFile { name: LogBytes::name(segment.number), bytes: segment.bytes })
                .collect(),
            beginning,
            end: bytes.end(),
            groups: scanned.groups,
            entries: scanned.entries,
            tasks,
            live_bytes,
            torn_tail: scanned.tail.map(|(bytes, entries)| TornTail { bytes, entries }),
            lost_tasks: if damages.is_empty() { 0 } else { lost },
            incomplete_tasks: if damages.is_empty() { 0 } else { incomplete },
            damages,
        }
    }

    /// Whether a balancer starts on this log. A torn end is fine.
    pub const fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    /// Whether a repair saves anything that a start does not.
    pub fn is_worth_repairing(&self) -> bool {
        !self.is_sound() || self.torn_tail.is_some_and(|tail| tail.entries > 0)
    }

    /// How many tasks can be read.
    pub fn task_count(&self) -> u64 {
        self.tasks.values().sum()
    }
}
