//! Tasks with the same `options.key` go to the same worker, as long as that one has not too much to do; see README.md.

#![expect(clippy::cast_precision_loss, reason = "shares and chances, not counts")]

use andera_policy::ranking::{Candidates, Context};
use andera_policy::setup::Directory;
use andera_policy::{Policy, Ranking, Row, Shortlist, export_policy, least_loaded};
use serde::Deserialize;

/// How many workers are named: those after the first are for when it is taken at the same moment.
const NAMED: usize = 4;
/// Ids below this are looked up in a table; the balancer counts them up from 0.
const TABLE: usize = 1 << 16;

/// Consistent hashing with bounded load. Every worker gets a score from a hash of the key and itself; the highest wins among those
/// within the bound.
pub struct Sticky {
    config: Config,
    /// A hash of each worker's address, by id; 0 where there is none.
    places: Vec<u64>,
}

/// The policy's `config`.
#[derive(Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How many times the average load a worker may have before its keys go elsewhere; at least 1.
    pub load_factor: f32,
    /// What has to be the same.
    pub by: By,
}

/// What has to be the same for two tasks to meet.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// `options.key`.
    Key,
    /// `options.tenant`.
    Tenant,
}

impl Default for Config {
    fn default() -> Self {
        Self { load_factor: 1.25, by: By::Key }
    }
}

impl Policy for Sticky {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        if !(config.load_factor >= 1.0 && config.load_factor.is_finite()) {
            return Err(format!("load_factor is {}; it has to be at least 1", config.load_factor));
        }
        Ok(Self { config, places: Vec::new() })
    }

    fn topology(&mut self, directory: &Directory) {
        self.places.clear();
        for worker in &directory.workers {
            let id = worker.id as usize;
            if id < TABLE {
                self.places.resize(self.places.len().max(id + 1), 0);
                self.places[id] = hash(&worker.url);
            }
        }
    }
}

impl Ranking for Sticky {
    fn rank(&mut self, context: &Context, candidates: &Candidates) -> Vec<u32> {
        let key = match self.config.by {
            By::Key => context.key_hash,
            By::Tenant => context.tenant_hash,
        };
        if key == 0 {
            return least_loaded(candidates, context.seed);
        }
        // Among equals in weight the order of the hashes is that of their logarithms.
        if candidates.weight.iter().all(|weight| weight.to_bits() == candidates.weight[0].to_bits()) {
            self.choose(candidates, |row| !self.score(key, row))
        } else {
            self.choose(candidates, |row| -unit(self.score(key, row)).ln() / weight_of(row))
        }
    }
}

impl Sticky {
    /// The rows of least cost within the bound.
    fn choose<C: Copy + PartialOrd + Default>(&self, candidates: &Candidates, cost: impl Fn(Row) -> C) -> Vec<u32> {
        let bound = Bound::of(candidates, self.config.load_factor);
        let mut best = Shortlist::<C, NAMED>::new();
        for row in candidates.rows() {
            let cost = cost(row);
            if best.takes(cost) && bound.admits(row) {
                best.offer(cost, row.index());
            }
        }
        best.rows().collect()
    }

    /// How much a worker is meant by a key: the same in every balancer and at all times, as far as its address is known.
    fn score(&self, key: u64, row: Row) -> u64 {
        let place = self.places.get(row.worker() as usize).copied().unwrap_or(0);
        mix(key ^ if place == 0 { mix(row.worker().into()) } else { place })
    }
}

/// What a worker may have to do.
struct Bound {
    per_slot: f32,
}

impl Bound {
    /// The load, this task included, spread evenly over all slots, times the factor. Somebody is always below that.
    fn of(candidates: &Candidates, factor: f32) -> Self {
        let sum = |column: &[u32]| column.iter().map(|&number| u64::from(number)).sum::<u64>() as f32;
        Self { per_slot: factor * (sum(&candidates.used) + 1.0) / sum(&candidates.slots).max(1.0) }
    }

    fn admits(&self, row: Row) -> bool {
        row.used() as f32 + 1.0 <= (self.per_slot * row.slots() as f32).ceil()
    }
}

fn weight_of(row: Row) -> f64 {
    let weight = f64::from(row.weight());
    if weight > 0.0 && weight.is_finite() { weight } else { 1.0 }
}

/// A number above 0, up to 1.
fn unit(hash: u64) -> f64 {
    ((hash >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// Every bit of the input reaches every bit of the result (Stafford, 2011).
#[inline]
fn mix(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A hash of an address; never 0.
fn hash(text: &str) -> u64 {
    text.bytes().fold(1, |hash, byte| mix(hash ^ u64::from(byte)).wrapping_add(0x9e37_79b9_7f4a_7c15)).max(1)
}

export_policy!(Sticky, ranking);

#[cfg(test)]
mod tests;
