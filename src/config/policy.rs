//! Who ranks the workers.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::kind::{FilePath, GB, KB, Kind, MILLISECOND, MINUTE, OptionalPath, SECOND, Size, Time, Whole};
use super::section::section;

section! {
    /// Who ranks the workers.
    pub struct PolicySettings {
        /// One of native:least-loaded, native:peak-ewma, native:round-robin and native:andera-score, or wasm:NAME, which is NAME.wasm in
        /// `POLICIES_DIR`. Unset: wasm:default if there is a default.wasm, else native:least-loaded.
        pub choice: PolicyChoice = POLICY, Choice, "";
        /// Directory of the policies, a .wasm file each.
        pub directory: PathBuf = POLICIES_DIR, FilePath, "policies";
        /// How long one decision of a wasm policy may take; then it is interrupted, and the native order used.
        pub deadline: Duration = POLICY_DEADLINE_MS, Time(MILLISECOND..=SECOND), "10";
        /// How long a wasm policy may take to start, for each call that sets it up, and for each that tries it out.
        pub load_deadline: Duration = POLICY_LOAD_DEADLINE_MS, Time(MILLISECOND..=10 * MINUTE), "10000";
        /// Memory of an instance of a wasm policy, in megabytes.
        pub memory_mb: usize = POLICY_MEMORY_MB, Whole(1..=4096), "64";
        /// What becomes of new submissions while a wasm policy fails. `native`: they are taken, with the client's priority. `reject`: they
        /// are refused with 503 `policy_failed`.
        pub on_failure: FailureRule = POLICY_ON_FAILURE, FailureWord, "native";
        /// When a task that the policy told to wait is asked for again at the latest.
        pub wait: Duration = POLICY_WAIT_MS, Time(MILLISECOND..=MINUTE), "250";
        /// File to which every call of a wasm policy is written, for `andera-lb policy replay`; a record that is there is kept as FILE.old.
        /// It holds what policies are told: `options.key` and `options.tenant` of submissions too, but no inputs and no keys of workers.
        pub record: Option<PathBuf> = POLICY_RECORD, OptionalPath, "";
        /// How large that file may become; then nothing more is recorded.
        pub record_max_bytes: u64 = POLICY_RECORD_MAX_BYTES, Size(64 * KB..=1024 * GB), "100mb";
    }
}

/// The policy chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PolicyChoice {
    /// None: `default.wasm` if there is one, else the default native one.
    Unset,
    /// `wasm:<name>`. Whether there is such a file is not checked here.
    Wasm(String),
    /// `native:<name>`. Whether a policy of that name exists is not checked here.
    Native(String),
}

/// The form `native:<name>` or `wasm:<name>`, or nothing.
struct Choice;

const FORM: &str = "native:<name> or wasm:<name>, a name being letters, digits, dots, hyphens and underscores";

impl PolicyChoice {
    /// Whether it can be the name of a user's policy: the stem of a file in a directory, and in no other.
    pub fn is_name(name: &str) -> bool {
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        !name.is_empty() && name.len() <= 100 && name.chars().all(fits) && !name.starts_with('.')
    }
}

impl FromStr for PolicyChoice {
    /// What is accepted.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self::Unset);
        }
        if let Some(name) = text.strip_prefix("wasm:").map(str::trim) {
            return if Self::is_name(name) { Ok(Self::Wasm(name.to_owned())) } else { Err(FORM) };
        }
        match text.strip_prefix("native:").map(str::trim) {
            Some(name) if !name.is_empty() => Ok(Self::Native(name.to_owned())),
            _ => Err(FORM),
        }
    }
}

impl fmt::Display for PolicyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => Ok(()),
            Self::Wasm(name) => write!(f, "wasm:{name}"),
            Self::Native(name) => write!(f, "native:{name}"),
        }
    }
}

impl Kind<PolicyChoice> for Choice {
    fn parse(&self, text: &str) -> Option<PolicyChoice> {
        text.parse().ok()
    }

    fn accepted(&self) -> String {
        FORM.to_owned()
    }
}

/// What becomes of submissions while a policy fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureRule {
    /// They are taken.
    #[default]
    Native,
    /// They are refused.
    Reject,
}

/// The word of a [`FailureRule`].
struct FailureWord;

impl Kind<FailureRule> for FailureWord {
    fn parse(&self, text: &str) -> Option<FailureRule> {
        match text.to_ascii_lowercase().as_str() {
            "native" => Some(FailureRule::Native),
            "reject" => Some(FailureRule::Reject),
            _ => None,
        }
    }

    fn accepted(&self) -> String {
        "native or reject".to_owned()
    }
}
