//! Load and memory of the machine.

use std::path::Path;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

/// What was read less than so long ago is good for another worker of the same process.
const FRESH: Duration = Duration::from_millis(500);

/// Read by whoever reports, once a second; everybody else gets what was read last.
#[derive(Debug)]
pub(super) struct System {
    started: Instant,
    cores: f64,
    last: Mutex<Sample>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    read: Option<Instant>,
    used_memory_percent: f64,
    cpu_load: f64,
}

/// The `system` of the protocol.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SystemReport {
    /// Seconds since the worker started.
    uptime: f64,
    cpu_load: f64,
    used_memory_percent: f64,
}

impl System {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cores = u32::try_from(cores).map_or(1.0, f64::from);
        Self { started: Instant::now(), cores, last: Mutex::default() }
    }

    /// Reads the machine's figures anew. One that cannot be read counts as 0.
    pub(super) async fn refresh(&self) {
        {
            let mut last = self.last.lock();
            if last.read.is_some_and(|read| read.elapsed() < FRESH) {
                return;
            }
            last.read = Some(Instant::now());
        }
        let memory = tokio::fs::read_to_string(Path::new("/proc/meminfo")).await.unwrap_or_default();
        let load = tokio::fs::read_to_string(Path::new("/proc/loadavg")).await.unwrap_or_default();
        let mut last = self.last.lock();
        *last = Sample {
            read: last.read,
            used_memory_percent: rounded(used_memory_percent(&memory)),
            cpu_load: rounded(load_average(&load) / self.cores),
        };
    }

    pub(super) fn report(&self) -> SystemReport {
        let Sample { used_memory_percent, cpu_load, .. } = *self.last.lock();
        SystemReport { uptime: rounded(self.started.elapsed().as_secs_f64()), cpu_load, used_memory_percent }
    }
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn used_memory_percent(meminfo: &str) -> f64 {
    let kilobytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    match (kilobytes("MemTotal:"), kilobytes("MemAvailable:")) {
        (Some(total), Some(available)) if total > 0.0 => (total - available) / total * 100.0,
        _ => 0.0,
    }
}

fn load_average(loadavg: &str) -> f64 {
    loadavg.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_memory_and_load_as_the_kernel_writes_them() {
        let meminfo = "MemTotal:        8000 kB\nMemFree:          100 kB\nMemAvailable:    6000 kB\n";
        assert!((used_memory_percent(meminfo) - 25.0).abs() < 1e-9);
        assert!((load_average("1.50 0.70 0.30 1/200 999\n") - 1.5).abs() < 1e-9);
    }

    #[test]
    fn what_cannot_be_read_counts_as_zero() {
        assert!(used_memory_percent("").abs() < 1e-9);
        assert!(load_average("").abs() < 1e-9);
    }
}
