//! The contract of a queue, in steps of the script.

use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, no_word, number, word};
use super::steps::Step;
use super::{BullmqQueue, attempts, end, fixed, record, rounds};
use crate::queue::{
    Cancelled, Claim, ClaimRequest, Enqueued, Inbox, LaneCounts, Lease, MAX_POSITION, NewTask, OwedNotice, QueueError,
    QueueEvent, Released, Requeued, Settled, Settlement, StateCounts, TaskFilter, TaskPage, TaskQueue, Waiting,
};
use crate::task::{LaneKey, Mode, Priority, TaskId, TaskRecord, Timestamp};

/// Of how many priorities the first task is looked at for the oldest one.
const PRIORITIES: usize = 16;

impl BullmqQueue {
    fn enqueue_step(&self, task: &NewTask, request: Option<&ClaimRequest>) -> Step {
        let step = self.add_task(Step::new("enqueue"), task);
        match request {
            Some(request) => step.request(request),
            None => step.text(""),
        }
    }

    /// Adds a task to what a step is told.
    pub(super) fn add_task(&self, step: Step, task: &NewTask) -> Step {
        let spec = &task.spec;
        let step = step
            .lane(&spec.lane)
            .of(spec.id)
            .text(spec.function.to_string())
            .text(spec.body.clone())
            .text(fixed::bullmq_options(task))
            .text(fixed::write(spec, &self.sealer))
            .of(spec.created_at.as_millis())
            .of(Priority::rank(task.priority))
            .maybe(task.run_at.map(Timestamp::as_millis))
            .of(spec.expires_at.as_millis())
            .flag(spec.options.attempts == Some(1))
            .flag(spec.mode == Mode::Webhook)
            .flag(spec.mode == Mode::Stream)
            .maybe(spec.idempotency.as_ref().map(|idempotency| idempotency.key.as_str()));
        if let Some(at) = task.run_at {
            self.alarm.set(at);
        }
        step
    }

    fn enqueued(&self, value: Value) -> Result<(Enqueued, Value), QueueError> {
        let mut told = Answer::expect(value)?;
        match told.some_text("answer")?.as_str() {
            "new" => Ok((Enqueued::New, told.value())),
            "known" => Ok((Enqueued::Known, told.value())),
            "duplicate" => Ok((Enqueued::Duplicate(told.id()?), Value::Nil)),
            _ => Err(QueueError::Full { limit: self.limits.max_waiting }),
        }
    }

    fn settle_step(&self, lease: &Lease, settlement: &Settlement) -> Step {
        let attempt = match settlement {
            Settlement::Complete { attempt, .. } | Settlement::Retry { attempt, .. } => Some(attempt),
            Settlement::Fail { attempt, .. } | Settlement::Cancel { attempt, .. } => attempt.as_ref(),
        };
        let step = Step::new("settle").lease(lease).text(attempts::write(attempt));
        if let Settlement::Retry { at, .. } = settlement {
            if let Some(at) = at {
                self.alarm.set(*at);
            }
            return step.text("retry").maybe(at.map(Timestamp::as_millis));
        }
        ending(step, settlement)
    }

    /// The claim in an answer. A task that cannot be read has failed then, and the next one is claimed.
    async fn claim_in(
        &self,
        value: Value,
        lane: &LaneKey,
        own: Option<&NewTask>,
        request: &ClaimRequest,
    ) -> Result<Option<Claim>, QueueError> {
        let mut value = value;
        loop {
            match record::claim(value, lane, own, &self.sealer)? {
                None => return Ok(None),
                Some(record::Claimed::Task(claim)) => return Ok(Some(*claim)),
                Some(record::Claimed::Unreadable(lease)) => self.fail_unreadable(&lease).await?,
            }
            value = self.step(Step::new("claim").lane(lane).request(request)).await?;
        }
    }
}

/// Adds how a task ends.
fn ending(step: Step, settlement: &Settlement) -> Step {
    let Some(end) = end::write(settlement) else { return step };
    let step = step.text(settlement.state().word()).text(end.code).text(end.reason.to_string());
    step.text(end.result).text(end.about)
}

fn settled(value: &Value) -> Result<Settled, QueueError> {
    match word(value) {
        "ended" => Ok(Settled::Ended),
        "now" => Ok(Settled::Waits(Waiting::Now)),
        "later" => Ok(Settled::Waits(Waiting::Later)),
        "lost" => Err(QueueError::LeaseLost),
        _ => no_word(value),
    }
}

fn released(value: &Value) -> Result<Released, QueueError> {
    match word(value) {
        "waits" => Ok(Released::Waits),
        "failed" => Ok(Released::Failed),
        "lost" => Err(QueueError::LeaseLost),
        _ => no_word(value),
    }
}

fn release_step(lease: &Lease, interrupted: bool) -> Step {
    Step::new("release").lease(lease).flag(interrupted)
}

/// New tasks are refused when the server has no memory for them.
fn no_room(error: QueueError) -> QueueError {
    match error {
        QueueError::Unavailable(text) if text.contains("OOM") => QueueError::StorageFull,
        other => other,
    }
}

#[async_trait]
impl TaskQueue for BullmqQueue {
    async fn enqueue(&self, task: NewTask) -> Result<Enqueued, QueueError> {
        let value = self.step(self.enqueue_step(&task, None)).await.map_err(no_room)?;
        Ok(self.enqueued(value)?.0)
    }

    async fn enqueue_many(&self, tasks: Vec<NewTask>) -> Vec<Result<Enqueued, QueueError>> {
        let steps = tasks.iter().map(|task| self.enqueue_step(task, None)).collect();
        let enqueued = self.steps(steps, |value| Ok(self.enqueued(value)?.0)).await;
        enqueued.into_iter().map(|enqueued| enqueued.map_err(no_room)).collect()
    }

    async fn enqueue_and_claim(
        &self,
        task: NewTask,
        request: ClaimRequest,
    ) -> Result<(Enqueued, Option<Claim>), QueueError> {
        let value = self.step(self.enqueue_step(&task, Some(&request))).await.map_err(no_room)?;
        let (enqueued, claim) = self.enqueued(value)?;
        Ok((enqueued, self.claim_in(claim, &task.spec.lane, Some(&task), &request).await?))
    }

    async fn claim(&self, lane: &LaneKey, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        let value = self.step(Step::new("claim").lane(lane).request(&request)).await?;
        self.claim_in(value, lane, None, &request).await
    }

    async fn claim_task(&self, id: TaskId, request: ClaimRequest) -> Result<Option<Claim>, QueueError> {
        let value = self.step(Step::new("claim_task").of(id).claim_of_one(&request)).await?;
        let Some(mut told) = Answer::list(value) else { return Ok(None) };
        let lane = told.lane()?;
        match record::claim(told.value(), &lane, None, &self.sealer)? {
            Some(record::Claimed::Task(claim)) => Ok(Some(*claim)),
            Some(record::Claimed::Unreadable(lease)) => self.fail_unreadable(&lease).await.map(|()| None),
            None => Ok(None),
        }
    }

    async fn take_over(&self, lease: &Lease, request: ClaimRequest) -> Result<Claim, QueueError> {
        let step = Step::new("take_over").lease(lease).claim_of_one(&request);
        match record::claim(self.step(step).await?, &lease.lane, None, &self.sealer)? {
            Some(record::Claimed::Task(claim)) => Ok(*claim),
            Some(record::Claimed::Unreadable(lease)) => {
                self.fail_unreadable(&lease).await?;
                Err(QueueError::LeaseLost)
            }
            None => Err(QueueError::LeaseLost),
        }
    }

    async fn is_taken_over(&self, lease: &Lease) -> Result<bool, QueueError> {
        Ok(number(&self.step(Step::new("is_taken_over").lease(lease)).await?) == Some(1))
    }

    async fn renew(&self, leases: &[Lease], duration: Duration) -> Vec<Result<(), QueueError>> {
        let steps = leases.iter().map(|lease| Step::new("renew").lease(lease).of(duration.as_millis())).collect();
        let words = self.steps(steps, |value| Ok(word(&value).to_owned())).await;
        let renewed = |(lease, word): (&Lease, Result<String, QueueError>)| match word?.as_str() {
            "held" => Ok(()),
            "stop" => {
                self.tell(QueueEvent::StopAsked(lease.task));
                Ok(())
            }
            _ => Err(QueueError::LeaseLost),
        };
        leases.iter().zip(words).map(renewed).collect()
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement) -> Result<Settled, QueueError> {
        settled(&self.step(self.settle_step(lease, &settlement)).await?)
    }

    async fn settle_many(&self, settlements: Vec<(Lease, Settlement)>) -> Vec<Result<Settled, QueueError>> {
        let steps = settlements.iter().map(|(lease, settlement)| self.settle_step(lease, settlement)).collect();
        self.steps(steps, |value| settled(&value)).await
    }

    async fn settle_and_claim(
        &self,
        lease: &Lease,
        settlement: Settlement,
        request: ClaimRequest,
    ) -> (Result<Settled, QueueError>, Result<Option<Claim>, QueueError>) {
        let claim = Step::new("claim").lane(&lease.lane).request(&request);
        let answers = self.call(&[self.settle_step(lease, &settlement), claim]).await;
        match answers.map(|answers| <[Value; 2]>::try_from(answers).unwrap_or_default()) {
            Ok([settlement, claim]) => (settled(&settlement), self.claim_in(claim, &lease.lane, None, &request).await),
            Err(error) => (Err(error.clone()), Err(error)),
        }
    }

    async fn release(&self, lease: &Lease, interrupted: bool) -> Result<Released, QueueError> {
        released(&self.step(release_step(lease, interrupted)).await?)
    }

    async fn release_many(&self, leases: Vec<Lease>, interrupted: bool) -> Vec<Result<Released, QueueError>> {
        let steps = leases.iter().map(|lease| release_step(lease, interrupted)).collect();
        self.steps(steps, |value| released(&value)).await
    }

    async fn cancel(&self, id: TaskId, settlement: Settlement) -> Result<Cancelled, QueueError> {
        let value = self.step(ending(Step::new("cancel").of(id), &settlement)).await?;
        match word(&value) {
            "done" => Ok(Cancelled::Done),
            "running" => Ok(Cancelled::Running),
            "ended" => Ok(Cancelled::Ended),
            "unknown" => Ok(Cancelled::Unknown),
            _ => no_word(&value),
        }
    }

    async fn ask_to_stop(&self, id: TaskId) -> Result<(), QueueError> {
        self.step(Step::new("ask_to_stop").of(id)).await.map(drop)
    }

    async fn promote(&self, id: TaskId) -> Result<bool, QueueError> {
        let value = self.step(Step::new("promote").of(id)).await?;
        let promoted = Answer::list(value);
        let Some(mut told) = promoted else { return Ok(false) };
        self.tell(QueueEvent::Claimable(told.lane()?));
        Ok(true)
    }

    async fn requeue(&self, id: TaskId, expires_at: Timestamp) -> Result<Requeued, QueueError> {
        let value = self.step(Step::new("requeue").of(id).of(expires_at.as_millis())).await.map_err(no_room)?;
        match word(&value) {
            "unknown" => Ok(Requeued::Unknown),
            "waits" => Ok(Requeued::NotEnded),
            "full" => Err(QueueError::Full { limit: self.limits.max_waiting }),
            _ => {
                self.tell(QueueEvent::Claimable(Answer::expect(value)?.lane()?));
                Ok(Requeued::Done)
            }
        }
    }

    async fn reprioritize(&self, id: TaskId, priority: Option<Priority>) -> Result<bool, QueueError> {
        let value = self.step(Step::new("reprioritize").of(id).of(Priority::rank(priority))).await?;
        Ok(number(&value) == Some(1))
    }

    async fn get(&self, id: TaskId) -> Result<Option<TaskRecord>, QueueError> {
        record::record(id, self.step(Step::look(id)).await?, &self.sealer)
    }

    async fn position(&self, id: TaskId) -> Result<Option<u64>, QueueError> {
        let position = number(&self.step(Step::new("position").of(id).of(MAX_POSITION)).await?);
        Ok(position.filter(|position| *position <= MAX_POSITION as u64))
    }

    async fn list(&self, filter: &TaskFilter) -> Result<TaskPage, QueueError> {
        self.pages(filter).await
    }

    async fn counts(&self) -> Result<Vec<LaneCounts>, QueueError> {
        rounds::lanes(self.step(Step::new("all_counts")).await?)
    }

    async fn lane_counts(&self, lane: &LaneKey) -> Result<LaneCounts, QueueError> {
        let counts = rounds::lane_counts(self.step(Step::new("counts").lane(lane)).await?)?;
        Ok(counts.unwrap_or(LaneCounts { lane: lane.clone(), counts: StateCounts::default(), paused: false }))
    }

    async fn oldest_queued(&self, lane: &LaneKey) -> Result<Option<Timestamp>, QueueError> {
        let firsts = Answer::expect(self.step(Step::new("oldest").lane(lane).of(PRIORITIES)).await?)?;
        let ids = firsts.filter_map(|id| word(&id).parse::<TaskId>().ok());
        Ok(ids.map(TaskId::submitted_at).min())
    }

    async fn set_paused(&self, lane: &LaneKey, paused: bool) -> Result<(), QueueError> {
        self.step(Step::new("pause").lane(lane).flag(paused)).await?;
        if !paused {
            self.tell(QueueEvent::Claimable(lane.clone()));
        }
        Ok(())
    }

    async fn purge(&self, filter: &TaskFilter) -> Result<u64, QueueError> {
        self.forget_matching(filter).await
    }

    async fn forget(&self, id: TaskId) -> Result<bool, QueueError> {
        let Some(at) = self.get(id).await?.and_then(|record| record.finished_at) else { return Ok(false) };
        let forgotten = self.step(Step::new("forget").of(id).of(at.as_millis())).await?;
        Ok(number(&forgotten).unwrap_or(0_u64) > 0)
    }

    async fn owed_notices(&self, after: Option<OwedNotice>, limit: usize) -> Result<Vec<OwedNotice>, QueueError> {
        let at = after.map_or(0, |after| after.ended_at.as_millis());
        let step = Step::new("owed").of(at).maybe(after.map(|after| after.task)).of(limit);
        let mut told = Answer::expect(self.step(step).await?)?;
        let mut owed = Vec::new();
        while let Value::BulkString(id) = told.value() {
            let id = String::from_utf8_lossy(&id).parse().ok();
            let ended_at = Timestamp::from_millis(told.some_number("time of an end")?);
            owed.extend(id.map(|task| OwedNotice { ended_at, task }));
        }
        Ok(owed)
    }

    async fn notice_done(&self, notice: OwedNotice) -> Result<(), QueueError> {
        let step = Step::new("notice_done").of(notice.task).of(notice.ended_at.as_millis());
        self.step(step).await.map(drop)
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn tell_others(&self, news: String) -> Result<(), QueueError> {
        let live = self.link.live().await?;
        let mut connection = live.connection.clone();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(format!("{}:andera-events", self.prefix)).arg(format!("news {} {news}", self.me));
        self.link.hear(&live, publish.query_async(&mut connection)).await
    }

    fn inbox(&self) -> Option<&dyn Inbox> {
        Some(self)
    }

    async fn ping(&self) -> Result<(), QueueError> {
        let live = self.link.answering();
        live.map(drop).ok_or_else(|| QueueError::Away("Redis does not answer".to_owned()))
    }

    fn events(&self) -> broadcast::Receiver<QueueEvent> {
        self.events.subscribe()
    }

    async fn run(&self, cancel: CancellationToken) {
        tokio::join!(self.link.keep(&cancel, |live| self.greet(live)), self.rounds(&cancel), self.hear_others(&cancel),);
        self.leave().await;
    }
}
