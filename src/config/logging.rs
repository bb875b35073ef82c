//! What is logged.

use tracing::Level;

use super::kind::{Kind, Whole};
use super::section::section;

section! {
    /// What is logged.
    pub struct LoggingSettings {
        /// The least important level that is logged: error, warn, info, debug or trace.
        pub level: Level = LOG_LEVEL, LevelName, "info";
        /// Lines kept for `GET /logs`.
        pub max_logs: usize = MAX_LOGS, Whole(0..=100_000), "1000";
    }
}

/// The name of a level, in any case.
struct LevelName;

impl Kind<Level> for LevelName {
    fn parse(&self, text: &str) -> Option<Level> {
        // Level's own FromStr takes numbers too.
        [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]
            .into_iter()
            .find(|level| text.eq_ignore_ascii_case(level.as_str()))
    }

    fn accepted(&self) -> String {
        "error, warn, info, debug or trace".to_owned()
    }
}
