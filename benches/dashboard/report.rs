//! The tables.

use std::fmt;

use crate::arguments::Plan;
use crate::first_byte::Answers;
use crate::load;
use crate::median::median;
use crate::scene::CpuUse;
use crate::throughput::{Sample, Series};

/// What a first byte may take.
const LIMIT_MS: f64 = 100.0;

/// The tables, as Markdown.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// What was measured where.
    pub(crate) subject: String,
    pub(crate) plan: &'a Plan,
    pub(crate) idle: CpuUse,
    pub(crate) answers: &'a [Answers],
    /// The first is what the others are compared with.
    pub(crate) series: &'a [Series],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { workers, tasks, queue, repeats, rounds, clients, measured, .. } = self.plan;
        let percent = |cpu: std::time::Duration| cpu.as_secs_f64() / measured.as_secs_f64() * 100.0;
        writeln!(f, "# The dashboard with {workers} workers and {tasks} kept tasks\n\n{}", self.subject)?;
        writeln!(
            f,
            "`QUEUE={queue}`. With nothing to do the balancer uses {:.1} % of a core, and the process with all workers {:.1} %.\n",
            percent(self.idle.balancer),
            percent(self.idle.simulator)
        )?;
        writeln!(
            f,
            "## First bytes\n\n{repeats} times each (slow ones less often), compressed, over a new connection. More than {LIMIT_MS} ms is marked.\n"
        )?;
        writeln!(f, "| address | first byte, median ms | highest | all of it, median ms | KB on the wire |")?;
        writeln!(f, "|---|---:|---:|---:|---:|")?;
        for Answers { path, first_ms, whole_ms, bytes } in self.answers {
            let highest = first_ms.last().copied().unwrap_or(f64::NAN);
            let mark = if highest > LIMIT_MS { " \\*" } else { "" };
            #[expect(clippy::cast_precision_loss, reason = "a figure for a table")]
            let kilobytes = *bytes as f64 / 1024.0;
            let whole = if whole_ms.is_empty() { "–".to_owned() } else { format!("{:.1}", median(whole_ms.clone())) };
            writeln!(
                f,
                "| `{}` | {:.1} | {highest:.1}{mark} | {whole} | {kilobytes:.1} |",
                short(path),
                median(first_ms.clone())
            )?;
        }
        writeln!(
            f,
            "\n## Throughput with one page open\n\nMeasured in turns, {rounds} rounds of {} s each with {clients} clients on {} threads; medians, and of the ratios the\n\
             median of each round's own.\n",
            measured.as_secs(),
            load::threads(*clients),
        )?;
        writeln!(
            f,
            "| open | tasks/s | to none | balancer CPU us a task | to none | KB/s to the page | load generator, % of a core |"
        )?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|---:|")?;
        for series in self.series {
            let of = |figure: fn(&Sample) -> f64| median(series.samples.iter().map(figure).collect());
            let ratio = |figure: fn(&Sample) -> f64| {
                let base = self.series.first().map_or(&[][..], |base| &base.samples);
                median(series.samples.iter().zip(base).map(|(own, base)| figure(own) / figure(base)).collect())
            };
            writeln!(
                f,
                "| {} | {:.0} | {:.3} | {:.1} | {:.3} | {:.1} | {:.0} |",
                series.name,
                of(Sample::throughput),
                ratio(Sample::throughput),
                of(Sample::cpu_a_task),
                ratio(Sample::cpu_a_task),
                of(|sample| sample.page_bytes / sample.seconds / 1024.0),
                of(|sample| sample.cpu.clients.as_secs_f64() / sample.seconds * 100.0),
            )?;
        }
        Ok(())
    }
}

/// The address with long names cut.
fn short(path: &str) -> String {
    let cut = |part: &str| if part.len() > 24 { format!("{}…", &part[..8]) } else { part.to_owned() };
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let path = path.split('/').map(cut).collect::<Vec<_>>().join("/");
    match query {
        Some(query) => format!(
            "{path}?{}",
            query.split('&').filter(|part| !part.starts_with("worker=")).collect::<Vec<_>>().join("&")
        ),
        None => path,
    }
}
