//! The lines of a record.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::wasm::error::{LoadError, Trouble};
use crate::policy::wasm::submission::OwnedSubmission;
use crate::policy::{Admission, Candidates, Directory, Outcome, RankContext, exact};
use crate::task::Priority;

/// The version of this format.
pub(in crate::policy::wasm) const VERSION: u32 = 1;
/// What every record begins with.
pub(super) const BEGINNING: &[u8] = b"{\"record\":";

/// One line, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::policy::wasm) enum Line {
    /// The first one.
    Record(Header),
    /// An instance is there.
    Begin(Begin),
    /// A call that was made, and its answer.
    Call(Box<Call>),
    /// Calls that are missing.
    Lost(Lost),
    /// An instance is thrown away.
    End(End),
    /// The file may not grow any more. Nothing follows.
    Full {
        /// Bytes that it may have.
        limit: u64,
    },
    /// The balancer has ended the record. Nothing follows.
    Close {
        /// Calls that are missing, in all instances together.
        lost: u64,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::policy::wasm) struct Header {
    pub(in crate::policy::wasm) version: u32,
    /// Version of the balancer.
    pub(in crate::policy::wasm) balancer: Cow<'static, str>,
    /// In milliseconds since the Unix epoch.
    pub(in crate::policy::wasm) began_ms: i64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::policy::wasm) struct Begin {
    /// Its number in this record.
    pub(in crate::policy::wasm) instance: u64,
    /// The policy, in the form of `POLICY`.
    pub(in crate::policy::wasm) policy: String,
    /// Of its file.
    pub(in crate::policy::wasm) sha256: String,
    /// Whether the policy keeps something from one call to the next.
    pub(in crate::policy::wasm) stateful: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::policy::wasm) struct Call {
    pub(in crate::policy::wasm) instance: u64,
    /// Which call of the instance it is, 1 for the first.
    pub(in crate::policy::wasm) number: u64,
    pub(in crate::policy::wasm) ask: Ask,
    pub(in crate::policy::wasm) answer: Answer,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::policy::wasm) struct Lost {
    pub(in crate::policy::wasm) instance: u64,
    /// Number of the first one.
    pub(in crate::policy::wasm) from: u64,
    /// How many, if that is known.
    pub(in crate::policy::wasm) calls: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::policy::wasm) struct End {
    pub(in crate::policy::wasm) instance: u64,
    /// Calls it has answered, or failed in.
    pub(in crate::policy::wasm) calls: u64,
    /// Whether it ended because the last of them failed.
    pub(in crate::policy::wasm) failed: bool,
}

/// What was asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::policy::wasm) enum Ask {
    Configure(String),
    Topology(Directory),
    Rank {
        context: RankContext,
        #[serde(with = "Columns")]
        candidates: Candidates,
    },
    Prioritize(OwnedSubmission),
    Observe(Vec<Outcome>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::policy::wasm) enum Answer {
    /// Nothing but that it was heard.
    Done,
    Rows(Vec<u32>),
    /// With that priority.
    Accepted(Option<Priority>),
    Rejected {
        reason: String,
        retry_after_ms: Option<u64>,
    },
    /// The configuration is.
    Refused(String),
    Failed(Failed),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::policy::wasm) struct Failed {
    /// The word of a [`Failure`](crate::policy::Failure).
    pub(in crate::policy::wasm) reason: String,
    pub(in crate::policy::wasm) detail: String,
    /// Whether the instance could be called again.
    pub(in crate::policy::wasm) usable: bool,
}

/// [`Candidates`] whose numbers come back as they were.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Candidates")]
struct Columns {
    worker: Vec<u32>,
    slots: Vec<u32>,
    used: Vec<u32>,
    in_flight: Vec<u32>,
    queue: Vec<u32>,
    #[serde(with = "exact::floats")]
    cpu: Vec<f32>,
    #[serde(with = "exact::floats")]
    memory: Vec<f32>,
    report_age_ms: Vec<u32>,
    #[serde(with = "exact::floats")]
    latency_ms: Vec<f32>,
    #[serde(with = "exact::floats")]
    failure_rate: Vec<f32>,
    #[serde(with = "exact::floats")]
    weight: Vec<f32>,
}

impl Ask {
    /// About how many bytes of memory it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Configure(json) => json.len(),
                Self::Topology(directory) => {
                    let entries = directory.workers.len() + directory.lanes.len() + directory.functions.len();
                    let tags: usize = directory.workers.iter().map(|worker| worker.tags.len()).sum();
                    (entries + tags) * 128
                }
                Self::Rank { candidates, .. } => candidates.len() * 11 * size_of::<u32>(),
                Self::Prioritize(submission) => submission.weight(),
                Self::Observe(outcomes) => size_of_val(outcomes.as_slice()),
            }
    }

    /// Whether a policy without state answers otherwise for not having been asked this.
    pub(super) fn sets_up(&self) -> bool {
        matches!(self, Self::Configure(_) | Self::Topology(_))
    }

    /// The name of the call in the interface.
    pub(in crate::policy::wasm) const fn name(&self) -> &'static str {
        match self {
            Self::Configure(_) => "configure",
            Self::Topology(_) => "topology",
            Self::Rank { .. } => "rank",
            Self::Prioritize(_) => "prioritize",
            Self::Observe(_) => "observe",
        }
    }
}

impl Answer {
    pub(in crate::policy::wasm) fn of_setup(outcome: &Result<(), LoadError>) -> Self {
        match outcome {
            Ok(()) => Self::Done,
            Err(LoadError::Failed { trouble, .. }) => Self::failed(trouble),
            Err(LoadError::Refused(sentence)) => Self::Refused(sentence.clone()),
            // Nothing else comes of a call.
            Err(error) => Self::failed(&Trouble::invalid(error.to_string())),
        }
    }

    pub(in crate::policy::wasm) fn of_rank(outcome: &Result<(), Trouble>, rows: &[u32]) -> Self {
        outcome.as_ref().map_or_else(Self::failed, |()| Self::Rows(rows.to_owned()))
    }

    pub(in crate::policy::wasm) fn of_observe(outcome: &Result<(), Trouble>) -> Self {
        outcome.as_ref().map_or_else(Self::failed, |()| Self::Done)
    }

    pub(in crate::policy::wasm) fn of_prioritize(outcome: &Result<Admission, Trouble>) -> Self {
        match outcome {
            Ok(Admission::Accepted(priority)) => Self::Accepted(*priority),
            Ok(Admission::Rejected { reason, retry_after }) => {
                let retry_after_ms =
                    retry_after.map(|wait: Duration| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                Self::Rejected { reason: reason.clone(), retry_after_ms }
            }
            Err(trouble) => Self::failed(trouble),
        }
    }

    pub(in crate::policy::wasm) fn failed(trouble: &Trouble) -> Self {
        Self::Failed(Failed {
            reason: trouble.failure.word().to_owned(),
            detail: trouble.detail.clone(),
            usable: trouble.usable,
        })
    }

    /// Whether the instance is thrown away for it.
    pub(in crate::policy::wasm) fn is_the_end(&self) -> bool {
        matches!(self, Self::Failed(failed) if !failed.usable)
    }

    /// Whether the same became of both. Why a call failed is more than its reason says, and may be put otherwise.
    pub(in crate::policy::wasm) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Failed(one), Self::Failed(other)) => one.reason == other.reason,
            _ => self == other,
        }
    }
}
