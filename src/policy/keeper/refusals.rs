//! Policies that were refused, so that nobody tries the same again and again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::plan::Wanted;
use crate::policy::{Failure, LoadError};

/// A policy that was refused because it was slow, or by our own fault, gets another chance after so long.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// Policies that were refused, and why.
#[derive(Default)]
pub(super) struct Refusals(HashMap<Wanted, Refusal>);

struct Refusal {
    error: String,
    at: Instant,
    for_good: bool,
}

impl Refusals {
    /// Why it was refused, if trying again would not help.
    pub(super) fn of(&self, wanted: &Wanted) -> Option<&str> {
        self.0.get(wanted).map(|refusal| refusal.error.as_str())
    }

    pub(super) fn add(&mut self, wanted: &Wanted, error: &LoadError) {
        let refusal = Refusal { error: error.to_string(), at: Instant::now(), for_good: is_for_good(error) };
        self.0.insert(wanted.clone(), refusal);
    }

    /// Forgets those that nobody wants any more.
    pub(super) fn keep(&mut self, is_wanted: impl Fn(&Wanted) -> bool) {
        self.0.retain(|wanted, _| is_wanted(wanted));
    }

    /// Gives another chance to those that may be lucky.
    pub(super) fn forgive(&mut self) {
        self.0.retain(|_, refusal| refusal.for_good || refusal.at.elapsed() < RETRY_AFTER);
    }
}

/// Whether the same file would be refused again.
fn is_for_good(error: &LoadError) -> bool {
    match error {
        LoadError::Host(_) => false,
        LoadError::Failed { trouble, .. } => trouble.failure != Failure::Deadline,
        _ => true,
    }
}
