//! The policy's `config`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Tenants by name; tasks without a tenant count as a tenant with an empty name.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How much of the workers a tenant gets beside others.
    pub weights: BTreeMap<String, f64>,
    /// The weight of all others.
    pub default_weight: f64,
    /// What a tenant may submit.
    pub limits: BTreeMap<String, Limit>,
    /// The limit of all others; none if it is not there.
    pub default_limit: Option<Limit>,
}

/// How much may be submitted.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Tasks a second in the long run.
    pub per_second: f64,
    /// Tasks at once after a pause.
    pub burst: f64,
}

/// Weights are within this of 1, either way.
const WIDEST: f64 = 10_000.0;

impl Default for Config {
    fn default() -> Self {
        Self { weights: BTreeMap::new(), default_weight: 1.0, limits: BTreeMap::new(), default_limit: None }
    }
}

impl Config {
    /// Says what makes no sense.
    pub fn check(&self) -> Result<(), String> {
        let named = self.weights.iter().map(|(tenant, &weight)| (tenant.as_str(), weight));
        for (tenant, weight) in named.chain([("(default)", self.default_weight)]) {
            if !(1.0 / WIDEST..=WIDEST).contains(&weight) {
                return Err(format!(
                    "the weight of {tenant} is {weight}; it has to be from {} to {WIDEST}",
                    1.0 / WIDEST
                ));
            }
        }
        let named = self.limits.iter().map(|(tenant, limit)| (tenant.as_str(), limit));
        for (tenant, limit) in named.chain(self.default_limit.iter().map(|limit| ("(default)", limit))) {
            let sensible =
                limit.per_second > 0.0 && limit.per_second.is_finite() && limit.burst >= 1.0 && limit.burst.is_finite();
            if !sensible {
                return Err(format!("the limit of {tenant} needs a per_second above 0 and a burst of at least 1"));
            }
        }
        Ok(())
    }

    /// The weight of a tenant.
    pub fn weight_of(&self, tenant: &str) -> f64 {
        self.weights.get(tenant).copied().unwrap_or(self.default_weight)
    }

    /// The limit of a tenant, if it has one.
    pub fn limit_of(&self, tenant: &str) -> Option<Limit> {
        self.limits.get(tenant).copied().or(self.default_limit)
    }
}
