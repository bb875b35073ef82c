//! Who waits for which task, and which tasks run here.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::reply::Reply;
use crate::queue::Lease;
use crate::task::{Attempt, TaskId};

const SHARDS: usize = 16;

/// Why a run is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopReason {
    /// Somebody asked for it.
    Cancelled,
    /// The client of a stream has left.
    ClientGone,
    /// The lease is lost: another run is under way.
    LeaseLost,
    /// The balancer stops.
    Shutdown,
}

/// Who waits for a task, and its run if it runs here.
#[derive(Debug, Default)]
struct Flight {
    client: Option<oneshot::Sender<Reply>>,
    /// The client's task has got into the store.
    stored: bool,
    /// The last answer of a worker to an attempt that was not the last.
    last_answer: Option<Reply>,
    watchers: Vec<oneshot::Sender<()>>,
    run: Option<Run>,
}

impl Flight {
    fn is_awaited(&self) -> bool {
        self.run.is_none() && (self.client.is_some() || !self.watchers.is_empty())
    }
}

#[derive(Debug)]
struct Run {
    lease: Lease,
    stop: Option<oneshot::Sender<StopReason>>,
    attempt: Option<Attempt>,
}

/// Who waits for which task, and which tasks run here. Sharded by the ids' last bits.
#[derive(Debug, Default)]
pub(super) struct Flights {
    shards: [Mutex<HashMap<TaskId, Flight, RandomState>>; SHARDS],
}

impl Flights {
    fn shard(&self, id: TaskId) -> &Mutex<HashMap<TaskId, Flight, RandomState>> {
        &self.shards[(id.as_u128() % SHARDS as u128) as usize]
    }

    /// A client waits for the reply to a task.
    pub(super) fn await_reply(&self, id: TaskId) -> oneshot::Receiver<Reply> {
        let (sender, receiver) = oneshot::channel();
        self.shard(id).lock().entry(id).or_default().client = Some(sender);
        receiver
    }

    /// The task that a client waits for is in the store by now.
    pub(super) fn stored(&self, id: TaskId) {
        if let Some(flight) = self.shard(id).lock().get_mut(&id) {
            flight.stored = true;
        }
    }

    /// The store does not have a task that does not run here. Whoever watches looks again; a client whose task was there gets the reply.
    pub(super) fn missing(&self, id: TaskId, reply: impl FnOnce() -> Reply) {
        let (client, watchers) = {
            let mut shard = self.shard(id).lock();
            let Some(flight) = shard.get_mut(&id).filter(|flight| flight.run.is_none()) else { return };
            let client = if flight.stored { flight.client.take() } else { None };
            let watchers = std::mem::take(&mut flight.watchers);
            if flight.client.is_none() {
                shard.remove(&id);
            }
            (client, watchers)
        };
        if let Some(client) = client {
            // The client may have left.
            let _ = client.send(reply());
        }
        for watcher in watchers {
            let _ = watcher.send(());
        }
    }

    /// Somebody waits for a task's end; the receiver resolves either way.
    pub(super) fn watch(&self, id: TaskId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut shard = self.shard(id).lock();
        let flight = shard.entry(id).or_default();
        flight.watchers.retain(|watcher| !watcher.is_closed());
        flight.watchers.push(sender);
        receiver
    }

    /// Nobody waits for a task any more: what is only kept for them is forgotten.
    pub(super) fn forget_waiters(&self, id: TaskId) {
        let mut shard = self.shard(id).lock();
        let Some(flight) = shard.get_mut(&id) else { return };
        flight.client = flight.client.take().filter(|client| !client.is_closed());
        flight.watchers.retain(|watcher| !watcher.is_closed());
        if flight.run.is_none() && flight.client.is_none() && flight.watchers.is_empty() {
            shard.remove(&id);
        }
    }

    /// A task was claimed and is about to run here. The receiver says when it is to stop.
    pub(super) fn claimed(&self, lease: &Lease) -> oneshot::Receiver<StopReason> {
        let (stop, stopped) = oneshot::channel();
        let mut shard = self.shard(lease.task).lock();
        shard.entry(lease.task).or_default().run = Some(Run { lease: lease.clone(), stop: Some(stop), attempt: None });
        stopped
    }

    /// A run has been sent to a worker.
    pub(super) fn delivered(&self, id: TaskId, attempt: Attempt) {
        if let Some(run) = self.shard(id).lock().get_mut(&id).and_then(|flight| flight.run.as_mut()) {
            run.attempt = Some(attempt);
        }
    }

    /// A run is over, its task is not.
    pub(super) fn landed(&self, lease: &Lease, last_answer: Option<Reply>) {
        let mut shard = self.shard(lease.task).lock();
        let Some(flight) = shard.get_mut(&lease.task) else { return };
        if flight.run.as_ref().is_some_and(|run| run.lease.token == lease.token) {
            flight.run = None;
        }
        if flight.client.is_some() && last_answer.is_some() {
            flight.last_answer = last_answer;
        }
        if flight.run.is_none() && flight.client.is_none() && flight.watchers.is_empty() {
            shard.remove(&lease.task);
        }
    }

    /// Takes the client's place, for a reply that is sent while the task still runs.
    pub(super) fn take_client(&self, id: TaskId) -> Option<oneshot::Sender<Reply>> {
        self.shard(id).lock().get_mut(&id).and_then(|flight| flight.client.take())
    }

    /// A task has ended, by the run of that token if it was one: everybody who waits for it is told. `reply` gets the last answer of
    /// a worker.
    pub(super) fn ended(&self, id: TaskId, token: Option<u64>, reply: impl FnOnce(Option<Reply>) -> Reply) {
        let flight = {
            let mut shard = self.shard(id).lock();
            let Some(mut flight) = shard.remove(&id) else { return };
            // The task may run again already, on request: that run goes on.
            if let Some(run) = flight.run.take_if(|run| Some(run.lease.token) != token) {
                shard.insert(id, Flight { run: Some(run), ..Flight::default() });
            }
            flight
        };
        if let Some(client) = flight.client {
            // The client may have left.
            let _ = client.send(reply(flight.last_answer));
        }
        for watcher in flight.watchers {
            let _ = watcher.send(());
        }
    }

    /// Tells a run to stop; `false` if the task does not run here.
    pub(super) fn stop(&self, id: TaskId, reason: StopReason) -> bool {
        let mut shard = self.shard(id).lock();
        let Some(run) = shard.get_mut(&id).and_then(|flight| flight.run.as_mut()) else { return false };
        if let Some(stop) = run.stop.take() {
            let _ = stop.send(reason);
        }
        true
    }

    /// Tells the run of that very lease to stop.
    pub(super) fn stop_lease(&self, lease: &Lease, reason: StopReason) -> bool {
        let current =
            self.shard(lease.task).lock().get(&lease.task).and_then(|flight| Some(flight.run.as_ref()?.lease.token));
        current == Some(lease.token) && self.stop(lease.task, reason)
    }

    /// Tells every run to stop; says how many.
    pub(super) fn stop_all(&self, reason: StopReason) -> usize {
        self.leases().iter().filter(|lease| self.stop(lease.task, reason)).count()
    }

    /// The leases of all tasks that run here.
    pub(super) fn leases(&self) -> Vec<Lease> {
        let held = |shard: &Mutex<HashMap<TaskId, Flight, RandomState>>| {
            let shard = shard.lock();
            shard.values().filter_map(|flight| flight.run.as_ref()).map(|run| run.lease.clone()).collect::<Vec<_>>()
        };
        let mut leases: Vec<Lease> = self.shards.iter().flat_map(held).collect();
        leases.sort_unstable_by_key(|lease| lease.task);
        leases
    }

    /// Whether somebody waits for a task that does not run here.
    pub(super) fn is_awaited(&self, id: TaskId) -> bool {
        self.shard(id).lock().get(&id).is_some_and(Flight::is_awaited)
    }

    /// Whether a client here waits for the reply to a task that does not run here.
    pub(super) fn expects_reply(&self, id: TaskId) -> bool {
        let shard = self.shard(id).lock();
        shard.get(&id).is_some_and(|flight| flight.run.is_none() && flight.client.is_some())
    }

    /// The tasks that somebody waits for and that do not run here.
    pub(super) fn awaited(&self) -> Vec<TaskId> {
        let awaited = |shard: &Mutex<HashMap<TaskId, Flight, RandomState>>| {
            let shard = shard.lock();
            shard.iter().filter(|(_, flight)| flight.is_awaited()).map(|(id, _)| *id).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(awaited).collect()
    }

    /// The tasks that run here and were sent to that worker.
    pub(super) fn sent_to(&self, worker: &str) -> HashSet<TaskId> {
        let sent = |shard: &Mutex<HashMap<TaskId, Flight, RandomState>>| {
            let shard = shard.lock();
            let runs = shard.iter().filter_map(|(id, flight)| Some((*id, flight.run.as_ref()?.attempt.as_ref()?)));
            runs.filter(|(_, attempt)| *attempt.worker == *worker).map(|(id, _)| id).collect::<Vec<_>>()
        };
        self.shards.iter().flat_map(sent).collect()
    }

    /// The attempt that is under way here.
    pub(super) fn current_attempt(&self, id: TaskId) -> Option<Attempt> {
        self.shard(id).lock().get(&id).and_then(|flight| flight.run.as_ref()).and_then(|run| run.attempt.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Refusal;
    use crate::task::{Contract, LaneKey, Timestamp};

    fn lease(token: u64) -> Lease {
        let lane = LaneKey::new("g", Contract::new(1.0).unwrap());
        Lease { task: TaskId::new(Timestamp::from_millis(1), 1), lane, token }
    }

    fn no_reply(_: Option<Reply>) -> Reply {
        panic!("no client waits")
    }

    #[test]
    fn a_task_that_is_missing_is_lost_only_once_it_was_there() {
        let flights = Flights::default();
        let id = lease(1).task;
        let mut client = flights.await_reply(id);
        let mut watcher = flights.watch(id);
        flights.missing(id, || panic!("its enqueue is on its way"));
        assert_eq!(watcher.try_recv(), Ok(()), "whoever watches looks again");
        flights.stored(id);
        let _run = flights.claimed(&lease(1));
        flights.missing(id, || panic!("its run says how it ends"));
        flights.landed(&lease(1), None);
        flights.missing(id, || Reply::Refused(Refusal::shutting_down()));
        assert!(client.try_recv().is_ok());
        assert!(flights.awaited().is_empty());
    }

    #[test]
    fn an_ending_told_late_leaves_the_next_run_alone() {
        let flights = Flights::default();
        let (first, second) = (lease(1), lease(2));
        let _first = flights.claimed(&first);
        let mut stopped = flights.claimed(&second);
        let mut watcher = flights.watch(first.task);
        flights.ended(first.task, Some(first.token), no_reply);
        assert_eq!(watcher.try_recv(), Ok(()), "whoever waits is told");
        assert_eq!(flights.leases(), std::slice::from_ref(&second));
        assert_eq!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty), "it goes on");
        flights.ended(second.task, Some(second.token), no_reply);
        assert!(flights.leases().is_empty());
    }
}
