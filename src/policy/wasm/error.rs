//! What can go wrong with a policy.

use wasmtime::Trap;

use super::guest_log::cut;
use super::limits::LimitReached;
use crate::policy::Failure;

/// Bytes of a sentence about a policy, which may hold text of its making.
const SENTENCE_BYTES: usize = 500;

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is not there.
    #[error("there is no file {0}")]
    NoFile(String),
    /// The file is larger than any policy may be.
    #[error("the file has {bytes} bytes; {limit} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The file is no WebAssembly.
    #[error("it is no WebAssembly file")]
    NotWasm,
    /// A core module that is no policy, or a broken one.
    #[error("it is a core module that cannot be made a component: {0}")]
    NotAComponent(String),
    /// It is broken, or wants something of WebAssembly that is not there.
    #[error("it does not compile: {0}")]
    NotCompiled(String),
    /// It imports what is not there.
    #[error("it imports {0:?}, which is not there: a policy may import andera:routing/log@1.0.0 alone")]
    UnknownImport(String),
    /// It exports none of the interfaces that make a policy.
    #[error("it exports none of andera:routing/ranking, priority and feedback in version 1.0.0{0}")]
    NoPolicy(String),
    /// An interface is not as it should be.
    #[error("its interfaces do not fit: {0}")]
    Mismatch(String),
    /// It failed while it was set up or tried out.
    #[error("it failed in {step} ({}): {}", .trouble.failure.word(), .trouble.detail)]
    Failed {
        /// In which call.
        step: &'static str,
        /// Why.
        trouble: Trouble,
    },
    /// It refuses its configuration.
    #[error("it refuses its configuration: {0}")]
    Refused(String),
    /// The balancer could not do its part.
    #[error("cannot set up WebAssembly: {0}")]
    Host(String),
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The reason it is counted under.
    pub failure: Failure,
    /// A sentence on what happened.
    pub detail: String,
    /// Whether the instance can still be called.
    pub(super) usable: bool,
}

impl Trouble {
    /// An answer that was understood but is not valid.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self { failure: Failure::Invalid, detail: detail.into(), usable: true }
    }

    /// What a failed call means.
    pub(super) fn of(error: &wasmtime::Error) -> Self {
        let failure = match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Failure::Deadline,
            Some(_) => Failure::Trap,
            None if error.is::<LimitReached>() => Failure::Memory,
            None if error.is::<NotThere>() => Failure::Trap,
            // What the host could not read: out of bounds, no text, too large.
            None => Failure::Invalid,
        };
        Self { failure, detail: sentence(error), usable: false }
    }
}

/// The policy called something that is not there.
#[derive(Debug, thiserror::Error)]
#[error("it called {0}, which does nothing here: there is no WASI for policies")]
pub(super) struct NotThere(pub(super) String);

/// An error as one short line: what it comes from, then where it happened.
pub(super) fn sentence(error: &wasmtime::Error) -> String {
    let (cause, whole) = (error.root_cause().to_string(), format!("{error:#}"));
    let rest = whole.strip_suffix(&cause).unwrap_or(&whole).trim_end_matches([':', ' ']);
    let text = if rest.is_empty() || rest == cause { cause } else { format!("{cause} ({rest})") };
    cut(&text, SENTENCE_BYTES)
}
