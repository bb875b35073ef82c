//! The table.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::arguments::Plan;
use crate::fleet::{CpuUse, NGINX};
use crate::load;
use crate::median::median;

/// The share of its threads' time that says that the load generator had no more to give.
const EXHAUSTED: f64 = 0.9;

/// One measurement.
#[derive(Debug)]
pub(crate) struct Sample {
    tasks: f64,
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu: CpuUse,
}

/// All measurements of one target under one number of clients, in the order of the rounds.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) clients: u32,
    /// Which of the targets.
    pub(crate) target: usize,
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

/// The table, as Markdown.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// What was measured where.
    pub(crate) subject: String,
    /// Which of the targets the others are compared with, and its name.
    pub(crate) base: (usize, String),
    pub(crate) plan: &'a Plan,
    pub(crate) series: &'a [Series],
}

impl Sample {
    /// The measurement of a window of that length; `latencies` in microseconds, one for each task that ended in it.
    pub(crate) fn new(mut latencies: Vec<u32>, measured: Duration, cpu: CpuUse) -> Result<Self> {
        ensure!(!latencies.is_empty(), "no task ended within {measured:?}");
        latencies.sort_unstable();
        Ok(Self {
            tasks: f64::from(u32::try_from(latencies.len())?),
            seconds: measured.as_secs_f64(),
            p50_ms: quantile_ms(&latencies, 50),
            p99_ms: quantile_ms(&latencies, 99),
            cpu,
        })
    }

    /// Tasks in a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.tasks / self.seconds
    }

    fn microseconds_a_task(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.tasks
    }

    fn proxy_cpu(&self) -> Option<f64> {
        self.cpu.proxy.map(|cpu| self.microseconds_a_task(cpu))
    }
}

impl Series {
    pub(crate) fn new(clients: u32, target: usize, name: &str) -> Self {
        Self { clients, target, name: name.to_owned(), samples: Vec::new() }
    }

    fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure).collect())
    }

    /// The median of the ratios of each round: what the machine did in that round hit both alike.
    fn median_ratio(&self, base: &Self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().zip(&base.samples).map(|(own, base)| figure(own) / figure(base)).collect())
    }

    /// Whether the load generator, not the target, set the pace.
    fn is_held_back(&self) -> bool {
        let threads = f64::from(u32::try_from(load::threads(self.clients)).unwrap_or(u32::MAX));
        self.median(|sample| sample.cpu.clients.as_secs_f64() / sample.seconds) > EXHAUSTED * threads
    }

    fn write_row(&self, base: Option<&Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let throughputs = || self.samples.iter().map(Sample::throughput);
        let (lowest, highest) = (throughputs().fold(f64::INFINITY, f64::min), throughputs().fold(0.0, f64::max));
        let mark = if self.is_held_back() { " \\*" } else { "" };
        write!(f, "| {} | {}{mark} | ", self.clients, self.name)?;
        write!(f, "{:.0} ({lowest:.0} to {highest:.0}) | ", self.median(Sample::throughput))?;
        match base {
            Some(base) => write!(f, "{:.2} | ", self.median_ratio(base, Sample::throughput))?,
            None => write!(f, "| ")?,
        }
        write!(f, "{:.2} | {:.2} | ", self.median(|sample| sample.p50_ms), self.median(|sample| sample.p99_ms))?;
        let proxy_cpu = |sample: &Sample| sample.proxy_cpu().unwrap_or(f64::NAN);
        match base.filter(|_| self.samples.iter().all(|sample| sample.cpu.proxy.is_some())) {
            Some(base) => {
                write!(f, "{:.1} | {:.2} | ", self.median(proxy_cpu), self.median_ratio(base, proxy_cpu))?;
            }
            None => write!(f, "| | ")?,
        }
        let worker = self.median(|sample| sample.microseconds_a_task(sample.cpu.worker));
        let clients = self.median(|sample| sample.microseconds_a_task(sample.cpu.clients));
        writeln!(f, "{worker:.1} | {clients:.1} |")
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { rounds, measured, .. } = self.plan;
        let base = &self.base.1;
        writeln!(f, "# Throughput and CPU per task\n\n{}", self.subject)?;
        let cores =
            if base == NGINX { "; nginx has one\nworker process, `andera-lb` takes the cores it finds" } else { "" };
        writeln!(
            f,
            "Measured in turns, {rounds} rounds of {} s each; medians, and of the ratios the median of each round's own.\n\
             Every client has one connection and one task at a time. CPU is user and system time, for a task{cores}.\n",
            measured.as_secs()
        )?;
        writeln!(
            f,
            "| clients | target | tasks/s (lowest to highest) | to {base} | p50 ms | p99 ms | proxy CPU us | to {base} | worker CPU us | \
             load generator CPU us |"
        )?;
        writeln!(f, "|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|")?;
        for series in self.series {
            let base = self.series.iter().find(|other| other.clients == series.clients && other.target == self.base.0);
            series.write_row(base, f)?;
        }
        if self.series.iter().any(Series::is_held_back) {
            writeln!(f, "\n\\* The load generator was busy all the time: the target can do more.")?;
        }
        Ok(())
    }
}

/// The value that so many percent of the sorted values do not exceed, in milliseconds.
fn quantile_ms(sorted_us: &[u32], percent: usize) -> f64 {
    let rank = (sorted_us.len() * percent).div_ceil(100).max(1);
    sorted_us.get(rank - 1).map_or(0.0, |&us| f64::from(us) / 1_000.0)
}
