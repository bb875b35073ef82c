//! Lines in the balancer's log.

pub use crate::bindings::ranking::andera::routing::log::Level;

/// Writes a line; the macros [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and [`error!`](crate::error) do it with
/// format arguments. 10 lines a second are taken, 20 at once; a line is cut off after 1000 bytes.
///
/// Outside of the balancer, that is in tests, it is kept for [`testing::logged`](crate::testing::logged).
pub fn write_log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::ranking::andera::routing::log::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::keep_line(level, message);
}

/// Logs for the author of the policy.
#[macro_export]
macro_rules! debug {
    ($($message:tt)*) => { $crate::write_log($crate::Level::Debug, &::std::format!($($message)*)) };
}

/// Logs what happened.
#[macro_export]
macro_rules! info {
    ($($message:tt)*) => { $crate::write_log($crate::Level::Info, &::std::format!($($message)*)) };
}

/// Logs what may become a problem.
#[macro_export]
macro_rules! warn {
    ($($message:tt)*) => { $crate::write_log($crate::Level::Warn, &::std::format!($($message)*)) };
}

/// Logs a problem.
#[macro_export]
macro_rules! error {
    ($($message:tt)*) => { $crate::write_log($crate::Level::Error, &::std::format!($($message)*)) };
}
