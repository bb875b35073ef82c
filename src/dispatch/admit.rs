//! Asking the policy whether a submission becomes a task, and of which priority.

use std::time::Duration;

use super::{Dispatcher, Refusal, Submission};
use crate::policy::{Admission, SubmissionView};
use crate::task::ErrorCode;

/// When to try again if a policy that fails does not say for how long it will.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Gives the submission the priority that the policy wants for it, or refuses it.
    pub(super) async fn admit(&self, submission: &mut Submission) -> Result<(), Refusal> {
        if !self.policy.decides_admission(&submission.request.lane) {
            return Ok(());
        }
        let request = &submission.request;
        let view = SubmissionView {
            lane: &request.lane,
            function: &request.function,
            priority: request.priority,
            mode: request.mode,
            body_bytes: request.body.len() as u64,
            key: request.options.key.as_deref(),
            tenant: request.options.tenant.as_deref(),
            now_ms: u64::try_from(self.clock.now().as_millis()).unwrap_or(0),
            seed: self.chance.number(),
        };
        match Box::pin(self.policy.prioritize(&view)).await {
            Ok(Admission::Accepted(priority)) => {
                submission.request.priority = priority;
                Ok(())
            }
            Ok(Admission::Rejected { reason, retry_after }) => {
                let message = if reason.is_empty() { "The policy refuses the submission".to_owned() } else { reason };
                let refusal = Refusal::new(ErrorCode::PolicyRejected, message);
                Err(match retry_after {
                    Some(wait) => refusal.retry_after(wait),
                    None => refusal,
                })
            }
            Err((failure, pause)) => {
                let message = format!("The policy failed ({})", failure.word());
                Err(Refusal::new(ErrorCode::PolicyFailed, message).retry_after(pause.unwrap_or(FAILED_PAUSE)))
            }
        }
    }
}
