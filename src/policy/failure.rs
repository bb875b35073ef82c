//! Why a policy did not give an answer that could be used.

/// Why a policy did not give an answer that could be used. The native order took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Its code trapped, or called something that is not there.
    Trap,
    /// It did not answer within its deadline.
    Deadline,
    /// It wanted more memory than it may have.
    Memory,
    /// Its answer was not valid.
    Invalid,
    /// So many decisions waited for it that there was no room for another.
    Busy,
    /// It failed too often lately and is not asked for a while.
    CircuitOpen,
    /// It failed, and no new instance of it could be made yet.
    Restarting,
    /// It could not be loaded.
    NotLoaded,
}

impl Failure {
    /// Every reason there is.
    pub const ALL: [Self; 8] = [
        Self::Trap,
        Self::Deadline,
        Self::Memory,
        Self::Invalid,
        Self::Busy,
        Self::CircuitOpen,
        Self::Restarting,
        Self::NotLoaded,
    ];

    /// The word of it, in metrics and in a task's attempts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Invalid => "invalid",
            Self::Busy => "busy",
            Self::CircuitOpen => "circuit_open",
            Self::Restarting => "restarting",
            Self::NotLoaded => "not_loaded",
        }
    }
}
