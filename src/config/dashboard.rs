//! Which pages are served.

use std::path::PathBuf;

use super::Secret;
use super::kind::{Flag, OptionalPath, OptionalSecret};
use super::section::section;

section! {
    /// Which pages are served.
    pub struct DashboardSettings {
        /// Whether `/dashboard` and everything below it is served.
        pub enabled: bool = DASHBOARD_ENABLED, Flag, "true";
        /// Whether `/bull` and everything below it is served.
        pub bull_board_enabled: bool = BULL_BOARD_ENABLED, Flag, "true";
        /// Whether the pages ask for a key. `off` opens them, and their actions, to whoever reaches them: for a proxy that asks itself.
        pub auth: bool = DASHBOARD_AUTH, Flag, "true";
        /// A second key for the pages: whoever logs in with it sees everything and can change nothing. It opens no route of the API.
        pub key: Option<Secret> = DASHBOARD_KEY, OptionalSecret, "";
        /// Directory whose templates replace the built-in ones. Unset: built-in ones only.
        pub templates_dir: Option<PathBuf> = TEMPLATES_DIR, OptionalPath, "";
    }
}
