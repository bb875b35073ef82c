//! Tenants share the workers by weight, whoever submits how much, and may be limited in what they submit; see README.md.

use std::collections::HashMap;

use andera_policy::priority::{Task, Verdict};
use andera_policy::ranking::{Candidates, Context};
use andera_policy::{Policy, Priority, Ranking, export_policy, least_loaded};

use config::Config;
use lane::Lane;
use limit::Buckets;

pub mod config;
pub mod lane;
pub mod limit;

/// Start-time fair queueing by tenant, in each lane by itself, and a token bucket for each tenant over all lanes.
pub struct TenantFair {
    config: Config,
    /// Only those in which something waits.
    lanes: HashMap<u32, Lane>,
    buckets: Buckets,
}

impl Policy for TenantFair {
    type Config = Config;
    const STATEFUL: bool = true;

    fn new(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { config, lanes: HashMap::new(), buckets: Buckets::default() })
    }
}

impl Priority for TenantFair {
    fn prioritize(&mut self, task: &Task) -> Verdict {
        let tenant = task.tenant.as_deref().unwrap_or_default();
        if let Some(limit) = self.config.limit_of(tenant)
            && let Err(wait_ms) = self.buckets.take(task.tenant_hash, limit, task.now_ms)
        {
            let who = if tenant.is_empty() { "tasks without a tenant".to_owned() } else { format!("tenant {tenant}") };
            return Verdict::refuse(format!("{who}: no more than {} tasks a second", limit.per_second), Some(wait_ms));
        }
        let lane = self.lanes.entry(task.lane).or_default();
        Verdict::Accept(lane.place(task.tenant_hash, self.config.weight_of(tenant), task.now_ms))
    }
}

/// Only here can be seen what is being served; the worker is the least loaded.
impl Ranking for TenantFair {
    fn rank(&mut self, context: &Context, candidates: &Candidates) -> Vec<u32> {
        // A later attempt comes back with the number of its first.
        if context.attempt == 1 {
            let lane = self.lanes.entry(context.lane).or_default();
            if lane.serves(context.priority, context.now_ms.saturating_sub(context.age_ms)) {
                self.lanes.remove(&context.lane);
            }
        }
        least_loaded(candidates, context.seed)
    }
}

export_policy!(TenantFair, priority, ranking);

#[cfg(test)]
mod tests;
