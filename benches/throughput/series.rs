//! Measurements in turns.

use anyhow::{Context, Result};

use crate::arguments::Plan;
use crate::load;
use crate::measure::Sample;
use crate::median::median;

/// The share of its threads' time that says that the load generator had no more to give.
const EXHAUSTED: f64 = 0.9;

/// All measurements of one thing, in the order of the rounds.
#[derive(Debug)]
pub(crate) struct Series {
    /// What it has in common with those that it is compared with.
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) clients: u32,
    pub(crate) samples: Vec<Sample>,
}

impl Series {
    pub(crate) fn new(group: impl Into<String>, name: impl Into<String>, clients: u32) -> Self {
        Self { group: group.into(), name: name.into(), clients, samples: Vec::new() }
    }

    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(figure).collect())
    }

    /// The median of the ratios of each round: what the machine did in that round hit both alike.
    pub(crate) fn median_ratio(&self, base: &Self, figure: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().zip(&base.samples).map(|(own, base)| figure(own) / figure(base)).collect())
    }

    /// Whether the load generator, not what is measured, set the pace.
    pub(crate) fn is_held_back(&self) -> bool {
        let threads = f64::from(u32::try_from(load::threads(self.clients)).unwrap_or(u32::MAX));
        self.median(|sample| sample.cpu.clients.as_secs_f64() / sample.seconds) > EXHAUSTED * threads
    }
}

/// Measures each in every round, beginning with another one each time. `measure` is given the place in the list.
pub(crate) async fn in_turns(
    series: &mut [Series],
    plan: &Plan,
    mut measure: impl AsyncFnMut(usize) -> Result<Sample>,
) -> Result<()> {
    let (count, mut step) = (series.len(), 0);
    for round in 0..plan.rounds as usize {
        for turn in 0..count {
            let at = (turn + round) % count;
            let one = &mut series[at];
            step += 1;
            progress!("  [{step}/{}] round {}, {}, {}", plan.rounds as usize * count, round + 1, one.group, one.name);
            let sample = measure(at).await.with_context(|| format!("measuring {}, {}", one.group, one.name))?;
            progress!("      {:.0} a second, p50 {:.2} ms", sample.throughput(), sample.p50_ms);
            one.samples.push(sample);
        }
    }
    Ok(())
}

/// The one of that group and name.
pub(crate) fn find<'a>(series: &'a [Series], group: &str, name: &str) -> Option<&'a Series> {
    series.iter().find(|series| series.group == group && series.name == name)
}
