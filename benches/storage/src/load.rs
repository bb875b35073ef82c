//! The load: each producer enqueues a task, waits, settles the one it claimed, waits, and begins again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use tokio::sync::{mpsc, oneshot};

use crate::store::{ENDED, Id, QUEUED};
use crate::writer::{Claimed, Request, Writer};

pub const PAYLOAD: usize = 1_024;
const META: usize = 150;
const RECORD: usize = 250;

/// Text that LZ4 cannot shorten: sealed and encoded data is the common case.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        (0..8 * 1024 * 1024)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                b'0' + (state >> 40) as u8 % 64
            })
            .collect()
    })
}

/// Makes tasks; ids are in order over all runs.
pub struct Source {
    epoch: u64,
    next: AtomicU64,
}

impl Source {
    pub fn new() -> Self {
        let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_micros() as u64);
        Self { epoch, next: AtomicU64::new(0) }
    }

    pub fn next(&self) -> (Id, Vec<u8>, &'static [u8]) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.epoch.to_be_bytes());
        id[8..].copy_from_slice(&number.to_be_bytes());
        let from = (number as usize).wrapping_mul(7_919) % (noise().len() - PAYLOAD);
        let mut meta = noise()[from..from + META].to_vec();
        meta[0] = QUEUED;
        (id, meta, &noise()[from..from + PAYLOAD])
    }
}

/// The record of an ended task.
pub fn record() -> Vec<u8> {
    let mut record = noise()[..RECORD].to_vec();
    record[0] = ENDED;
    record
}

/// What a run came to.
pub struct Outcome {
    pub tasks: u64,
    /// Time to the acknowledgement of each write, in nanoseconds.
    pub latencies: Vec<u32>,
    pub groups: u64,
    pub cpu_micros: u64,
    pub seconds: f64,
}

/// Told of each acknowledged write.
pub type OnAcknowledged = Arc<dyn Fn(u8, &Id) + Send + Sync>;

/// Runs the load for `seconds` after `warmup`.
pub fn run(
    mut writer: Writer,
    source: Arc<Source>,
    producers: usize,
    warmup: Duration,
    time: Duration,
    acknowledged: Option<OnAcknowledged>,
) -> Result<(Outcome, Writer)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let (sender, receiver) = mpsc::channel(1_024);
    let thread = std::thread::spawn(move || {
        let groups = writer.run(receiver);
        (writer, groups)
    });
    let begin = Instant::now() + warmup;
    let end = begin + time;
    let mut outcome = runtime.block_on(async {
        let producers: Vec<_> = (0..producers)
            .map(|_| {
                let producer = Producer {
                    sender: sender.clone(),
                    source: Arc::clone(&source),
                    acknowledged: acknowledged.clone(),
                    latencies: Vec::with_capacity(8_192),
                };
                tokio::spawn(producer.run(begin, end))
            })
            .collect();
        drop(sender);
        tokio::time::sleep_until(begin.into()).await;
        let before = crate::machine::cpu_micros();
        tokio::time::sleep_until(end.into()).await;
        let cpu_micros = crate::machine::cpu_micros() - before;
        let (mut tasks, mut latencies) = (0, Vec::new());
        for producer in producers {
            let (count, more) = producer.await??;
            tasks += count;
            latencies.extend(more);
        }
        anyhow::Ok(Outcome { tasks, latencies, groups: 0, cpu_micros, seconds: time.as_secs_f64() })
    })?;
    let (writer, groups) = thread.join().map_err(|_| anyhow!("the writer panicked"))?;
    outcome.groups = groups;
    outcome.latencies.sort_unstable();
    Ok((outcome, writer))
}

struct Producer {
    sender: mpsc::Sender<Request>,
    source: Arc<Source>,
    acknowledged: Option<OnAcknowledged>,
    latencies: Vec<u32>,
}

impl Producer {
    async fn run(mut self, begin: Instant, end: Instant) -> Result<(u64, Vec<u32>)> {
        let mut tasks = 0;
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok((tasks, self.latencies));
            }
            let measured = now >= begin;
            let (id, meta, payload) = self.source.next();
            let claimed =
                self.send(b'E', id, measured, |answer| Request::Enqueue { id, meta, payload, answer }).await?;
            let id = claimed.id;
            self.send(b'S', id, measured, |answer| Request::Settle { claimed, record: record(), answer }).await?;
            if measured {
                tasks += 1;
            }
        }
    }

    async fn send(
        &mut self,
        kind: u8,
        id: Id,
        measured: bool,
        request: impl FnOnce(oneshot::Sender<Result<Claimed, String>>) -> Request,
    ) -> Result<Claimed> {
        let start = Instant::now();
        let (answer, answered) = oneshot::channel();
        self.sender.send(request(answer)).await.map_err(|_| anyhow!("the writer is gone"))?;
        let claimed = answered.await?.map_err(|error| anyhow!(error))?;
        if measured {
            self.latencies.push(start.elapsed().as_nanos().min(u128::from(u32::MAX)) as u32);
        }
        if let Some(acknowledged) = &self.acknowledged {
            acknowledged(kind, &id);
        }
        Ok(claimed)
    }
}
