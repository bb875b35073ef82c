//! Write policies for the Andera load balancer in Rust.
//!
//! A policy is a type that implements [`Policy`] and at least one of [`Ranking`], [`Priority`] and [`Feedback`]; [`export_policy!`] turns the
//! crate it is in into a WebAssembly module that the balancer loads as it is. What the balancer asks, and what it makes of the answers, is
//! described in `wit/routing.wit`; the types here are generated from that file.
//!
//! ```
//! use andera_policy::ranking::{Candidates, Context};
//! use andera_policy::{NoConfig, Policy, Ranking, export_policy};
//!
//! /// The worker with the least memory in use.
//! struct LeastMemory;
//!
//! impl Policy for LeastMemory {
//!     type Config = NoConfig;
//!
//!     fn new(_: NoConfig) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl Ranking for LeastMemory {
//!     fn rank(&mut self, _: &Context, candidates: &Candidates) -> Vec<u32> {
//!         let best = candidates.rows().min_by(|a, b| a.memory().total_cmp(&b.memory()));
//!         best.map(|row| row.index()).into_iter().collect()
//!     }
//! }
//!
//! export_policy!(LeastMemory, ranking);
//!
//! // Everything but the export is ordinary Rust, and tested as such: see the module `testing`.
//! use andera_policy::testing::{Machine, candidates, context};
//!
//! let mut policy = LeastMemory::new(NoConfig {}).unwrap();
//! let machines = [Machine::new(7).memory(80.0), Machine::new(8).memory(20.0)];
//! assert_eq!(policy.rank(&context(), &candidates(&machines)), [1]);
//! ```
//!
//! **State.** The balancer may run several instances of a policy, each with a memory of its own, and only one of a policy that exports
//! `feedback` or sets [`Policy::STATEFUL`]. It is lost at a reload, a failure or a restart.
//!
//! **Failing.** A panic ends the call and the instance; the balancer uses its native order for that decision and starts a new instance. The
//! panic's message goes to the balancer's log.
//!
//! **Time and chance.** There is no clock and no source of randomness but `now_ms` and `seed` in the arguments; [`Rng`] stretches the seed.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod instance;

mod choose;
mod export;
mod log;
mod policy;
mod rng;
mod row;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use choose::{Shortlist, least_loaded};
pub use log::{Level, write_log};
pub use policy::{Feedback, NoConfig, Policy, Priority, Ranking};
pub use rng::Rng;
pub use row::{Row, Rows};

/// The highest number `prioritize` may answer with: the least urgent. 1 is the most urgent; 0 goes before all others.
pub const MAX_PRIORITY: u32 = 2_097_152;

/// What [`Ranking`] is asked.
pub mod ranking {
    pub use crate::bindings::ranking::exports::andera::routing::ranking::{Candidates, Context, Mode};
}

/// What [`Priority`] is asked, and answers.
pub mod priority {
    pub use crate::bindings::priority::exports::andera::routing::priority::{Mode, Rejection, Task, Verdict};
}

/// What [`Feedback`] is told.
pub mod feedback {
    pub use crate::bindings::feedback::exports::andera::routing::feedback::{Ending, Outcome};
}

/// What [`Policy`] is told.
pub mod setup {
    pub use crate::bindings::setup::exports::andera::routing::setup::{Directory, Function, Lane, Worker};
}
