//! What is logged.

/// What is logged.
#[derive(Clone, Debug)]
pub struct LoggingSettings {
    /// `LOG_LEVEL` (info): error, warn, info, debug or trace.
    pub level: tracing::Level,
    /// `MAX_LOGS` (1000): lines kept for `GET /logs`.
    pub max_logs: usize,
}
