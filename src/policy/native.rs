//! The policies that come with the balancer. They see exactly the signals every policy sees.

use std::sync::Arc;

use super::Policy;

/// The names of the native policies, the default first.
pub const NATIVE_NAMES: [&str; 4] = ["least-loaded", "peak-ewma", "round-robin", "andera-score"];

/// There is no native policy of that name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no native policy is named {name:?}; there are {}", NATIVE_NAMES.join(", "))]
pub struct UnknownNativePolicy {
    /// The name asked for.
    pub name: String,
}

/// The native policy of that name.
pub fn native(name: &str) -> Result<Arc<dyn Policy>, UnknownNativePolicy> {
    Err(UnknownNativePolicy { name: name.to_owned() })
}
