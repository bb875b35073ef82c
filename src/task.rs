//! The words everybody shares: ids, lanes, priorities, modes, requests, records and their endings. No I/O, no async.

mod attempt;
mod candidates;
mod chance;
mod code;
mod contract;
mod credential;
mod hash;
mod id;
mod idempotency;
mod lane;
mod mode;
mod options;
mod priority;
mod record;
mod request;
mod request_body;
mod spec;
mod time;

pub use attempt::{Attempt, AttemptOutcome};
pub use candidates::{Candidate, Candidates};
pub use chance::Chance;
pub use code::ErrorCode;
pub use contract::Contract;
pub use credential::WorkerKey;
pub use hash::stable_hash;
pub use id::{InvalidTaskId, TaskId};
pub use idempotency::{Idempotency, IdempotencyKey};
pub use lane::LaneKey;
pub use mode::Mode;
pub use options::TaskOptions;
pub use priority::Priority;
pub use record::{StoredResult, TaskRecord, TaskState};
pub use request::{BadRequest, TaskRequest, WebhookTarget};
pub use spec::TaskSpec;
pub use time::{Clock, Timestamp};
