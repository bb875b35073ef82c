//! One lane, its queue and its workers in simulated time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::{Job, Machine, NOW_MS, Report, Run, candidates, context, directory, hash, outcome, task};
use crate::feedback::{Ending, Outcome};
use crate::priority::{Task, Verdict};
use crate::ranking::{Candidates, Context};
use crate::{Feedback, MAX_PRIORITY, Policy, Priority, Ranking, Rng, least_loaded};

/// Asks a policy as the balancer does: `prioritize` for each submission, `rank` for each start, `observe` for each end. Only what is switched
/// on is asked; else priorities are the client's and workers are the least loaded. An answer that the balancer would not accept panics.
///
/// Everything is determined by the input; the order of rows changes from call to call, by a fixed seed.
pub struct Simulation<P> {
    policy: P,
    machines: Vec<Machine>,
    rank: fn(&mut P, &Context, &Candidates) -> Vec<u32>,
    prioritize: fn(&mut P, &Task) -> Verdict,
    observe: fn(&mut P, &[Outcome]),
    takes_ms: Box<dyn Fn(u32, u32, u64) -> u64>,
    fails: Box<dyn Fn(u32, u32, u64) -> bool>,
    rng: Rng,
}

impl<P: Policy> Simulation<P> {
    /// These workers; a task takes 10 ms and does not fail. The policy is told of the workers.
    pub fn new(mut policy: P, machines: impl IntoIterator<Item = Machine>) -> Self {
        let machines: Vec<Machine> = machines.into_iter().collect();
        policy.topology(&directory(&machines));
        Self {
            policy,
            machines,
            rank: |_, context, candidates| least_loaded(candidates, context.seed),
            prioritize: |_, task| Verdict::Accept(task.priority),
            observe: |_, _| (),
            takes_ms: Box::new(|_, _, _| 10),
            fails: Box::new(|_, _, _| false),
            rng: Rng::new(1),
        }
    }

    /// The policy chooses workers.
    #[must_use]
    pub fn ranking(self) -> Self
    where
        P: Ranking,
    {
        Self { rank: P::rank, ..self }
    }

    /// The policy sets priorities and refuses.
    #[must_use]
    pub fn priority(self) -> Self
    where
        P: Priority,
    {
        Self { prioritize: P::prioritize, ..self }
    }

    /// The policy hears what became of attempts.
    #[must_use]
    pub fn feedback(self) -> Self
    where
        P: Feedback,
    {
        Self { observe: P::observe, ..self }
    }

    /// How many milliseconds a task takes, by worker, function and milliseconds since the start of the run.
    #[must_use]
    pub fn taking(self, takes_ms: impl Fn(u32, u32, u64) -> u64 + 'static) -> Self {
        Self { takes_ms: Box::new(takes_ms), ..self }
    }

    /// Which attempts fail, by worker, function and milliseconds since the start of the run. Nothing is tried again.
    #[must_use]
    pub fn failing(self, fails: impl Fn(u32, u32, u64) -> bool + 'static) -> Self {
        Self { fails: Box::new(fails), ..self }
    }

    /// The policy, as it is by now.
    pub fn policy(&mut self) -> &mut P {
        &mut self.policy
    }

    /// Submits the jobs and runs until nothing is left. The policy keeps what it has learned; time starts anew.
    ///
    /// # Panics
    ///
    /// If the balancer would not accept an answer, or a task is never run.
    pub fn run(&mut self, jobs: impl IntoIterator<Item = Job>) -> Report {
        let mut jobs: Vec<Job> = jobs.into_iter().collect();
        jobs.sort_by_key(|job| job.at_ms);
        let mut arrivals = jobs.into_iter().peekable();
        let mut world = World::default();
        loop {
            let end = world.ends.peek().map(|Reverse((at, ..))| *at);
            let arrival = arrivals.peek().map(|job| job.at_ms);
            match (arrival, end) {
                (Some(arrival), end) if end.is_none_or(|end| arrival < end) => {
                    if let Some(job) = arrivals.next() {
                        self.submit(&mut world, job);
                    }
                }
                (_, Some(_)) => self.end_one(&mut world),
                _ => break,
            }
            self.start_what_fits(&mut world);
        }
        assert!(world.waiting.is_empty(), "the policy lets {} tasks wait for ever", world.waiting.len());
        world.report
    }

    fn submit(&mut self, world: &mut World, job: Job) {
        let submission = Task {
            function: job.function,
            priority: job.priority,
            key_hash: job.key.as_deref().map_or(0, hash),
            key: job.key.clone(),
            tenant_hash: job.tenant.as_deref().map_or(0, hash),
            tenant: job.tenant.clone(),
            now_ms: NOW_MS + job.at_ms,
            seed: self.rng.next_u64(),
            ..task()
        };
        world.now_ms = job.at_ms;
        match (self.prioritize)(&mut self.policy, &submission) {
            Verdict::Accept(priority) => {
                assert!(priority <= MAX_PRIORITY, "priority {priority}");
                world.submitted += 1;
                world.waiting.insert((priority, world.submitted), job);
            }
            Verdict::Reject(rejection) => world.report.refused.push((job, rejection.retry_after_ms)),
        }
    }

    fn start_what_fits(&mut self, world: &mut World) {
        let mut passed_over = Vec::new();
        while self.machines.iter().any(has_room) {
            let Some((place, job)) = world.waiting.pop_first() else { break };
            let Some(at) = self.choose(world.now_ms, place.0, &job) else {
                passed_over.push((place, job));
                continue;
            };
            let machine = &mut self.machines[at];
            machine.used += 1;
            machine.in_flight += 1;
            let ended_ms = world.now_ms + (self.takes_ms)(machine.worker, job.function, world.now_ms);
            let ok = !(self.fails)(machine.worker, job.function, world.now_ms);
            world.ends.push(Reverse((ended_ms, world.report.runs.len(), at)));
            let (priority, worker, started_ms) = (place.0, machine.worker, world.now_ms);
            world.report.runs.push(Run { job, priority, worker, started_ms, ended_ms, ok });
        }
        world.waiting.extend(passed_over);
    }

    /// The machine for a job; none if the policy lets it wait.
    fn choose(&mut self, now_ms: u64, priority: u32, job: &Job) -> Option<usize> {
        let mut rows: Vec<usize> = (0..self.machines.len()).filter(|&at| has_room(&self.machines[at])).collect();
        for at in (1..rows.len()).rev() {
            rows.swap(at, self.rng.below(u32::try_from(at + 1).unwrap_or(u32::MAX)) as usize);
        }
        let context = Context {
            function: job.function,
            priority,
            age_ms: now_ms - job.at_ms,
            key_hash: job.key.as_deref().map_or(0, hash),
            tenant_hash: job.tenant.as_deref().map_or(0, hash),
            now_ms: NOW_MS + now_ms,
            seed: self.rng.next_u64(),
            ..context()
        };
        let candidates = candidates(rows.iter().map(|&at| &self.machines[at]));
        let answer = (self.rank)(&mut self.policy, &context, &candidates);
        let mut seen = BTreeSet::new();
        for &row in &answer {
            assert!((row as usize) < rows.len(), "row {row} of {}", rows.len());
            assert!(seen.insert(row), "row {row} is there twice");
        }
        answer.first().map(|&row| rows[row as usize])
    }

    fn end_one(&mut self, world: &mut World) {
        let Some(Reverse((ended_ms, run, at))) = world.ends.pop() else { return };
        world.now_ms = ended_ms;
        let machine = &mut self.machines[at];
        machine.used -= 1;
        machine.in_flight -= 1;
        let run = &world.report.runs[run];
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a task")]
        let ended = Outcome {
            function: run.job.function,
            key_hash: run.job.key.as_deref().map_or(0, hash),
            tenant_hash: run.job.tenant.as_deref().map_or(0, hash),
            ok: run.ok,
            ending: if run.ok { Ending::Completed } else { Ending::Failed },
            status: if run.ok { 200 } else { 500 },
            ended_ms: NOW_MS + ended_ms,
            ..outcome(run.worker, (ended_ms - run.started_ms) as f32)
        };
        (self.observe)(&mut self.policy, &[ended]);
    }
}

/// The state of one run.
#[derive(Default)]
struct World {
    now_ms: u64,
    submitted: u64,
    /// By priority, then by the order of submission.
    waiting: BTreeMap<(u32, u64), Job>,
    /// When, which run, on which machine.
    ends: BinaryHeap<Reverse<(u64, usize, usize)>>,
    report: Report,
}

fn has_room(machine: &Machine) -> bool {
    machine.used < machine.slots
}
