//! Calls of the script.

use bytes::Bytes;
use redis::{Script, ScriptInvocation};

use crate::queue::{ClaimRequest, Lease};
use crate::task::lane_name;
use crate::task::{LaneKey, TaskId};

/// The steps of every task's way. Most calls have no others.
const FREQUENT: [&str; 6] = ["enqueue", "claim", "claim_task", "renew", "settle", "release"];

/// The script that takes steps, put together of parts in the order in which they stand on each other. The server sets up every function of
/// a script at each call, so there is a short one for the frequent steps.
pub(super) struct Scripts {
    frequent: Script,
    all: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let tasks = [
            include_str!("scripts/base.lua"),
            include_str!("scripts/place.lua"),
            include_str!("scripts/ending.lua"),
            include_str!("scripts/claim.lua"),
            include_str!("scripts/steps.lua"),
        ];
        let others = [
            include_str!("scripts/change.lua"),
            include_str!("scripts/look.lua"),
            include_str!("scripts/upkeep.lua"),
            include_str!("scripts/inbox.lua"),
        ];
        let (tasks, others, run) = (tasks.concat(), others.concat(), include_str!("scripts/run.lua"));
        Self {
            frequent: Script::new(&[tasks.as_str(), run].concat()),
            all: Script::new(&[tasks.as_str(), others.as_str(), run].concat()),
        }
    }

    /// The script for these steps.
    pub(super) fn of(&self, steps: &[Step]) -> &Script {
        let frequent = steps.iter().all(|step| FREQUENT.contains(&step.name));
        if frequent { &self.frequent } else { &self.all }
    }
}

/// One step of a call: its name in the script, and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Step {
    name: &'static str,
    arguments: Vec<Bytes>,
}

impl Step {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, arguments: Vec::new() }
    }

    /// Adds a text.
    pub(super) fn text(mut self, text: impl Into<Bytes>) -> Self {
        self.arguments.push(text.into());
        self
    }

    /// Adds a number, an id or whatever else has a form for people.
    pub(super) fn of(self, value: impl ToString + Copy) -> Self {
        self.text(value.to_string())
    }

    /// Adds a value that may be missing.
    pub(super) fn maybe(self, value: Option<impl ToString>) -> Self {
        self.text(value.map_or_else(String::new, |value| value.to_string()))
    }

    pub(super) fn flag(self, flag: bool) -> Self {
        self.text(Bytes::from_static(if flag { b"1" } else { b"0" }))
    }

    pub(super) fn lane(self, lane: &LaneKey) -> Self {
        self.text(lane_name::of(lane))
    }

    /// Adds a claim's request, and what it passes over.
    pub(super) fn request(self, request: &ClaimRequest) -> Self {
        let step = self.claim_of_one(request);
        request.skip.iter().fold(step, Self::of)
    }

    /// Adds the request of a claim that passes nothing over.
    pub(super) fn claim_of_one(self, request: &ClaimRequest) -> Self {
        self.of(request.id.0).flag(request.repeat).of(request.lease.as_millis())
    }

    pub(super) fn lease(self, lease: &Lease) -> Self {
        self.lane(&lease.lane).of(lease.task).of(lease.token)
    }

    pub(super) fn look(id: TaskId) -> Self {
        Self::new("look").of(id).flag(false)
    }

    pub(super) fn put(&self, invocation: &mut ScriptInvocation<'_>) {
        invocation.arg(self.name).arg(self.arguments.len());
        for argument in &self.arguments {
            invocation.arg(argument.as_ref());
        }
    }
}
