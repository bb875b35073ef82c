//! What a queue is to do, in lists that are searched from end to end.

use andera_lb::queue::{Cancelled, Enqueued, Lease, QueueError, Released, Settled, StateCounts, Waiting};
use andera_lb::task::{TaskId, TaskState};
use proptest::prelude::*;

pub(super) const LANES: usize = 2;
pub(super) const MAX_WAITING: u64 = 12;
pub(super) const MAX_INTERRUPTIONS: u32 = 2;

/// A task as it is submitted. Times are in ticks from now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Submission {
    pub(super) lane: usize,
    /// 0 is none.
    pub(super) priority: u32,
    pub(super) delay: Option<u64>,
    pub(super) lives: u64,
    pub(super) runs_once: bool,
}

/// How a claim ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Settle {
    Complete,
    Fail,
    Retry(Option<u64>),
}

/// What happens. Tasks and leases are picked by number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Enqueue(Submission),
    EnqueueAndClaim(Submission, Option<usize>),
    Claim(usize, Option<usize>),
    ClaimTask(usize),
    Settle { pick: usize, how: Settle, claim_next: bool },
    Release { pick: usize, interrupted: bool },
    Cancel(usize),
    Promote(usize),
    Reprioritize(usize, u32),
    Pause(usize, bool),
    Purge,
    Pass(u32),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let pick = 0..64_usize;
    let skip = || prop::option::weighted(0.2, 0..64_usize);
    let lane = || 0..LANES;
    prop_oneof![
        6 => submission().prop_map(Step::Enqueue),
        4 => (submission(), skip()).prop_map(|(submission, skip)| Step::EnqueueAndClaim(submission, skip)),
        6 => (lane(), skip()).prop_map(|(lane, skip)| Step::Claim(lane, skip)),
        1 => pick.clone().prop_map(Step::ClaimTask),
        5 => (0..8_usize, settle(), any::<bool>())
            .prop_map(|(pick, how, claim_next)| Step::Settle { pick, how, claim_next }),
        3 => (0..8_usize, any::<bool>()).prop_map(|(pick, interrupted)| Step::Release { pick, interrupted }),
        2 => pick.clone().prop_map(Step::Cancel),
        2 => pick.clone().prop_map(Step::Promote),
        2 => (pick, 0..4_u32).prop_map(|(pick, priority)| Step::Reprioritize(pick, priority)),
        1 => (lane(), prop::bool::weighted(0.3)).prop_map(|(lane, paused)| Step::Pause(lane, paused)),
        1 => Just(Step::Purge),
        2 => (1..4_u32).prop_map(Step::Pass),
    ]
}

fn submission() -> impl Strategy<Value = Submission> {
    let delay = prop::option::weighted(0.3, 1..5_u64);
    (0..LANES, 0..4_u32, delay, prop_oneof![1 => 1..6_u64, 3 => Just(10_000)], prop::bool::weighted(0.2))
        .prop_map(|(lane, priority, delay, lives, runs_once)| Submission { lane, priority, delay, lives, runs_once })
}

fn settle() -> impl Strategy<Value = Settle> {
    prop_oneof![Just(Settle::Complete), Just(Settle::Fail), prop::option::of(1..5_u64).prop_map(Settle::Retry),]
}

/// What a settle is to answer.
pub(super) enum Expected {
    Fresh(Settled),
    /// As it did before.
    Repeated,
    Lost,
}

#[derive(Debug)]
struct Task {
    id: TaskId,
    lane: usize,
    priority: u32,
    state: TaskState,
    run_at: Option<u64>,
    expires_at: u64,
    runs_once: bool,
    attempts: u32,
    interruptions: u32,
    token: u64,
    settled: Option<u64>,
}

/// The tasks in the order of their submission, which is their place among equals.
#[derive(Debug, Default)]
pub(super) struct Model {
    tasks: Vec<Task>,
    paused: [bool; LANES],
    now: u64,
}

impl Model {
    pub(super) fn pick(&self, pick: usize) -> Option<TaskId> {
        self.tasks.get(pick % self.tasks.len().max(1)).map(|task| task.id)
    }

    /// `claims`: with a permit in hand a task may come into an idle lane though the queue is full, since it runs at once.
    pub(super) fn enqueue(&mut self, id: TaskId, submission: Submission, claims: bool) -> Result<Enqueued, QueueError> {
        let lane = submission.lane;
        let idle =
            !self.paused[lane] && !self.tasks.iter().any(|task| task.lane == lane && task.state == TaskState::Queued);
        let runs_at_once = claims && idle && submission.delay.is_none();
        if !runs_at_once && self.tasks.iter().filter(|task| task.state.is_waiting()).count() as u64 >= MAX_WAITING {
            return Err(QueueError::Full { limit: MAX_WAITING });
        }
        self.tasks.push(Task {
            id,
            lane: submission.lane,
            priority: submission.priority,
            state: if submission.delay.is_some() { TaskState::Delayed } else { TaskState::Queued },
            run_at: submission.delay.map(|ticks| self.now + ticks),
            expires_at: self.now + submission.lives,
            runs_once: submission.runs_once,
            attempts: 0,
            interruptions: 0,
            token: 0,
            settled: None,
        });
        Ok(Enqueued::New)
    }

    /// The next task of a lane, and how many attempts it has used.
    pub(super) fn claim(&mut self, lane: usize, skip: &[TaskId]) -> Option<(TaskId, u32)> {
        if self.paused[lane] {
            return None;
        }
        let now = self.now;
        let claimable = |task: &&mut Task| {
            task.lane == lane && task.state == TaskState::Queued && task.expires_at > now && !skip.contains(&task.id)
        };
        // The first of equals, as min_by_key has it.
        let next = self.tasks.iter_mut().filter(claimable).min_by_key(|task| task.priority)?;
        Some(next.run())
    }

    pub(super) fn claim_task(&mut self, id: TaskId) -> Option<(TaskId, u32)> {
        let paused = self.paused;
        let task = self.task(id)?;
        (task.state == TaskState::Queued && !paused[task.lane]).then(|| task.run())
    }

    /// A claim was given out: its token is greater than that of every earlier claim of the task.
    pub(super) fn leased(&mut self, lease: &Lease) {
        let task = self.task(lease.task).unwrap();
        assert!(lease.token > task.token);
        task.token = lease.token;
    }

    pub(super) fn settle(&mut self, lease: &Lease, how: Settle) -> Expected {
        let now = self.now;
        let Some(task) = self.task(lease.task) else { return Expected::Lost };
        if task.settled == Some(lease.token) {
            return Expected::Repeated;
        }
        if !task.is_held(lease) {
            return Expected::Lost;
        }
        task.settled = Some(lease.token);
        task.attempts += 1;
        let (state, settled) = match how {
            Settle::Complete => (TaskState::Completed, Settled::Ended),
            Settle::Fail => (TaskState::Failed, Settled::Ended),
            Settle::Retry(None) => (TaskState::Queued, Settled::Waits(Waiting::Now)),
            Settle::Retry(Some(ticks)) => {
                task.run_at = Some(now + ticks);
                (TaskState::Delayed, Settled::Waits(Waiting::Later))
            }
        };
        task.state = state;
        Expected::Fresh(settled)
    }

    pub(super) fn release(&mut self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        let Some(task) = self.task(lease.task).filter(|task| task.is_held(lease)) else {
            return Err(QueueError::LeaseLost);
        };
        task.interruptions += u32::from(interrupted);
        if interrupted && (task.runs_once || task.interruptions > MAX_INTERRUPTIONS) {
            task.state = TaskState::Failed;
            return Ok(Released::Failed);
        }
        task.state = TaskState::Queued;
        Ok(Released::Waits)
    }

    pub(super) fn cancel(&mut self, id: TaskId) -> Cancelled {
        let Some(task) = self.task(id) else { return Cancelled::Unknown };
        match task.state {
            TaskState::Running => Cancelled::Running,
            TaskState::Queued | TaskState::Delayed => {
                task.state = TaskState::Cancelled;
                Cancelled::Done
            }
            _ => Cancelled::Ended,
        }
    }

    pub(super) fn promote(&mut self, id: TaskId) -> bool {
        let Some(task) = self.task(id).filter(|task| task.state == TaskState::Delayed) else { return false };
        task.state = TaskState::Queued;
        true
    }

    pub(super) fn reprioritize(&mut self, id: TaskId, priority: u32) -> bool {
        let Some(task) = self.task(id).filter(|task| task.state.is_waiting()) else { return false };
        task.priority = priority;
        true
    }

    pub(super) fn pause(&mut self, lane: usize, paused: bool) {
        self.paused[lane] = paused;
    }

    pub(super) fn purge(&mut self) -> u64 {
        let before = self.tasks.len();
        self.tasks.retain(|task| !task.state.is_ending());
        (before - self.tasks.len()) as u64
    }

    /// What waits and has expired fails; whether there was any.
    pub(super) fn expire(&mut self) -> bool {
        let now = self.now;
        let late = self.tasks.iter_mut().filter(|task| task.state.is_waiting() && task.expires_at <= now);
        late.map(|task| task.state = TaskState::Failed).count() > 0
    }

    /// Lets time pass: what has expired fails, even if its time to run has come as well.
    pub(super) fn pass(&mut self, ticks: u64) {
        self.now += ticks;
        self.expire();
        let now = self.now;
        for task in self.tasks.iter_mut().filter(|task| task.state.is_waiting()) {
            if task.state == TaskState::Delayed && task.run_at.is_some_and(|at| at <= now) {
                task.state = TaskState::Queued;
            }
        }
    }

    pub(super) fn states(&self) -> impl Iterator<Item = (TaskId, TaskState)> {
        self.tasks.iter().map(|task| (task.id, task.state))
    }

    pub(super) fn counts(&self) -> [(usize, StateCounts); LANES] {
        std::array::from_fn(|lane| {
            let mut counts = StateCounts::default();
            for task in self.tasks.iter().filter(|task| task.lane == lane) {
                *counts.of(task.state) += 1;
            }
            (lane, counts)
        })
    }

    fn task(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.id == id)
    }
}

impl Task {
    fn run(&mut self) -> (TaskId, u32) {
        self.state = TaskState::Running;
        self.run_at = None;
        (self.id, self.attempts)
    }

    fn is_held(&self, lease: &Lease) -> bool {
        self.state == TaskState::Running && self.token == lease.token
    }
}
