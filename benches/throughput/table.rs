//! A table of measurements.

use std::fmt;
use std::time::Duration;

use crate::measure::{CpuUse, Sample};
use crate::series::{Series, find};

/// A table, as Markdown.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// What the groups are.
    pub(crate) groups: &'a str,
    pub(crate) series: &'a [Series],
    /// The names of those that the others of their group are compared with.
    pub(crate) bases: &'a [&'a str],
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let redis = self.series.iter().flat_map(|series| &series.samples).any(|sample| sample.cpu.redis.is_some());
        let mut titles = vec![self.groups.to_owned(), "target".into(), "tasks/s (lowest to highest)".into()];
        titles.extend(self.bases.iter().map(|base| format!("to {base}")));
        titles.extend(["p50 ms", "p99 ms", "p99.9 ms", "proxy CPU us"].map(Into::into));
        titles.extend(self.bases.first().map(|base| format!("to {base}")));
        titles.extend(["worker CPU us", "load CPU us"].map(Into::into));
        titles.extend(redis.then(|| "Redis CPU us".into()));
        titles.push("proxy MB".into());
        writeln!(f, "| {} |\n|---|---|{}", titles.join(" | "), "---:|".repeat(titles.len() - 2))?;
        for series in self.series {
            writeln!(f, "| {} |", self.row(series, redis).join(" | "))?;
        }
        if self.series.iter().any(Series::is_held_back) {
            writeln!(f, "\n\\* The load generator was busy all the time: the target can do more.")?;
        }
        Ok(())
    }
}

impl Table<'_> {
    fn row(&self, series: &Series, redis: bool) -> Vec<String> {
        let throughputs = || series.samples.iter().map(Sample::throughput);
        let (lowest, highest) = (throughputs().fold(f64::INFINITY, f64::min), throughputs().fold(0.0, f64::max));
        let mark = if series.is_held_back() { " \\*" } else { "" };
        let base = |name: &str| find(self.series, &series.group, name);
        let ratio = |name: &str, of: &dyn Fn(&Sample) -> f64| {
            base(name).map_or(String::new(), |base| number(series.median_ratio(base, of), 2))
        };
        let cpu = |of: fn(&CpuUse) -> Option<Duration>| number(series.median(|sample| sample.cpu_a_task(of)), 1);

        let mut row = vec![series.group.clone(), format!("{}{mark}", series.name)];
        row.push(format!("{:.0} ({lowest:.0} to {highest:.0})", series.median(Sample::throughput)));
        row.extend(self.bases.iter().map(|name| ratio(name, &Sample::throughput)));
        row.push(number(series.median(|sample| sample.p50_ms), 2));
        row.push(number(series.median(|sample| sample.p99_ms), 2));
        row.push(number(series.median(|sample| sample.p999_ms), 2));
        row.push(cpu(|cpu| cpu.proxy));
        row.extend(self.bases.first().map(|name| ratio(name, &|sample| sample.cpu_a_task(|cpu| cpu.proxy))));
        row.push(cpu(|cpu| Some(cpu.workers)));
        row.push(cpu(|cpu| Some(cpu.clients)));
        row.extend(redis.then(|| cpu(|cpu| cpu.redis)));
        row.push(number(series.median(|sample| sample.memory_kb.unwrap_or(f64::NAN) / 1_000.0), 0));
        row
    }
}

/// With so many digits; what cannot be told is left out.
pub(crate) fn number(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { String::new() }
}
