//! What came of a replay.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::policy::PolicyInfo;
use crate::policy::wasm::recorder::line::{Answer, Ask, Call};

/// What came of a replay.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayReport {
    /// What the policy goes by.
    pub policy: String,
    /// Its own name and version.
    pub name: String,
    /// See `name`.
    pub version: String,
    /// SHA-256 of its file, in hex.
    pub sha256: String,
    /// The policies that were recorded.
    pub recorded: Vec<RecordedPolicy>,
    /// Calls in the record.
    pub calls: u64,
    /// Calls with the same answer as in the record.
    pub same: u64,
    /// Calls with another one.
    pub different: u64,
    /// Calls that say nothing: those that had missed their deadline, and those that depend on calls that are missing.
    pub not_compared: u64,
    /// Compared calls by their kind: `rank`, `prioritize` and so on.
    pub by_call: BTreeMap<&'static str, CallCounts>,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// Calls missing in the record, as far as it says how many.
    pub lost: u64,
    /// The record had reached its limit.
    pub full: bool,
    /// The balancer has ended the record itself.
    pub closed: bool,
    /// The last line is cut off.
    pub cut_off: bool,
}

/// A policy in a record.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct RecordedPolicy {
    /// What it went by, in the form of `POLICY`.
    pub policy: String,
    /// SHA-256 of its file, in hex.
    pub sha256: String,
    /// How many instances of it there were.
    pub instances: u64,
}

/// Compared calls of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// With the same answer as in the record.
    pub same: u64,
    /// With another one.
    pub different: u64,
}

/// A call with another answer than in the record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Its line in the record, 1 for the first.
    pub line: u64,
    /// The instance that was called.
    pub instance: u64,
    /// Which of the calls of that instance it was, 1 for the first.
    pub call: u64,
    /// What was called.
    pub ask: &'static str,
    /// How many candidates there were; `None` for other calls than `rank`.
    pub candidates: Option<usize>,
    /// The answer in the record, as it stands there.
    pub recorded: serde_json::Value,
    /// The answer now, in the same form.
    pub now: serde_json::Value,
}

impl ReplayReport {
    pub(super) fn new(policy: &str, info: &PolicyInfo, sha256: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            name: info.name.clone(),
            version: info.version.clone(),
            sha256: sha256.to_owned(),
            recorded: Vec::new(),
            calls: 0,
            same: 0,
            different: 0,
            not_compared: 0,
            by_call: BTreeMap::new(),
            differences: Vec::new(),
            lost: 0,
            full: false,
            closed: false,
            cut_off: false,
        }
    }

    pub(super) fn recorded(&mut self, policy: &str, sha256: &str) {
        let known = self.recorded.iter_mut().find(|known| known.policy == policy && known.sha256 == sha256);
        if let Some(known) = known {
            known.instances += 1;
        } else {
            self.recorded.push(RecordedPolicy { policy: policy.to_owned(), sha256: sha256.to_owned(), instances: 1 });
        }
    }

    pub(super) fn compared(&mut self, call: &Call, now: &Answer, line: u64, shown: usize) {
        let counts = self.by_call.entry(call.ask.name()).or_default();
        if call.answer.is_like(now) {
            counts.same += 1;
            self.same += 1;
            return;
        }
        counts.different += 1;
        self.different += 1;
        if self.differences.len() >= shown {
            return;
        }
        // Both are made of texts and whole numbers: nothing there that JSON has no word for.
        let json = |answer: &Answer| serde_json::to_value(answer).unwrap_or_default();
        self.differences.push(Difference {
            line,
            instance: call.instance,
            call: call.number,
            ask: call.ask.name(),
            candidates: if let Ask::Rank { candidates, .. } = &call.ask { Some(candidates.len()) } else { None },
            recorded: json(&call.answer),
            now: json(now),
        });
    }
}
