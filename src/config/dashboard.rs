//! Which pages are served.

/// Which pages are served.
#[derive(Clone, Debug)]
pub struct DashboardSettings {
    /// `DASHBOARD_ENABLED` (true): `/dashboard` and everything below it.
    pub enabled: bool,
    /// `BULL_BOARD_ENABLED` (true): `/bull` and everything below it.
    pub bull_board_enabled: bool,
    /// `TEMPLATES_DIR`: templates read from there instead of the built-in ones.
    pub templates_dir: Option<std::path::PathBuf>,
}
