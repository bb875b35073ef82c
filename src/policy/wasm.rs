//! Policies as WebAssembly components: the host of `wit/routing.wit`.
//!
//! | file | what it does |
//! |---|---|
//! | `bindings`, `convert` | the interface in Rust, and between its words and ours |
//! | `runtime` | the engine, its cache of compiled code, and the clock that interrupts calls |
//! | `component` | bytes to a compiled component whose imports and exports are checked |
//! | `limits`, `guest_log` | what a policy may use, and what it may log |
//! | `instance` | one store with its memory, and the calls into it |
//! | `golden`, `loader` | a policy is set up and tried out before anything depends on it |
//! | `policy`, `worker`, `pool` | a policy in use: where its calls are made, and when instances are replaced |
//! | `recorder` | its calls are written to a file, one by one |
//! | `replay` | calls from such a file are made again, in another policy |
//! | `check`, `bench` | for people who wonder whether to use a policy |
//! | `record` | how it is doing: durations, failures, whether it is asked at all |
//!
//! Nothing a guest does ends more than its own instance: it traps when its time or memory is over, and then the whole store is thrown
//! away.

mod bench;
#[rustfmt::skip]
mod bindings;
mod check;
mod component;
mod convert;
mod error;
mod golden;
mod guest_log;
mod instance;
mod limits;
mod loader;
mod policy;
mod pool;
mod record;
mod recorder;
mod replay;
mod runtime;
mod submission;
#[cfg(test)]
mod tests;
mod worker;

pub use bench::{Measured, Measurement, measure};
pub use check::{CheckResult, hostile_checks};
pub use error::{LoadError, Trouble};
pub use instance::PolicyInfo;
pub(super) use limits::FILE_BYTES;
pub use limits::PolicyLimits;
pub use loader::{CheckedPolicy, Loader, Setup, sha256};
pub(crate) use policy::WasmPolicy;
pub use recorder::Recorder;
pub use replay::{CallCounts, Difference, RecordedPolicy, Replay, ReplayError, ReplayReport};
