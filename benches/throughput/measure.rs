//! One measurement.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use crate::arguments::Plan;
use crate::contender::Contender;
use crate::cpu::Processes;
use crate::load::{self, TaskRequest, Window};
use crate::memory;
use crate::stage::Workers;

/// What was measured under load.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) tasks: f64,
    pub(crate) seconds: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) cpu: CpuUse,
    /// Resident memory of nginx or the balancer when it was over.
    pub(crate) memory_kb: Option<f64>,
}

/// Puts load on a contender whose tasks end at `workers`; the clients send the requests in turns.
pub(crate) async fn measure(
    contender: &mut Contender,
    workers: &mut Workers,
    requests: &[TaskRequest],
    clients: u32,
    plan: &Plan,
) -> Result<Sample> {
    let window = window(plan);
    let observed = Observed::new(contender, workers)?;
    let (latencies, (cpu, memory_kb)) =
        tokio::try_join!(load::run(contender.address, requests, clients, window), async {
            Ok((observed.within(window).await?, observed.memory_kb()?))
        })?;
    contender.ensure_running()?;
    workers.process.ensure_running()?;
    Sample::new(latencies, plan.measured, cpu, memory_kb)
}

/// Load that counts for nothing, until what is new has come to rest.
pub(crate) async fn settle(contender: &Contender, requests: &[TaskRequest], clients: u32, plan: &Plan) -> Result<()> {
    let from = Instant::now();
    load::run(contender.address, requests, clients, Window { from, to: from + plan.scale.settling }).await?;
    Ok(())
}

/// The next stretch of time to measure in.
pub(crate) fn window(plan: &Plan) -> Window {
    let from = Instant::now() + plan.warm_up;
    Window { from, to: from + plan.measured }
}

impl Sample {
    /// `latencies` in microseconds, one for each task that ended in the time; of none, nothing can be told but that.
    fn new(mut latencies: Vec<u32>, measured: Duration, cpu: CpuUse, memory_kb: Option<f64>) -> Result<Self> {
        latencies.sort_unstable();
        Ok(Self {
            tasks: f64::from(u32::try_from(latencies.len())?),
            seconds: measured.as_secs_f64(),
            p50_ms: quantile_ms(&latencies, 500),
            p99_ms: quantile_ms(&latencies, 990),
            p999_ms: quantile_ms(&latencies, 999),
            cpu,
            memory_kb,
        })
    }

    /// Tasks in a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.tasks / self.seconds
    }

    /// Microseconds of CPU time a task; not a number if nothing of the kind runs.
    pub(crate) fn cpu_a_task(&self, of: impl Fn(&CpuUse) -> Option<Duration>) -> f64 {
        of(&self.cpu).map_or(f64::NAN, |cpu| cpu.as_secs_f64() * 1e6 / self.tasks)
    }
}

/// The value that so many per mille of the sorted values do not exceed, in milliseconds; of none, not a number.
pub(crate) fn quantile_ms(sorted_us: &[u32], per_mille: usize) -> f64 {
    let rank = (sorted_us.len() * per_mille).div_ceil(1_000).max(1);
    sorted_us.get(rank - 1).map_or(f64::NAN, |&us| f64::from(us) / 1_000.0)
}

/// CPU time used within a stretch of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CpuUse {
    /// Of nginx or the balancer, if there is one.
    pub(crate) proxy: Option<Duration>,
    pub(crate) workers: Duration,
    /// Of the balancer's Redis, if it has one.
    pub(crate) redis: Option<Duration>,
    /// Of the load generator, this process.
    pub(crate) clients: Duration,
}

/// The processes that do the work.
#[derive(Debug)]
pub(crate) struct Observed {
    proxy: Option<(u32, Processes)>,
    workers: Processes,
    redis: Option<Processes>,
}

impl Observed {
    pub(crate) fn new(contender: &Contender, workers: &Workers) -> Result<Self> {
        let proxy =
            contender.proxy.as_ref().map(|child| anyhow::Ok((child.id(), Processes::with_children(child.id())?)));
        let redis = contender.redis.as_ref().map(|redis| Processes::with_children(redis.process.id()));
        Ok(Self {
            proxy: proxy.transpose()?,
            workers: Processes::with_children(workers.process.id())?,
            redis: redis.transpose()?,
        })
    }

    /// What they use within the window, once it is over.
    pub(crate) async fn within(&self, window: Window) -> Result<CpuUse> {
        sleep_until(window.from).await;
        let before = self.used()?;
        sleep_until(window.to).await;
        Ok(self.used()?.since(before))
    }

    /// Resident memory of nginx or the balancer.
    pub(crate) fn memory_kb(&self) -> Result<Option<f64>> {
        self.proxy.as_ref().map(|(id, _)| memory::resident_kb(*id)).transpose()
    }

    fn used(&self) -> Result<CpuUse> {
        Ok(CpuUse {
            proxy: self.proxy.as_ref().map(|(_, processes)| processes.used()).transpose()?,
            workers: self.workers.used()?,
            redis: self.redis.as_ref().map(Processes::used).transpose()?,
            clients: Processes::own().used()?,
        })
    }
}

impl CpuUse {
    fn since(self, before: Self) -> Self {
        let of_both = |after: Option<Duration>, before: Option<Duration>| {
            after.zip(before).map(|(after, before)| after.saturating_sub(before))
        };
        Self {
            proxy: of_both(self.proxy, before.proxy),
            workers: self.workers.saturating_sub(before.workers),
            redis: of_both(self.redis, before.redis),
            clients: self.clients.saturating_sub(before.clients),
        }
    }
}
