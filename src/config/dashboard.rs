//! Which pages are served.

use std::path::PathBuf;

use super::kind::{Flag, OptionalPath};
use super::section::section;

section! {
    /// Which pages are served.
    pub struct DashboardSettings {
        /// Whether `/dashboard` and everything below it is served.
        pub enabled: bool = DASHBOARD_ENABLED, Flag, "true";
        /// Whether `/bull` and everything below it is served.
        pub bull_board_enabled: bool = BULL_BOARD_ENABLED, Flag, "true";
        /// Directory whose templates replace the built-in ones. Unset: built-in ones only.
        pub templates_dir: Option<PathBuf> = TEMPLATES_DIR, OptionalPath, "";
    }
}
