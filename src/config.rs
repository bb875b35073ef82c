//! Settings: typed, one file per section, read from the environment and `.env`.
//!
//! [`Settings::load`] reads all of them and collects every problem instead of stopping at the first. The environment wins over
//! `.env`. Nothing here opens a socket or a file other than `.env`.

mod auth;
mod dashboard;
mod logging;
mod policy;
mod queue;
mod secret;
mod server;
mod tasks;
mod workers;

pub use auth::AuthSettings;
pub use dashboard::DashboardSettings;
pub use logging::LoggingSettings;
pub use policy::{PolicyChoice, PolicySettings};
pub use queue::{QueueBackend, QueueSettings};
pub use secret::Secret;
pub use server::ServerSettings;
pub use tasks::TaskSettings;
pub use workers::WorkerSettings;

/// Every setting of the balancer.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens and what it accepts.
    pub server: ServerSettings,
    /// The keys.
    pub auth: AuthSettings,
    /// The worker list and how its workers are watched.
    pub workers: WorkerSettings,
    /// Limits and retries of tasks.
    pub tasks: TaskSettings,
    /// Where tasks are kept.
    pub queue: QueueSettings,
    /// Who ranks the workers.
    pub policy: PolicySettings,
    /// What is logged.
    pub logging: LoggingSettings,
    /// Which pages are served.
    pub dashboard: DashboardSettings,
}
