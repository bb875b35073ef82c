//! What goes into a simulation, and what comes out.

/// A task that a client submits. In lane 1 always.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// When, in milliseconds since the start of the run.
    pub at_ms: u64,
    /// The function.
    pub function: u32,
    /// The priority that the client asks for; 0 for none.
    pub priority: u32,
    /// `options.key`.
    pub key: Option<String>,
    /// `options.tenant`.
    pub tenant: Option<String>,
}

impl Job {
    /// Function 1, without priority, key and tenant.
    pub fn at(at_ms: u64) -> Self {
        Self { at_ms, function: 1, priority: 0, key: None, tenant: None }
    }

    /// With this function.
    #[must_use]
    pub fn function(self, function: u32) -> Self {
        Self { function, ..self }
    }

    /// With this priority.
    #[must_use]
    pub fn priority(self, priority: u32) -> Self {
        Self { priority, ..self }
    }

    /// With this key.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// With this tenant.
    #[must_use]
    pub fn tenant(self, tenant: impl Into<String>) -> Self {
        Self { tenant: Some(tenant.into()), ..self }
    }
}

/// A task that ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What was submitted.
    pub job: Job,
    /// Its priority in the end.
    pub priority: u32,
    /// Where it ran.
    pub worker: u32,
    /// When it began, in milliseconds since the start of the run.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// Whether it completed.
    pub ok: bool,
}

impl Run {
    /// How long its client waited for the answer.
    pub fn took_ms(&self) -> u64 {
        self.ended_ms - self.job.at_ms
    }

    /// Whether it was submitted for this tenant.
    pub fn is_of(&self, tenant: &str) -> bool {
        self.job.tenant.as_deref() == Some(tenant)
    }
}

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What ran, in the order of the starts.
    pub runs: Vec<Run>,
    /// What was refused, with the time to wait that the client was told.
    pub refused: Vec<(Job, Option<u32>)>,
}

impl Report {
    /// What ran on a worker.
    pub fn on_worker(&self, worker: u32) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.worker == worker)
    }

    /// What ran for a tenant.
    pub fn of_tenant<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |run| run.is_of(tenant))
    }

    /// The latency that the given share of the clients did not exceed: 0.99 for p99.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a rank in a list"
    )]
    pub fn percentile_ms(&self, share: f64) -> u64 {
        let mut took: Vec<u64> = self.runs.iter().map(Run::took_ms).collect();
        took.sort_unstable();
        let at = (took.len() as f64 * share) as usize;
        took.get(at.min(took.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}
