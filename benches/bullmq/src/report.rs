//! The table.

use std::fmt::Write;
use std::time::Duration;

use crate::median::median;

/// One measurement.
pub(crate) struct Sample {
    /// Tasks a second.
    pub(crate) throughput: f64,
    /// CPU time of Redis a task, in microseconds.
    pub(crate) redis: f64,
    /// CPU time a task of the balancers, or of the loop, in microseconds.
    pub(crate) others: f64,
}

impl Sample {
    pub(crate) fn new(tasks: usize, took: Duration, redis: Duration, others: Duration) -> Self {
        let count = u32::try_from(tasks.max(1)).map_or(f64::MAX, f64::from);
        let each = |used: Duration| used.as_secs_f64() * 1e6 / count;
        Self { throughput: count / took.as_secs_f64(), redis: each(redis), others: each(others) }
    }
}

/// All measurements of one thing.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    pub(crate) fn new(name: String) -> Self {
        Self { name, samples: Vec::new() }
    }

    fn middle(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure).collect())
    }
}

/// Medians, and of the ratio to the first row the median of each round's own.
pub(crate) fn table(machine: &str, clients: u32, series: &[Series]) -> String {
    let mut text = format!("{machine}\nMeasured in turns with {clients} clients; medians.\n\n");
    text += "| | tasks/s | to the loop | Redis CPU us a task | CPU us a task of the balancers, or of the loop |\n|---|---:|---:|---:|---:|\n";
    let Some(base) = series.first() else { return text };
    for row in series {
        let rounds = row.samples.iter().zip(&base.samples);
        let ratio = median(rounds.map(|(sample, base)| sample.throughput / base.throughput).collect());
        let others = row.middle(|sample| sample.others);
        let (throughput, redis) = (row.middle(|sample| sample.throughput), row.middle(|sample| sample.redis));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {throughput:.0} | {ratio:.2} | {redis:.0} | {others:.0} |", row.name);
    }
    text
}
