//! Tasks a second, with and without an open page, in turns.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep_until};

use crate::arguments::Plan;
use crate::load::{self, Window};
use crate::open_page::OpenPage;
use crate::scene::{CpuUse, Scene};

/// What is open: nothing, or a page that listens to that topic.
const TOPICS: [(&str, Option<&str>); 3] =
    [("no page", None), ("the overview", Some("overview")), ("the workers", Some("workers"))];

/// All measurements with the same page open, in the order of the rounds.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    topic: Option<&'static str>,
    pub(crate) samples: Vec<Sample>,
}

/// One measurement.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) tasks: f64,
    pub(crate) seconds: f64,
    pub(crate) cpu: CpuUse,
    /// What the page got, bytes on the wire.
    pub(crate) page_bytes: f64,
}

impl Sample {
    pub(crate) fn throughput(&self) -> f64 {
        self.tasks / self.seconds
    }

    /// CPU time of the balancer, microseconds a task.
    pub(crate) fn cpu_a_task(&self) -> f64 {
        self.cpu.balancer.as_secs_f64() * 1e6 / self.tasks
    }
}

/// Measures each in every round, beginning with another one each time.
pub(crate) async fn in_turns(scene: &mut Scene, plan: &Plan) -> Result<Vec<Series>> {
    let mut series: Vec<Series> =
        TOPICS.iter().map(|(name, topic)| Series { name, topic: *topic, samples: Vec::new() }).collect();
    for round in 0..plan.rounds {
        for turn in 0..series.len() {
            let at = (turn + round as usize) % series.len();
            let one = &mut series[at];
            eprint!("round {}, {} open: ", round + 1, one.name);
            let sample = measure(scene, one.topic, plan).await.with_context(|| format!("with {} open", one.name))?;
            eprintln!("{:.0} tasks/s", sample.throughput());
            one.samples.push(sample);
        }
    }
    Ok(series)
}

async fn measure(scene: &mut Scene, topic: Option<&str>, plan: &Plan) -> Result<Sample> {
    let page = match topic {
        Some(topic) => Some(OpenPage::open(scene.address, topic).await?),
        None => None,
    };
    let requests = [scene.task()?];
    let from = Instant::now() + plan.warm_up;
    let window = Window { from, to: from + plan.measured };
    let read = || page.as_ref().map_or(0, OpenPage::bytes);
    let cpu = async {
        sleep_until(window.from).await;
        let (before, bytes) = (scene.cpu()?, read());
        sleep_until(window.to).await;
        anyhow::Ok((scene.cpu()?.since(before), read() - bytes))
    };
    let (latencies, (cpu, bytes)) = tokio::try_join!(load::run(scene.address, &requests, plan.clients, window), cpu)?;
    ensure!(!latencies.is_empty(), "no task ended within {:?}", plan.measured);
    scene.idle(Duration::ZERO).await?;
    #[expect(clippy::cast_precision_loss, reason = "figures for a table")]
    let (tasks, page_bytes) = (latencies.len() as f64, bytes as f64);
    Ok(Sample { tasks, seconds: plan.measured.as_secs_f64(), cpu, page_bytes })
}
