//! The official crate: as many jobs under way as there are clients, each added when the one before it has been processed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, anyhow};
use bullmq::options::{JobOptions, RedisConnectionOptions};
use bullmq::types::RemoveOnFinish;
use bullmq::worker::{CancellationToken, ProcessorFn};
use bullmq::{Job, Queue, QueueOptions, Worker, WorkerOptions};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::cpu::Processes;
use crate::fleet::Redis;
use crate::load::Window;
use crate::report::Sample;

/// Ended jobs that are kept, as many as a balancer keeps.
const KEPT: usize = 100_000;

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<()>>>>;

pub(crate) struct Loop {
    redis: Redis,
    /// Makes the ids of jobs differ from round to round.
    rounds: AtomicU64,
}

impl Loop {
    pub(crate) async fn start() -> Result<Self> {
        Ok(Self { redis: Redis::start().await?, rounds: AtomicU64::new(0) })
    }

    pub(crate) async fn measure(&self, clients: usize, window: Window) -> Result<Sample> {
        let connection = || RedisConnectionOptions { url: self.redis.url(), ..Default::default() };
        let jobs = JobOptions { remove_on_complete: Some(RemoveOnFinish::Count(KEPT)), ..Default::default() };
        let options = QueueOptions { connection: connection(), default_job_options: jobs, ..Default::default() };
        let queue = Arc::new(Queue::with_options("loop", options).await?);
        let waiting = Waiting::default();
        let ended = Arc::clone(&waiting);
        let process: ProcessorFn = Arc::new(move |job: Job, _: CancellationToken| {
            let waiter = ended.lock().ok().and_then(|mut waiting| waiting.remove(job.id()));
            if let Some(waiter) = waiter {
                // Nobody waits once the window is over.
                let _ = waiter.send(());
            }
            Box::pin(async { Ok(json!({ "success": true, "message": "Hello, bench!" })) })
        });
        let options = WorkerOptions { connection: connection(), concurrency: clients, ..Default::default() };
        let worker = Worker::with_options("loop", process, options).await?;

        let round = self.rounds.fetch_add(1, Ordering::Relaxed);
        let mut running = JoinSet::new();
        for client in 0..clients {
            running.spawn(run_client(format!("{round}-{client}"), Arc::clone(&queue), Arc::clone(&waiting), window));
        }
        sleep_until(window.from).await;
        let own = Processes::own();
        let (redis, before) = (self.redis.cpu()?, own.used()?);
        sleep_until(window.to).await;
        let (redis, used) = (self.redis.cpu()?.saturating_sub(redis), own.used()?.saturating_sub(before));
        let mut tasks = 0;
        while let Some(counted) = running.join_next().await {
            tasks += counted??;
        }
        worker.close(5_000).await?;
        Ok(Sample::new(tasks, window.to - window.from, redis, used))
    }
}

async fn run_client(client: String, queue: Arc<Queue>, waiting: Waiting, window: Window) -> Result<usize> {
    let mut counted = 0;
    for n in 0_u64.. {
        let id = format!("{client}-{n}");
        let (sender, processed) = oneshot::channel();
        waiting.lock().map_err(|_| anyhow!("a processor panicked"))?.insert(id.clone(), sender);
        let body = json!({ "group": "bench", "function": "hello", "contract": 1, "input": { "name": "bench" } });
        queue.add("hello", body).job_id(id).await?;
        processed.await.context("the job was lost")?;
        let now = Instant::now();
        if now >= window.to {
            break;
        }
        counted += usize::from(now >= window.from);
    }
    Ok(counted)
}
