//! The tables.

use std::fmt;

use crate::arguments::Plan;
use crate::backend::KEPT;
use crate::case::{Figures, OPERATIONS, Place, Reopened, Series};
use crate::median::median;
use crate::tasks::BODY;

const MEGABYTE: f64 = 1_000_000.0;

/// The tables, as Markdown.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    /// What was measured where.
    pub(crate) subject: String,
    pub(crate) plan: &'a Plan,
    pub(crate) series: &'a [Series],
}

impl Series {
    fn median(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        median(self.figures.iter().map(figure).collect())
    }

    /// The median of the ratios of each round: what the machine did in that round hit both alike.
    fn median_ratio(&self, base: &Self, figure: impl Fn(&Figures) -> f64) -> f64 {
        median(self.figures.iter().zip(&base.figures).map(|(own, base)| figure(own) / figure(base)).collect())
    }

    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} | {} | ", self.case.queue.name(), self.case.queued, self.case.place.words())
    }

    fn write_rates(&self, empty: Option<&Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        for kind in 0..OPERATIONS.len() {
            let rate = |figures: &Figures| figures.rates[kind];
            write!(f, "{:.0}", self.median(rate))?;
            if let Some(empty) = empty {
                write!(f, " ({:.2})", self.median_ratio(empty, rate))?;
            }
            write!(f, " | ")?;
        }
        writeln!(f, "{:.1} |", self.median(|figures| figures.cpu_us))
    }

    fn write_space(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        let a_task = |bytes: fn(&Figures) -> u64| match self.case.queued {
            0 => String::new(),
            queued => format!("{:.0}", self.median(|figures| float(bytes(figures)) / float(queued))),
        };
        let megabytes = |bytes: fn(&Figures) -> u64| self.median(|figures| float(bytes(figures)) / MEGABYTE);
        write!(f, "{:.1} | ", self.median(|figures| figures.fill_seconds))?;
        write!(
            f,
            "{:.0} | {} | ",
            megabytes(|it| it.memory[1]),
            a_task(|it| it.memory[1].saturating_sub(it.memory[0]))
        )?;
        write!(f, "{:.0} | ", megabytes(|it| it.memory[2]))?;
        write!(f, "{:.0} | {} | ", megabytes(|it| it.disk[0]), a_task(|it| it.disk[0]))?;
        write!(f, "{:.0} | ", megabytes(|it| it.disk[1]))?;
        write_opened(&self.killed, f)?;
        write_opened(&self.ended, f)?;
        let found = self.killed.last().map(|opened| opened.tasks.to_string());
        write!(f, "{} | ", found.unwrap_or_default())?;
        match median(self.killed.iter().map(|opened| float(opened.memory) / MEGABYTE).collect()) {
            memory if memory.is_nan() => writeln!(f, "|"),
            memory => writeln!(f, "{memory:.0} |"),
        }
    }
}

fn write_opened(opened: &[Reopened], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match median(opened.iter().map(|opened| opened.seconds).collect()) {
        seconds if seconds.is_nan() => write!(f, "| "),
        seconds => write!(f, "{seconds:.2} | "),
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { rounds, measured, producers, .. } = self.plan;
        writeln!(f, "# The queue\n\n{}", self.subject)?;
        writeln!(
            f,
            "Measured in turns, {rounds} rounds of {:.1} s each, every one a process of its own with two threads; medians. {producers} \
             producers, each with\none write at a time; tasks of {BODY} bytes; {KEPT} ended tasks are kept.\n\n\
             ## Writes\n\n\
             In a second; in brackets the ratio to the same queue with nothing queued (the median of each round's own). CPU is user and system\n\
             time of a task from its making to its settlement.\n",
            measured.as_secs_f64()
        )?;
        writeln!(f, "| queue | queued | in | {} | CPU us |", OPERATIONS.map(|name| format!("`{name}`")).join(" | "))?;
        writeln!(f, "|---|---:|---|{}---:|", "---:|".repeat(OPERATIONS.len()))?;
        for series in self.series {
            let empty = self.series.iter().find(|other| {
                let (other, own) = (&other.case, &series.case);
                other.queue == own.queue && other.place == Place::Nowhere && own.place != Place::Nowhere
            });
            series.write_rates(empty, f)?;
        }
        writeln!(
            f,
            "\n## Memory, disk, recovery\n\n\
             Memory is what is resident of the whole process. The queue is opened again after a `kill -9` under load, and after an orderly end.\n"
        )?;
        writeln!(
            f,
            "| queue | queued | in | filled in s | memory MB | bytes a task | memory MB at the end | disk MB | bytes a task | disk MB at \
             the end | opened after a kill in s | after an orderly end in s | tasks found | memory MB then |"
        )?;
        writeln!(f, "|---|---:|---|{}", "---:|".repeat(11))?;
        self.series.iter().try_for_each(|series| series.write_space(f))
    }
}

#[expect(clippy::cast_precision_loss, reason = "no figure here needs more than 52 bits")]
fn float(number: u64) -> f64 {
    number as f64
}
