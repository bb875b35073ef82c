//! The client's key to the worker.

use std::fmt;
use std::sync::Arc;

/// A worker's `AUTH_KEY`, as the client sent it in `x-wr-auth`. Never shown: its `Debug` form is a fixed word.
#[derive(Clone, PartialEq, Eq)]
pub struct WorkerKey(Arc<str>);

impl WorkerKey {
    /// Wraps a key.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(key.into())
    }

    /// The key itself, for the request to the worker, for sealing and for hashing. Nothing else may call this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WorkerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkerKey(***)")
    }
}
