//! The queue in Redis, in the keys and with the meaning that `BullMQ` gives them: its tools read and change it, and several balancers
//! share it.
//!
//! Every lane is a queue of `BullMQ`, named by `task::lane_name`. Every change is made by one function on the server (`scripts/`), which takes
//! one or more steps: so a settle and the next claim, or a whole batch, are one round trip, and nobody sees what is between them. Time is
//! the server's. What `BullMQ` has no field for is in four fields of a job beside its own: `andera` (the fixed part, `fixed`),
//! `anderaLife` (what changes; the scripts' own), `anderaAttempts` and `anderaEnd` (`end`); and in keys of the whole queue whose names
//! begin with `andera-` (`scripts/base.lua`).
//!
//! - `link`: the connection, its loss and return; `hearing`: what other balancers tell; `rounds`: what falls due.
//! - `inbox`: jobs that other tools leave in the queue `tasks`.
//! - `steps`: calls of the script; `answer`: what it answers; `record`: tasks out of it.

mod answer;
mod attempts;
mod end;
mod fixed;
mod greeting;
mod hearing;
mod inbox;
mod link;
mod listing;
mod record;
mod rounds;
mod steps;
mod task_queue;

#[cfg(test)]
pub(super) mod server;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::Value;
use tokio::sync::broadcast;

use self::link::Link;
pub use self::link::RedisAddressError;
use self::steps::{Call, Step};
use super::ledger::Alarm;
use super::{QueueError, QueueEvent, QueueLimits, Sealer};
use crate::config::RedisSettings;
use crate::task::{Chance, Clock};

/// Places of what changes in the arguments that each call begins with.
const TIME: usize = 1;
const JUDGES_OTHERS: usize = 8;
/// Events kept for a receiver that is behind.
const EVENT_BUFFER: usize = 4_096;

/// The queue in Redis.
pub struct BullmqQueue {
    link: Link,
    prefix: String,
    /// Tells this process's doings from those of others.
    me: String,
    limits: QueueLimits,
    /// What each call begins with, but for what changes from call to call.
    head: [Bytes; 9],
    /// Some key of ours, for a cluster to know the node by.
    key: Bytes,
    /// How long nobody judges what others hold after the store has come back.
    lease: Duration,
    clock: Clock,
    sealer: Sealer,
    events: broadcast::Sender<QueueEvent>,
    /// The next moment at which this process knows something to be due.
    alarm: Alarm,
    /// What the store was called when it was last seen.
    store: Mutex<Option<String>>,
}

impl BullmqQueue {
    /// A queue on that Redis, which need not be there yet: it is connected to by [`run`](super::TaskQueue::run). `lease` is how long
    /// claims hold.
    ///
    /// # Errors
    ///
    /// [`RedisAddressError`]: the address is none.
    pub fn new(
        settings: &RedisSettings,
        limits: QueueLimits,
        lease: Duration,
        clock: Clock,
        sealer: Sealer,
    ) -> Result<Self, RedisAddressError> {
        let me = format!("andera-{:016x}", Chance::process().number());
        Ok(Self {
            link: Link::new(settings, clock.simulated_now().is_some())?,
            prefix: settings.prefix.clone(),
            head: head(&settings.prefix, &me, &limits),
            key: format!("{}:andera-tasks", settings.prefix).into(),
            me,
            limits,
            lease,
            clock,
            sealer,
            events: broadcast::Sender::new(EVENT_BUFFER),
            alarm: Alarm::default(),
            store: Mutex::default(),
        })
    }

    /// Takes steps on the server, in one round trip and as one; gives the answer of each.
    async fn call(&self, steps: &[Step]) -> Result<Vec<Value>, QueueError> {
        let live = self.link.live().await?;
        self.call_on(&live, steps).await
    }

    async fn call_on(&self, live: &link::Live, steps: &[Step]) -> Result<Vec<Value>, QueueError> {
        let mut head = self.head.clone();
        if let Some(now) = self.clock.simulated_now() {
            head[TIME] = now.as_millis().to_string().into();
        }
        // Whoever held something while the server was away gets the time to say so.
        if live.since.elapsed() >= self.lease {
            head[JUDGES_OTHERS] = Bytes::from_static(b"1");
        }
        let call = Call { key: self.key.clone(), head, steps };
        let mut connection = self.link.connection(live).await;
        let taken = self.link.scripts.take(&mut connection, live.has_library, &call);
        let answers = self.link.hear(live, taken).await?;
        if answers.len() == steps.len() {
            Ok(answers)
        } else {
            Err(QueueError::Unavailable(format!("{} answers to {} steps", answers.len(), steps.len())))
        }
    }

    /// Takes one step.
    async fn step(&self, step: Step) -> Result<Value, QueueError> {
        let mut answers = self.call(&[step]).await?;
        Ok(answers.pop().unwrap_or(Value::Nil))
    }

    /// Takes many steps, so many at a time that nobody else waits long; each is answered by itself, in order.
    async fn steps<T>(
        &self,
        steps: Vec<Step>,
        answer: impl Fn(Value) -> Result<T, QueueError>,
    ) -> Vec<Result<T, QueueError>> {
        let mut answers = Vec::with_capacity(steps.len());
        for some in steps.chunks(STEPS_AT_ONCE) {
            match self.call(some).await {
                Ok(values) => answers.extend(values.into_iter().map(&answer)),
                Err(error) => answers.extend(some.iter().map(|_| Err(error.clone()))),
            }
        }
        answers
    }

    fn tell(&self, event: QueueEvent) {
        // Nobody listening is no fault.
        let _ = self.events.send(event);
    }
}

/// Steps of one call: a few milliseconds of the server's time.
const STEPS_AT_ONCE: usize = 64;

/// The arguments that each call begins with (see `scripts/base.lua`): by the server's own time, and judging nobody.
fn head(prefix: &str, me: &str, limits: &QueueLimits) -> [Bytes; 9] {
    let number = |number: u64| Bytes::from(number.to_string());
    [
        prefix.to_owned().into(),
        Bytes::new(),
        me.to_owned().into(),
        number(limits.max_waiting),
        number(limits.max_interruptions.into()),
        number(u64::try_from(limits.retention.as_millis()).unwrap_or(u64::MAX)),
        number(limits.retention_count),
        number(limits.retention_bytes),
        Bytes::from_static(b"0"),
    ]
}

impl std::fmt::Debug for BullmqQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BullmqQueue").field("prefix", &self.prefix).field("me", &self.me).finish_non_exhaustive()
    }
}
