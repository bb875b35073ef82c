//! Settings: typed, one file per section, read from the environment and `.env`.
//!
//! [`Settings::load`] reads all of them from a [`Source`] and collects every problem instead of stopping at the first. The
//! environment wins over `.env`; an empty value counts as unset. Nothing here opens a socket or a file other than `.env`.
//!
//! A variable is described once, in its section's file: field, name, what it accepts (`kind`), default and words. The
//! listing of `andera-lb config`, `.env.example` and the check for unknown names all come from that.

mod auth;
mod dashboard;
mod dot_env;
mod effective;
mod inbox;
mod kind;
mod logging;
mod policy;
mod problem;
mod queue;
mod reader;
mod redis;
mod secret;
mod section;
mod server;
mod source;
mod tasks;
mod warnings;
mod webhooks;
mod workers;

use std::path::PathBuf;

pub use auth::AuthSettings;
pub use dashboard::DashboardSettings;
pub use effective::{Effective, example};
pub use inbox::InboxSettings;
pub use logging::LoggingSettings;
pub use policy::{FailureRule, PolicyChoice, PolicySettings};
pub use problem::Problem;
pub use queue::{Durability, QueueBackend, QueueSettings};
pub use reader::Setting;
pub use redis::RedisSettings;
pub use secret::Secret;
pub use server::ServerSettings;
pub use source::{Origin, Source};
pub use tasks::TaskSettings;
pub use webhooks::WebhookSettings;
pub use workers::WorkerSettings;

use reader::Reader;

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
    /// What the balancer itself tells webhooks.
    pub webhooks: WebhookSettings,
    /// Where tasks are kept.
    pub queue: QueueSettings,
    /// The Redis of `QUEUE=redis`.
    pub redis: RedisSettings,
    /// The inbox of `QUEUE=redis`.
    pub inbox: InboxSettings,
    /// Who ranks the workers.
    pub policy: PolicySettings,
    /// What is logged.
    pub logging: LoggingSettings,
    /// Which pages are served.
    pub dashboard: DashboardSettings,
}

/// Usable settings, and what is to be logged about them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// What looks like a mistake but stops nothing, one line each. Free of secrets.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads every setting.
    ///
    /// # Errors
    /// Every problem there is, in the order of the variables; a missing `LB_AUTH_KEY` is one.
    pub fn load(source: &Source) -> Result<Loaded, Vec<Problem>> {
        let mut reader = Reader::new(source);
        let settings = Self::read(&mut reader);
        let (listed, problems) = reader.finish();
        match settings {
            Some(settings) if problems.is_empty() => {
                let warnings =
                    warnings::about(source, &listed).into_iter().chain(warnings::of_open_pages(&settings.dashboard));
                Ok(Loaded { warnings: warnings.collect(), settings })
            }
            _ => Err(problems),
        }
    }

    /// The settings of policies, whatever is wrong with the other variables; `None` if one of them is refused itself. Uploaded policies
    /// are below the directory that comes with them, if that is known.
    pub fn policy(source: &Source) -> Option<(PolicySettings, Option<PathBuf>)> {
        let reader = &mut Reader::new(source);
        Some((PolicySettings::read(reader)?, QueueSettings::read(reader).map(|queue| queue.data_dir)))
    }

    /// Reads every setting from these pairs alone, for tests and the demo.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, Vec<Problem>> {
        Self::load(&Source::from_pairs(pairs)).map(|loaded| loaded.settings)
    }

    /// `None` if any variable was refused; the reader then holds at least one problem.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        // All sections are read before the first refusal counts, so that one run names every problem.
        let server = ServerSettings::read(reader);
        let auth = AuthSettings::read(reader);
        let workers = WorkerSettings::read(reader);
        let tasks = TaskSettings::read(reader);
        let webhooks = WebhookSettings::read(reader);
        let queue = QueueSettings::read(reader);
        let redis = RedisSettings::read(reader);
        let inbox = InboxSettings::read(reader);
        let policy = PolicySettings::read(reader);
        let logging = LoggingSettings::read(reader);
        let dashboard = DashboardSettings::read(reader);
        Some(Self {
            server: server?,
            auth: auth?,
            workers: workers?,
            tasks: tasks?,
            webhooks: webhooks?,
            queue: queue?,
            redis: redis?,
            inbox: inbox?,
            policy: policy?,
            logging: logging?,
            dashboard: dashboard?,
        })
    }
}

#[cfg(test)]
mod tests;
