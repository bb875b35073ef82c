//! What the end of an attempt means for its task. Pure: facts in, decision out.

use std::time::Duration;

use crate::task::{AttemptOutcome, ErrorCode};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AttemptEnd<'a> {
    /// The worker answered in full.
    Answered { status: u16, body: &'a [u8], retry_after: Option<Duration> },
    /// The connection broke.
    Broken,
    /// The time limit passed.
    TimedOut,
}

/// What else bears on the decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Attempts used, this one included.
    pub(super) used: u32,
    /// Attempts allowed.
    pub(super) allowed: u32,
    /// Whether bytes of the answer have gone to the client already.
    pub(super) passed_on: bool,
    /// Whether a client waits at the other end.
    pub(super) client_waits: bool,
    /// Whether another worker could take the task.
    pub(super) other_worker: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The task has ended well.
    Complete,
    /// The task has ended badly.
    Fail(ErrorCode),
    /// Run it again at once, elsewhere.
    RetryNow,
    /// Run it again later.
    RetryLater { retry_after: Option<Duration> },
}

/// The protocol's rules for answers and retries (protocol page, section 1).
pub(super) fn judge(end: &AttemptEnd<'_>, circumstances: Circumstances) -> Decision {
    let spent = circumstances.used >= circumstances.allowed || circumstances.passed_on;
    match end {
        AttemptEnd::Answered { status: 200..=299, .. } => Decision::Complete,
        AttemptEnd::Answered { status, body, retry_after } => {
            if *status == 500 && says_webhook_failed(body) {
                Decision::Fail(ErrorCode::WebhookFailed)
            } else if *status < 500 && *status != 429 {
                Decision::Fail(ErrorCode::Rejected)
            } else if spent {
                Decision::Fail(ErrorCode::WorkerFailed)
            } else if *status == 503 && says_maintenance(body) && circumstances.other_worker {
                Decision::RetryNow
            } else {
                Decision::RetryLater { retry_after: *retry_after }
            }
        }
        AttemptEnd::Broken if spent => Decision::Fail(ErrorCode::WorkerUnreachable),
        AttemptEnd::Broken if circumstances.other_worker => Decision::RetryNow,
        // The client's own patience has ended with the attempt.
        AttemptEnd::TimedOut if spent || circumstances.client_waits => Decision::Fail(ErrorCode::Timeout),
        AttemptEnd::Broken | AttemptEnd::TimedOut => Decision::RetryLater { retry_after: None },
    }
}

/// The attempt's outcome, as the task's history shows it.
pub(super) fn outcome(end: &AttemptEnd<'_>) -> AttemptOutcome {
    match end {
        AttemptEnd::Answered { status: 200..=299, .. } => AttemptOutcome::Completed,
        AttemptEnd::Answered { .. } => AttemptOutcome::Failed,
        AttemptEnd::Broken => AttemptOutcome::Disconnected,
        AttemptEnd::TimedOut => AttemptOutcome::TimedOut,
    }
}

/// The text of a worker's `error`, if its answer has one.
pub(super) fn error_text(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct ErrorBody {
        error: String,
    }
    serde_json::from_slice::<ErrorBody>(body).ok().map(|body| body.error)
}

fn says_webhook_failed(body: &[u8]) -> bool {
    error_text(body).is_some_and(|error| error.starts_with("Failed to send webhook"))
}

fn says_maintenance(body: &[u8]) -> bool {
    error_text(body).is_some_and(|error| error.contains("maintenance"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Circumstances =
        Circumstances { used: 1, allowed: 3, passed_on: false, client_waits: true, other_worker: true };

    fn answered(status: u16, body: &str) -> AttemptEnd<'_> {
        AttemptEnd::Answered { status, body: body.as_bytes(), retry_after: None }
    }

    #[test]
    fn success_completes() {
        assert_eq!(judge(&answered(200, "{}"), FRESH), Decision::Complete);
        assert_eq!(judge(&answered(204, ""), FRESH), Decision::Complete);
    }

    #[test]
    fn a_4xx_is_final_but_429_is_retried() {
        assert_eq!(judge(&answered(404, "{}"), FRESH), Decision::Fail(ErrorCode::Rejected));
        assert_eq!(judge(&answered(401, "{}"), FRESH), Decision::Fail(ErrorCode::Rejected));
        assert_eq!(judge(&answered(429, "{}"), FRESH), Decision::RetryLater { retry_after: None });
    }

    #[test]
    fn a_5xx_is_retried_until_the_attempts_are_used_up() {
        assert_eq!(judge(&answered(500, "oops"), FRESH), Decision::RetryLater { retry_after: None });
        let last = Circumstances { used: 3, ..FRESH };
        assert_eq!(judge(&answered(500, "oops"), last), Decision::Fail(ErrorCode::WorkerFailed));
    }

    #[test]
    fn maintenance_goes_elsewhere_at_once_if_there_is_an_elsewhere() {
        let end = answered(503, r#"{"error":"Worker is in maintenance mode"}"#);
        assert_eq!(judge(&end, FRESH), Decision::RetryNow);
        let alone = Circumstances { other_worker: false, ..FRESH };
        assert_eq!(judge(&end, alone), Decision::RetryLater { retry_after: None });
        assert_eq!(judge(&answered(503, "busy"), FRESH), Decision::RetryLater { retry_after: None });
    }

    #[test]
    fn a_failed_webhook_is_final_because_the_function_has_run() {
        let end = answered(500, r#"{"success":false,"error":"Failed to send webhook: 404"}"#);
        assert_eq!(judge(&end, FRESH), Decision::Fail(ErrorCode::WebhookFailed));
    }

    #[test]
    fn a_broken_connection_is_retried_unless_the_client_has_seen_a_byte() {
        assert_eq!(judge(&AttemptEnd::Broken, FRESH), Decision::RetryNow);
        let alone = Circumstances { other_worker: false, ..FRESH };
        assert_eq!(judge(&AttemptEnd::Broken, alone), Decision::RetryLater { retry_after: None });
        let passed = Circumstances { passed_on: true, ..FRESH };
        assert_eq!(judge(&AttemptEnd::Broken, passed), Decision::Fail(ErrorCode::WorkerUnreachable));
    }

    #[test]
    fn a_timeout_is_retried_only_where_nobody_waits() {
        assert_eq!(judge(&AttemptEnd::TimedOut, FRESH), Decision::Fail(ErrorCode::Timeout));
        let nobody = Circumstances { client_waits: false, ..FRESH };
        assert_eq!(judge(&AttemptEnd::TimedOut, nobody), Decision::RetryLater { retry_after: None });
    }
}
