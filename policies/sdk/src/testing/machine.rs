//! Workers, as a policy sees them.

use crate::ranking::Candidates;
use crate::setup::{Directory, Worker};

/// A worker: idle, with one slot and weight 1, unless said otherwise.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the columns of `Candidates`")]
pub struct Machine {
    pub worker: u32,
    pub slots: u32,
    pub used: u32,
    pub in_flight: u32,
    pub queue: u32,
    pub cpu: f32,
    pub memory: f32,
    pub report_age_ms: u32,
    pub latency_ms: f32,
    pub failure_rate: f32,
    pub weight: f32,
    pub tags: Vec<(String, String)>,
}

macro_rules! setters {
    ($($name:ident: $type:ty),*) => {
        $(
            #[doc = concat!("Sets `", stringify!($name), "`.")]
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            }
        )*
    };
}

impl Machine {
    /// The worker of that id.
    pub fn new(worker: u32) -> Self {
        Self {
            worker,
            slots: 1,
            used: 0,
            in_flight: 0,
            queue: 0,
            cpu: 0.0,
            memory: 0.0,
            report_age_ms: 0,
            latency_ms: 0.0,
            failure_rate: 0.0,
            weight: 1.0,
            tags: Vec::new(),
        }
    }

    setters! {
        slots: u32, used: u32, in_flight: u32, queue: u32, cpu: f32, memory: f32, report_age_ms: u32, latency_ms: f32, failure_rate: f32,
        weight: f32
    }

    /// Gives it a tag.
    #[must_use]
    pub fn tag(mut self, name: &str, value: &str) -> Self {
        self.tags.push((name.into(), value.into()));
        self
    }
}

/// Workers as candidates, row by row, full or not.
pub fn candidates<'a>(machines: impl IntoIterator<Item = &'a Machine>) -> Candidates {
    let mut columns = Candidates {
        worker: Vec::new(),
        slots: Vec::new(),
        used: Vec::new(),
        in_flight: Vec::new(),
        queue: Vec::new(),
        cpu: Vec::new(),
        memory: Vec::new(),
        report_age_ms: Vec::new(),
        latency_ms: Vec::new(),
        failure_rate: Vec::new(),
        weight: Vec::new(),
    };
    for machine in machines {
        columns.worker.push(machine.worker);
        columns.slots.push(machine.slots);
        columns.used.push(machine.used);
        columns.in_flight.push(machine.in_flight);
        columns.queue.push(machine.queue);
        columns.cpu.push(machine.cpu);
        columns.memory.push(machine.memory);
        columns.report_age_ms.push(machine.report_age_ms);
        columns.latency_ms.push(machine.latency_ms);
        columns.failure_rate.push(machine.failure_rate);
        columns.weight.push(machine.weight);
    }
    columns
}

/// Workers as `topology` tells of them; worker 7 is at `http://worker-7:8080`.
pub fn directory<'a>(machines: impl IntoIterator<Item = &'a Machine>) -> Directory {
    let worker = |machine: &Machine| Worker {
        id: machine.worker,
        url: format!("http://worker-{}:8080", machine.worker),
        tags: machine.tags.clone(),
    };
    Directory { workers: machines.into_iter().map(worker).collect(), lanes: Vec::new(), functions: Vec::new() }
}
