//! Tasks by filter, page by page.

use redis::Value;

use super::answer::{Answer, number, word};
use super::steps::Step;
use super::{BullmqQueue, record};
use crate::queue::{QueueError, TaskFilter, TaskPage};
use crate::task::{LaneKey, TaskId, TaskState, lane_name};

/// How many tasks of the index are gone through at once.
const PORTION: usize = 1_000;
/// How many of them are read at once: about a page.
const IN_DETAIL: usize = 64;

impl BullmqQueue {
    /// Tasks that match, newest first. What the index alone shows not to match is never read.
    pub(super) async fn pages(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError> {
        let mut page = TaskPage::default();
        let mut before = filter.before;
        loop {
            let newest = self.step(Step::new("newest").maybe(before).of(PORTION)).await?;
            let portion: Vec<(TaskId, LaneKey)> =
                Answer::expect(newest)?.filter_map(|member| indexed(word(&member))).collect();
            let Some((oldest, _)) = portion.last() else { return Ok(page) };
            before = Some(*oldest);
            for some in portion.chunks(IN_DETAIL) {
                let ids = self.promising(some, filter).await?;
                let looks = self.steps(ids.iter().map(|id| Step::look(*id)).collect(), Ok).await;
                let mut records = Vec::with_capacity(ids.len());
                for (id, look) in ids.into_iter().zip(looks) {
                    records.extend(record::record(id, look?, &self.sealer)?);
                }
                if !page.extend(records, filter) {
                    return Ok(page);
                }
            }
        }
    }

    /// Those that may match by their lane and state.
    async fn promising(&self, some: &[(TaskId, LaneKey)], filter: &TaskFilter) -> Result<Vec<TaskId>, QueueError> {
        let in_lane = some.iter().filter(|(_, lane)| {
            let states = if filter.states.is_empty() { &TaskState::ALL[..] } else { &filter.states };
            states.iter().any(|state| filter.may_match(lane, *state))
        });
        let ids: Vec<TaskId> = in_lane.map(|(id, _)| *id).collect();
        if filter.states.is_empty() {
            return Ok(ids);
        }
        let looks = ids.iter().map(|id| Step::new("look").of(id).flag(true)).collect();
        let wanted = |value: Value| Ok(filter.states.iter().any(|state| state.word() == word(&value)));
        let mut promising = Vec::new();
        for (id, wanted) in ids.into_iter().zip(self.steps(looks, wanted).await) {
            if wanted? {
                promising.push(id);
            }
        }
        Ok(promising)
    }

    /// Forgets the ended tasks that match; says how many.
    pub(super) async fn forget_matching(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        let mut filter = TaskFilter { limit: PORTION, ..filter.clone() };
        let mut forgotten = 0;
        loop {
            let page = self.pages(&filter).await?;
            let ended = page.tasks.iter().filter_map(|record| Some((record.spec.id, record.finished_at?)));
            let steps = ended.map(|(id, at)| Step::new("forget").of(id).of(at.as_millis())).collect();
            for one in self.steps(steps, |value| Ok(number(&value).unwrap_or(0))).await {
                forgotten += one?;
            }
            match page.next {
                Some(next) => filter.before = Some(next),
                None => return Ok(forgotten),
            }
        }
    }
}

/// What a member of the index names.
fn indexed(member: &str) -> Option<(TaskId, LaneKey)> {
    let (id, lane) = member.split_once(' ')?;
    Some((id.parse().ok()?, lane_name::parse(lane)?))
}
