//! A policy in use.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::component::PolicyCode;
use super::error::LoadError;
use super::guest_log::GuestLog;
use super::instance::{Instance, PolicyInfo};
use super::limits::PolicyLimits;
use super::loader::{CheckedPolicy, Setup, fresh};
use super::pool::Pool;
use super::record::Record;
use super::recorder::Recording;
use super::submission::OwnedSubmission;
use super::worker;
use crate::policy::shadow::Tally;
use crate::policy::status::{Circuit, Placement, PolicyStatus};
use crate::policy::{Admission, Candidates, Directory, Failure, Outcome, RankContext, SubmissionView};

/// Decisions that may wait for a policy's thread.
const QUEUE: usize = 64;
/// Digits of a file's hash that tell its version.
const HASH_DIGITS: usize = 12;
/// Outcomes that may wait to be told. Beyond, the oldest are forgotten.
const OUTCOMES: usize = 4_096;

/// A policy in use. It has a thread of its own, on which everything happens that is not known to be quick; decisions of a quick one
/// without state are made on the thread that wants them. The thread ends after this is dropped.
pub(crate) struct WasmPolicy {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the policy's thread and all others share.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) code: Arc<PolicyCode>,
    pub(super) limits: PolicyLimits,
    pub(super) log: Arc<GuestLog>,
    recording: Option<Recording>,
    pub(super) record: Record,
    pub(super) pool: Pool,
    /// What a new instance is set up with.
    pub(super) setup: Mutex<Setup>,
    /// What there is has changed since the instances were told.
    pub(super) directory_changed: AtomicBool,
    /// The pool has places to fill.
    pub(super) pool_wanting: AtomicBool,
    /// There is no instance on the thread, and one is being made that takes longer than anybody waits.
    pub(super) restarting: AtomicBool,
    pub(super) starts_slowly: bool,
    pub(super) outcomes: Mutex<VecDeque<Outcome>>,
    /// Bytes of memory of the thread's instance.
    pub(super) memory: AtomicUsize,
    stateful: bool,
    info: PolicyInfo,
    sha256: Arc<str>,
    version: Arc<str>,
}

/// What the policy's thread is asked to do.
pub(super) enum Job {
    Rank {
        context: RankContext,
        candidates: Candidates,
        reply: oneshot::Sender<Result<Vec<u32>, Failure>>,
    },
    Prioritize {
        submission: OwnedSubmission,
        reply: oneshot::Sender<Result<Admission, Failure>>,
    },
    /// A question whose answer is known, asked to see whether this policy agrees.
    Compare {
        question: Question,
        tally: Arc<Tally>,
    },
    /// To look at what has changed: outcomes, directory, pool.
    Look,
}

/// A question with the answer that another policy gave.
pub(super) enum Question {
    Rank { context: RankContext, candidates: Candidates, chosen: Option<u32> },
    Prioritize { submission: OwnedSubmission, admission: Admission },
}

impl WasmPolicy {
    /// Puts a policy to use that nobody waits for: all its calls are made on its own thread.
    pub(crate) fn start_aside(checked: CheckedPolicy) -> Result<Self, LoadError> {
        Self::start(CheckedPolicy { swift: false, ..checked })
    }

    /// Puts a policy to use.
    pub(crate) fn start(checked: CheckedPolicy) -> Result<Self, LoadError> {
        let stateful = checked.is_stateful();
        let CheckedPolicy {
            name, code, limits, setup, log, recording, instance, info, sha256, swift, starts_in, ..
        } = checked;
        let inline = swift && !stateful;
        let shared = Arc::new(Shared {
            record: Record::new(&name, inline),
            pool: Pool::new(),
            directory_changed: AtomicBool::new(false),
            pool_wanting: AtomicBool::new(inline),
            restarting: AtomicBool::new(false),
            starts_slowly: starts_in > limits.deadline,
            outcomes: Mutex::default(),
            memory: AtomicUsize::new(instance.memory()),
            version: version(&info, &sha256),
            setup: Mutex::new(setup),
            name,
            code,
            limits,
            log,
            recording,
            stateful,
            info,
            sha256,
        });
        let (jobs, inbox) = mpsc::sync_channel(QUEUE);
        let worker = worker::Worker::new(Arc::clone(&shared), instance);
        // Thread `policy`: ends when the policy is dropped, and is joined when the engine closes.
        let thread = thread::Builder::new().name("policy".to_owned()).spawn(move || worker.run(&inbox));
        let thread = thread.map_err(|error| LoadError::Host(error.to_string()))?;
        let policy = Self { shared, jobs, thread: Mutex::new(Some(thread)) };
        policy.nudge();
        Ok(policy)
    }

    /// What it goes by, in the form of `POLICY`.
    pub(crate) fn choice(&self) -> &Arc<str> {
        &self.shared.name
    }

    pub(crate) fn version(&self) -> &Arc<str> {
        &self.shared.version
    }

    pub(crate) fn ranks(&self) -> bool {
        self.shared.code.ranking.is_some()
    }

    pub(crate) fn prioritizes(&self) -> bool {
        self.shared.code.priority.is_some()
    }

    pub(crate) fn observes(&self) -> bool {
        self.shared.code.feedback.is_some()
    }

    /// How long it is not asked from now on, because it failed too often.
    pub(crate) fn pause_left(&self) -> Option<Duration> {
        self.shared.record.pause_left()
    }

    /// Rows that exist, each once, best first.
    pub(crate) async fn rank(&self, context: &RankContext, candidates: &Candidates) -> Result<Vec<u32>, Failure> {
        let shared = &self.shared;
        if !shared.record.admits() {
            return Err(Failure::CircuitOpen);
        }
        if self.is_inline()
            && let Some(answer) = self.rank_here(context, candidates)
        {
            return answer;
        }
        let (context, candidates) = (context.clone(), candidates.clone());
        self.ask(|reply| Job::Rank { context, candidates, reply }).await
    }

    /// What is to become of a submission.
    pub(crate) async fn prioritize(&self, submission: &SubmissionView<'_>) -> Result<Admission, Failure> {
        if !self.shared.record.admits() {
            return Err(Failure::CircuitOpen);
        }
        if self.is_inline()
            && let Some(answer) = self.here(|instance, deadline| instance.prioritize(submission, deadline))
        {
            return answer;
        }
        let submission = OwnedSubmission::of(submission);
        self.ask(|reply| Job::Prioritize { submission, reply }).await
    }

    /// Has it rank, soon, to see whether it would choose that row (`None` for *wait*) first.
    pub(crate) fn compare_rank(
        &self,
        context: &RankContext,
        candidates: &Candidates,
        chosen: Option<u32>,
        tally: &Arc<Tally>,
    ) {
        self.compare(tally, || Question::Rank { context: context.clone(), candidates: candidates.clone(), chosen });
    }

    /// Has it look at a submission, soon, to see whether its verdict is the same.
    pub(crate) fn compare_admission(&self, submission: &SubmissionView<'_>, admission: &Admission, tally: &Arc<Tally>) {
        self.compare(tally, || Question::Prioritize {
            submission: OwnedSubmission::of(submission),
            admission: admission.clone(),
        });
    }

    fn compare(&self, tally: &Arc<Tally>, question: impl FnOnce() -> Question) {
        let is_asked = !self.shared.restarting.load(Ordering::Acquire) && self.shared.record.admits();
        let job = is_asked.then(|| Job::Compare { question: question(), tally: Arc::clone(tally) });
        if job.is_none_or(|job| self.jobs.try_send(job).is_err()) {
            tally.skipped();
        }
    }

    /// Has the policy told of an attempt, soon.
    pub(crate) fn observe(&self, outcome: Outcome) {
        let mut outcomes = self.shared.outcomes.lock();
        if outcomes.len() >= OUTCOMES {
            outcomes.pop_front();
        }
        outcomes.push_back(outcome);
        let is_first = outcomes.len() == 1;
        drop(outcomes);
        // The thread looks again as long as there are any.
        if is_first {
            self.nudge();
        }
    }

    /// Has all instances told what there is.
    pub(crate) fn tell(&self, directory: Arc<Directory>) {
        {
            let mut setup = self.shared.setup.lock();
            if setup.directory == directory {
                return;
            }
            setup.directory = directory;
        }
        self.shared.directory_changed.store(true, Ordering::Release);
        self.nudge();
    }

    /// The last failure, in a sentence.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.shared.record.last_failure()
    }

    pub(crate) fn status(&self) -> PolicyStatus {
        let shared = &self.shared;
        let record = &shared.record;
        PolicyStatus {
            name: shared.info.name.clone(),
            sha256: Some(Arc::clone(&shared.sha256)),
            stateful: shared.stateful,
            placement: if self.is_inline() { Placement::Inline } else { Placement::OwnThread },
            circuit: record.pause_left().map_or(Circuit::Closed, |left| Circuit::Open { left }),
            calls: record.durations().count(),
            percentiles: record.durations().percentiles(),
            failures: record.failures(),
            last_failure: record.last_failure(),
            inline_instances: shared.pool.filled(),
            memory: shared.memory.load(Ordering::Relaxed),
            dropped_log_lines: shared.log.lost(),
            ..PolicyStatus::default()
        }
    }

    /// The thread, to be joined once the policy is dropped.
    pub(crate) fn take_thread(&self) -> Option<JoinHandle<()>> {
        self.thread.lock().take()
    }

    fn is_inline(&self) -> bool {
        !self.shared.stateful && self.shared.record.is_swift()
    }

    fn rank_here(&self, context: &RankContext, candidates: &Candidates) -> Option<Result<Vec<u32>, Failure>> {
        self.here(|instance, deadline| {
            let mut rows = Vec::new();
            instance.rank(context, candidates, &mut rows, deadline).map(|()| rows)
        })
    }

    /// Makes a call on this thread, if there is an instance for it.
    fn here<T>(
        &self,
        call: impl FnOnce(&mut Instance, Duration) -> Result<T, super::error::Trouble>,
    ) -> Option<Result<T, Failure>> {
        let shared = &self.shared;
        let Some(mut place) = shared.pool.take() else {
            // The call that is made on the policy's thread instead has it look.
            shared.pool_wanting.store(true, Ordering::Release);
            return None;
        };
        let instance = place.as_mut()?;
        let began = Instant::now();
        let answer = call(instance, shared.limits.deadline);
        shared.record.called(began.elapsed(), &answer);
        Some(answer.map_err(|trouble| {
            if !trouble.usable {
                *place = None;
                drop(place);
                shared.pool_wanting.store(true, Ordering::Release);
                self.nudge();
            }
            trouble.failure
        }))
    }

    /// Asks the policy's thread, as long as that makes sense.
    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Job) -> Result<T, Failure> {
        let shared = &self.shared;
        if shared.restarting.load(Ordering::Acquire) {
            return Err(Failure::Restarting);
        }
        let (reply, answer) = oneshot::channel();
        match self.jobs.try_send(job(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(Failure::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(Failure::Restarting),
        }
        // A call that begins at once is interrupted, and its end reported, before that.
        let patience = shared.limits.deadline + 3 * shared.code.runtime.tick();
        match tokio::time::timeout(patience, answer).await {
            Ok(answer) => answer.unwrap_or(Err(Failure::Restarting)),
            Err(_) => Err(Failure::Deadline),
        }
    }

    /// Has the thread look around. If there is no room for that it is awake, and looks anyway.
    fn nudge(&self) {
        let _ = self.jobs.try_send(Job::Look);
    }
}

impl Shared {
    /// A new instance, set up as things are now.
    pub(super) fn fresh(&self) -> Result<Instance, LoadError> {
        let setup = self.setup.lock().clone();
        fresh(&self.code, self.limits, &self.log, &setup, self.recording.as_ref())
    }
}

/// What it says of itself, and the beginning of its file's hash, as semantic versions put it.
fn version(info: &PolicyInfo, sha256: &str) -> Arc<str> {
    let build = &sha256[..sha256.len().min(HASH_DIGITS)];
    if info.version.is_empty() { build.into() } else { format!("{}+{build}", info.version).into() }
}
