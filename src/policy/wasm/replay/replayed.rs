//! One recorded instance, and the new one that takes its place.

use std::sync::Arc;

use crate::policy::wasm::component::PolicyCode;
use crate::policy::wasm::error::LoadError;
use crate::policy::wasm::guest_log::GuestLog;
use crate::policy::wasm::instance::Instance;
use crate::policy::wasm::limits::PolicyLimits;
use crate::policy::wasm::loader::{Setup, fresh};
use crate::policy::wasm::recorder::line::{Answer, Ask, Begin, Call, Failed};
use crate::policy::{Directory, Failure};

/// What calls are made in.
pub(super) struct New<'a> {
    pub(super) code: Arc<PolicyCode>,
    pub(super) limits: PolicyLimits,
    pub(super) log: Arc<GuestLog>,
    pub(super) stateful: bool,
    /// In place of the recorded ones.
    pub(super) config: Option<&'a str>,
}

/// One recorded instance.
pub(super) struct Replayed {
    /// `None` after a failure.
    instance: Option<Instance>,
    /// With what the next one is set up.
    setup: Setup,
    stateful: bool,
    /// What it would answer depends on calls that are missing.
    is_over: bool,
}

impl Replayed {
    pub(super) fn begin(begin: &Begin, new: &New<'_>) -> Result<Self, LoadError> {
        let instance = Some(Instance::new(&new.code, new.limits, &new.log)?);
        Ok(Self { instance, setup: Setup::default(), stateful: begin.stateful, is_over: false })
    }

    /// Calls are missing here.
    pub(super) fn lose(&mut self, new: &New<'_>) {
        self.is_over |= self.stateful || new.stateful;
    }

    /// Makes a call. `None` if its answer would say nothing.
    pub(super) fn call(&mut self, call: &Call, new: &New<'_>) -> Option<Answer> {
        if self.is_over {
            return None;
        }
        if is_deadline(&call.answer) {
            // How far it had come by then depends on the machine.
            self.instance = None;
            self.remember(&call.ask, new);
            return None;
        }
        let answer = self.answer(&call.ask, new);
        // One that refuses its configuration is not used.
        if answer.is_the_end() || call.answer.is_the_end() || matches!(answer, Answer::Refused(_)) {
            self.instance = None;
        }
        Some(answer)
    }

    fn answer(&mut self, ask: &Ask, new: &New<'_>) -> Answer {
        self.remember(ask, new);
        let Some(instance) = &mut self.instance else {
            let renewed = fresh(&new.code, new.limits, &new.log, &self.setup, None);
            let answer = match renewed {
                Ok(instance) => {
                    self.instance = Some(instance);
                    if !matches!(ask, Ask::Configure(_) | Ask::Topology(_)) {
                        return self.answer(ask, new);
                    }
                    Answer::Done
                }
                Err(error) => Answer::Failed(Failed {
                    reason: Failure::Restarting.word().to_owned(),
                    detail: error.to_string(),
                    usable: false,
                }),
            };
            return answer;
        };
        let deadline = new.limits.load_deadline;
        match ask {
            Ask::Configure(_) => Answer::of_setup(&instance.configure(&self.setup.config)),
            Ask::Topology(directory) => Answer::of_setup(&instance.topology(directory)),
            Ask::Rank { context, candidates } => {
                let mut rows = Vec::new();
                let outcome = instance.rank(context, candidates, &mut rows, deadline);
                Answer::of_rank(&outcome, &rows)
            }
            Ask::Prioritize(submission) => Answer::of_prioritize(&instance.prioritize(&submission.view(), deadline)),
            Ask::Observe(outcomes) => Answer::of_observe(&instance.observe(outcomes, deadline)),
        }
    }

    /// Keeps what later instances are set up with.
    fn remember(&mut self, ask: &Ask, new: &New<'_>) {
        match ask {
            Ask::Configure(json) => new.config.unwrap_or(json).clone_into(&mut self.setup.config),
            Ask::Topology(directory) => self.setup.directory = Arc::<Directory>::new(directory.clone()),
            _ => {}
        }
    }
}

fn is_deadline(answer: &Answer) -> bool {
    matches!(answer, Answer::Failed(failed) if failed.reason == Failure::Deadline.word())
}
