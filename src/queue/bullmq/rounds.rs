//! What falls due, and what other tools do without telling.

use std::time::Duration;

use redis::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::BullmqQueue;
use super::answer::{Answer, number};
use super::link::Live;
use super::steps::Step;
use crate::queue::{Ending, LaneCounts, QueueError, QueueEvent, StateCounts};
use crate::task::lane_name;
use crate::task::{ErrorCode, TaskState};

/// The least and the most time between two rounds.
const ROUND_PAUSE: Duration = Duration::from_millis(5);
const ROUND_INTERVAL: Duration = Duration::from_secs(1);
/// The time between two looks at all lanes, for every hundred of them.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
const LANES_A_SWEEP: usize = 100;

impl BullmqQueue {
    /// Does what falls due, until cancelled.
    pub(super) async fn rounds(&self, cancel: &CancellationToken) {
        let mut next_sweep = Instant::now();
        loop {
            self.alarm.clear();
            let mut wait = ROUND_INTERVAL;
            if let Some(live) = self.link.answering() {
                match self.round(&live).await {
                    Ok(Some(due)) => wait = due.clamp(ROUND_PAUSE, ROUND_INTERVAL),
                    Ok(None) => {}
                    Err(error) => tracing::debug!(%error, "cannot look for what is due"),
                }
                if Instant::now() >= next_sweep {
                    let lanes = self.sweep(&live).await.unwrap_or_else(|error| {
                        tracing::debug!(%error, "cannot look at the lanes");
                        0
                    });
                    let hundreds = u32::try_from(lanes.div_ceil(LANES_A_SWEEP)).unwrap_or(u32::MAX).max(1);
                    next_sweep = Instant::now() + SWEEP_INTERVAL * hundreds;
                }
            } else {
                wait = ROUND_PAUSE * 10;
            }
            let moved_up = async {
                // Set for a moment that this balancer knows of: not earlier than the next round anyway, it is left to that.
                self.alarm.moved_up().await;
                let at = self.alarm.next().map_or(wait, |at| at.since(self.clock.now()));
                tokio::time::sleep(at.max(ROUND_PAUSE)).await;
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = moved_up => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One round; says in how long there is more to do.
    async fn round(&self, live: &Live) -> Result<Option<Duration>, QueueError> {
        let mut answers = self.call_on(live, &[self.here(), Step::new("round")]).await?;
        let mut round = Answer::expect(answers.pop().unwrap_or(Value::Nil))?;
        for told in Answer::expect(round.value())? {
            let mut told = Answer::expect(told)?;
            if told.some_text("what happened")? == "claimable" {
                self.tell(QueueEvent::Claimable(told.lane()?));
                continue;
            }
            let (task, state) = (told.id()?, told.some_text("state")?);
            let state = TaskState::ALL.into_iter().find(|known| known.word() == state);
            let code = told.text().and_then(|code| ErrorCode::from_word(&code));
            self.tell(QueueEvent::Ended(Ending { task, state: state.unwrap_or(TaskState::Failed), code }));
        }
        Ok(round.number().map(Duration::from_millis))
    }

    /// Looks at all lanes, and wakes those in which tasks wait: nobody says so when another tool adds or retries one. Says how many
    /// lanes there are.
    async fn sweep(&self, live: &Live) -> Result<usize, QueueError> {
        let mut answers = self.call_on(live, &[Step::new("sweep")]).await?;
        let lanes = lanes(answers.pop().unwrap_or(Value::Nil))?;
        for lane in lanes.iter().filter(|lane| lane.counts.queued > 0 && !lane.paused) {
            self.tell(QueueEvent::Claimable(lane.lane.clone()));
        }
        Ok(lanes.len())
    }
}

/// How lanes stand; names that are no lanes' are left out.
pub(super) fn lanes(value: Value) -> Result<Vec<LaneCounts>, QueueError> {
    let counts = Answer::expect(value)?.filter_map(|told| lane_counts(told).transpose());
    let mut lanes = counts.collect::<Result<Vec<_>, _>>()?;
    lanes.sort_unstable_by(|one, other| one.lane.cmp(&other.lane));
    Ok(lanes)
}

/// How a lane stands.
pub(super) fn lane_counts(value: Value) -> Result<Option<LaneCounts>, QueueError> {
    let mut told = Answer::expect(value)?;
    let Some(lane) = lane_name::parse(&told.some_text("lane")?) else { return Ok(None) };
    let mut next = || number(&told.value()).unwrap_or(0);
    let counts = StateCounts {
        queued: next(),
        delayed: next(),
        running: next(),
        completed: next(),
        failed: next(),
        cancelled: next(),
    };
    Ok(Some(LaneCounts { lane, counts, paused: next() > 0 }))
}
