//! What can go wrong with a queue.

/// What can go wrong with a queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// `MAX_QUEUED_TASKS` wait already.
    #[error("the queue is full: {limit} tasks wait")]
    Full {
        /// The limit.
        limit: u64,
    },
    /// The lease is not the task's present one: it ran out and the task was taken by another, ended or forgotten.
    #[error("the lease is lost")]
    LeaseLost,
    /// There is no room for new tasks where the queue keeps them. What runs may end.
    #[error("the queue's disk is full")]
    StorageFull,
    /// The store cannot be reached, and nothing was done. The queue has waited for it already.
    #[error("the queue's store is away: {0}")]
    Away(String),
    /// The store does not answer; the outcome is unclear.
    #[error("the queue's store does not answer: {0}")]
    Unavailable(String),
}
