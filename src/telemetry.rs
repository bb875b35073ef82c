//! What the balancer tells about itself: log lines, to stdout and to the ring behind `GET /logs`, and metrics.
//!
//! Everybody logs through `tracing`; [`init`] decides what becomes of it. Metrics are counted through a [`Metrics`] handle.

mod layer;
mod line;
mod metrics;
mod ring;
mod stdout;

pub use layer::LogLayer;
pub use metrics::{
    CONTENT_TYPE, COUNTED_LANES, LaneCounts, LaneTotals, LatencyCounts, Metrics, PolicyMetrics, RouteMetrics,
    SlotCounts, Snapshot, Totals, WorkerCounts,
};
pub use ring::LogRing;

use std::io;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use stdout::LineWriter;

/// The target prefix of our own events.
const OWN_CRATE: &str = "andera_lb";

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The thread that writes to stdout could not be started.
    #[error("cannot start the log writer: {0}")]
    Thread(#[from] io::Error),
    /// Logging is set up already.
    #[error("logging is set up already")]
    Twice(#[from] SetGlobalDefaultError),
}

/// The running log. Dropping it writes out what is still to be written, for at most [`Telemetry::FLUSH_LIMIT`]; drop it outside
/// of any runtime, as the last thing.
#[derive(Debug)]
pub struct Telemetry {
    ring: LogRing,
    /// Held for its `Drop`.
    _writer: LineWriter,
}

impl Telemetry {
    /// How long a drop waits for an stdout that takes nothing.
    pub const FLUSH_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

    /// The last lines.
    pub fn ring(&self) -> &LogRing {
        &self.ring
    }
}

/// Starts logging for the whole process: our events down to `level`, those of other crates down to `warn` at most; the last
/// `max_logs` lines are kept.
pub fn init(level: Level, max_logs: usize) -> Result<Telemetry, InitError> {
    let (telemetry, subscriber) = start(level, max_logs, io::stdout())?;
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(telemetry)
}

/// The same for any output, with the subscriber still to be installed.
fn start(
    level: Level,
    max_logs: usize,
    output: impl io::Write + Send + 'static,
) -> io::Result<(Telemetry, impl Subscriber + Send + Sync)> {
    let ring = LogRing::new(max_logs);
    let writer = LineWriter::start(output)?;
    let wanted =
        Targets::new().with_target(OWN_CRATE, level).with_default(LevelFilter::from_level(level.min(Level::WARN)));
    let layer = LogLayer::new(ring.clone()).with_output(writer.lines());
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(wanted));
    Ok((Telemetry { ring, _writer: writer }, subscriber))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    /// An output that can be read.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log_all_levels(level: Level) -> (Vec<String>, String) {
        let output = Output::default();
        let (telemetry, subscriber) = start(level, 100, output.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("own debug");
            tracing::info!("own info");
            tracing::error!("own error");
            tracing::info!(target: "hyper::client", "foreign info");
            tracing::warn!(target: "hyper::client", "foreign warn");
            tracing::error!(target: "hyper::client", "foreign error");
        });
        let lines = telemetry.ring().lines();
        drop(telemetry);
        let written = String::from_utf8(output.0.lock().clone()).unwrap();
        (lines, written)
    }

    /// The lines without their times.
    fn untimed(lines: &[String]) -> Vec<&str> {
        lines.iter().map(|line| line.split_once("] ").unwrap().1).collect()
    }

    #[test]
    fn own_events_go_by_the_level_and_foreign_ones_by_warn() {
        let (lines, _) = log_all_levels(Level::INFO);
        assert_eq!(
            untimed(&lines),
            [
                "[INFO] [TELEMETRY] own info",
                "[ERROR] [TELEMETRY] own error",
                "[WARN] [HYPER] foreign warn",
                "[ERROR] [HYPER] foreign error",
            ]
        );
    }

    #[test]
    fn a_stricter_level_holds_for_foreign_events_too() {
        let (lines, _) = log_all_levels(Level::ERROR);
        assert_eq!(untimed(&lines), ["[ERROR] [TELEMETRY] own error", "[ERROR] [HYPER] foreign error"]);
    }

    #[test]
    fn the_output_gets_the_lines_of_the_ring_by_the_time_the_handle_is_dropped() {
        let (lines, written) = log_all_levels(Level::TRACE);
        assert_eq!(lines.len(), 5);
        assert_eq!(written, lines.join("\n") + "\n");
    }
}
