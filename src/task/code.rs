//! The stable words of errors.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $about:literal])+ $name:ident = $word:literal,)+) => {
        /// The `code` of an error: a word that programs may rely on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $about])+ #[serde(rename = $word)] $name,)+
        }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word on the wire.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            /// When it is said, in a sentence.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($about),+).trim_ascii(),)+
                }
            }

            /// The code of that word.
            pub fn from_word(word: &str) -> Option<Self> {
                Some(match word {
                    $($word => Self::$name,)+
                    _ => return None,
                })
            }
        }
    };
}

codes! {
    /// Wrong or missing key.
    Unauthorized = "unauthorized",
    /// A read-only session, or a page's request without its token.
    Forbidden = "forbidden",
    /// No such path.
    NotFound = "not_found",
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed",
    /// The body is not a JSON object (a batch: not an array), or ends too early.
    InvalidJson = "invalid_json",
    /// The body is not `application/json`, or in an unknown encoding.
    UnsupportedMediaType = "unsupported_media_type",
    /// The body is larger than `REQUEST_BODY_LIMIT`; that of a policy, than 64 MB.
    BodyTooLarge = "body_too_large",
    /// A batch has more than 10,000 items.
    BatchTooLarge = "batch_too_large",
    /// `x-wr-auth` is missing.
    MissingWorkerKey = "missing_worker_key",
    /// `group`, `function` or `contract` is missing; in a change, `priority`.
    MissingField = "missing_field",
    /// `group` is not a text the balancer can use.
    InvalidGroup = "invalid_group",
    /// `function` is not a text the balancer can use.
    InvalidFunction = "invalid_function",
    /// `contract` is not a number.
    InvalidContract = "invalid_contract",
    /// `priority` is not an integer from 1 to 2097152.
    InvalidPriority = "invalid_priority",
    /// `mode` is unknown.
    InvalidMode = "invalid_mode",
    /// `webhook` is missing or has no usable url.
    InvalidWebhook = "invalid_webhook",
    /// A field of `options` is not as it should be.
    InvalidOptions = "invalid_options",
    /// `Idempotency-Key` or `options.idempotencyKey` is not a key, or they differ.
    InvalidIdempotencyKey = "invalid_idempotency_key",
    /// A parameter of the query is not as it should be.
    InvalidQuery = "invalid_query",
    /// `action` or `dryRun` of an action on many tasks is not as it should be.
    InvalidAction = "invalid_action",
    /// A filter in a body is not as it should be.
    InvalidFilter = "invalid_filter",
    /// A field of the body cannot be set there.
    UnknownField = "unknown_field",
    /// The lane's workers do not offer that function.
    UnknownFunction = "unknown_function",
    /// No task of that id is known (any more).
    TaskNotFound = "task_not_found",
    /// The task has ended: there is nothing to cancel.
    TaskEnded = "task_ended",
    /// The task has not ended: there is nothing to run again.
    TaskNotEnded = "task_not_ended",
    /// The task is not delayed: there is nothing to promote.
    TaskNotDelayed = "task_not_delayed",
    /// The task does not wait any more: its priority means nothing.
    TaskNotWaiting = "task_not_waiting",
    /// The idempotency key is that of a task with another body or worker key.
    IdempotencyMismatch = "idempotency_mismatch",
    /// The idempotency key is that of a stream, which is under way.
    StreamInProgress = "stream_in_progress",
    /// A stream that has ended cannot run again; the idempotency key is that of one.
    StreamFinished = "stream_finished",
    /// The stored result is larger than `RESULT_MAX_BYTES` and was kept cut.
    ResultTooLarge = "result_too_large",
    /// The lane has had no ready worker for `NO_WORKER_TIMEOUT`.
    NoWorker = "no_worker",
    /// The queue holds `MAX_QUEUED_TASKS`.
    QueueFull = "queue_full",
    /// There is no room on the disk where the queue keeps its tasks.
    StorageFull = "storage_full",
    /// The queue's store does not answer, or has lost the task.
    QueueUnavailable = "queue_unavailable",
    /// The time limit has passed.
    Timeout = "timeout",
    /// The task waited longer than `QUEUE_TTL`.
    Expired = "expired",
    /// The client closed its connection.
    ClientGone = "client_gone",
    /// Somebody cancelled the task.
    Cancelled = "cancelled",
    /// The balancer is shutting down.
    ShuttingDown = "shutting_down",
    /// The task was cut off more than `MAX_INTERRUPTIONS` times, or once when at most one run was allowed.
    Interrupted = "interrupted",
    /// The stored key for the worker cannot be opened: `LB_AUTH_KEY` was changed.
    CredentialUnreadable = "credential_unreadable",
    /// The worker answered with a 4xx: trying again would not help.
    Rejected = "rejected_by_worker",
    /// The worker answered with a 5xx or 429 until the attempts were used up.
    WorkerFailed = "worker_failed",
    /// The worker could not be reached, or broke off, until the attempts were used up.
    WorkerUnreachable = "worker_unreachable",
    /// The function ran, but its result could not be posted to the webhook.
    WebhookFailed = "webhook_failed",
    /// The active policy refused the submission.
    PolicyRejected = "policy_rejected",
    /// The active policy failed, and `POLICY_ON_FAILURE` is `reject`.
    PolicyFailed = "policy_failed",
    /// Such a name no policy can have.
    InvalidPolicyName = "invalid_policy_name",
    /// There is no policy of that name.
    PolicyNotFound = "policy_not_found",
    /// The file is no policy that could be used.
    PolicyRefused = "policy_refused",
    /// No version of the policy was in use before the present one.
    NoEarlierVersion = "no_earlier_version",
    /// The policy is not activated: there is nothing to undo.
    PolicyNotActivated = "policy_not_activated",
    /// Too many requests of a kind that is limited.
    TooManyRequests = "too_many_requests",
    /// A defect of the balancer itself; the log says more.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_leads_back_to_its_code() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_word(code.word()), Some(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
