//! What a policy is made of.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::feedback::Outcome;
use crate::priority::{Rejection, Task, Verdict};
use crate::ranking::{Candidates, Context};
use crate::setup::{Directory, Worker};

/// A policy: how it is made, and what it is told of the world.
pub trait Policy: Sized + 'static {
    /// The policy's `config`, as JSON; `{}` where none is given. With `#[serde(deny_unknown_fields)]` a typing error is found when the
    /// policy is loaded. [`NoConfig`] for none.
    type Config: DeserializeOwned;

    /// Whether something is kept from one call to the next. There is then only one instance.
    const STATEFUL: bool = false;

    /// Makes an instance. An error is a sentence for the operator; the policy is then not used.
    fn new(config: Self::Config) -> Result<Self, String>;

    /// Tells the texts behind the ids: before the first decision and at every change.
    fn topology(&mut self, directory: &Directory) {
        let _ = directory;
    }
}

/// Chooses workers.
pub trait Ranking: Policy {
    /// The rows of the candidates in order of preference: at least one, or none to let the task wait. Nobody looks beyond the 64th, and the
    /// second is only needed when the first is taken at the same moment: a few are enough. A row that does not exist, or the same
    /// one twice, makes the whole answer void.
    fn rank(&mut self, context: &Context, candidates: &Candidates) -> Vec<u32>;
}

/// Sets priorities and refuses submissions.
pub trait Priority: Policy {
    /// What is to become of this submission. [`Verdict::Accept`] with `task.priority` leaves it as the client asked.
    fn prioritize(&mut self, task: &Task) -> Verdict;
}

/// Hears what became of attempts.
pub trait Feedback: Policy {
    /// Attempts that have ended, in the order of their ends, up to 256 at a time.
    fn observe(&mut self, outcomes: &[Outcome]);
}

/// The configuration of a policy that has none: anything but `{}` is an error.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

impl Verdict {
    /// A refusal, with when to try again in milliseconds.
    pub fn refuse(reason: impl Into<String>, retry_after_ms: Option<u32>) -> Self {
        Self::Reject(Rejection { reason: reason.into(), retry_after_ms })
    }
}

impl Worker {
    /// The value of a tag; empty where the worker's tags are a mere list.
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(tag, _)| tag == name).map(|(_, value)| value.as_str())
    }
}
