//! The policy __NAME__: the workers with the smallest share of their slots in use go first.

use exports::andera::routing::ranking::{self, Candidates, Context};
use exports::andera::routing::setup::{self, Directory, Info};

wit_bindgen::generate!({ path: "wit", world: "my-policy" });

/// Rows that are named: those after the first are for when it is taken at the same moment.
const NAMED: usize = 4;

struct Policy;

impl ranking::Guest for Policy {
    // EDIT: who gets a task. The balancer has left out all workers that must not have it.
    fn rank(_context: Context, candidates: Candidates) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..candidates.worker.len() as u32).collect();
        rows.sort_by(|&a, &b| share_in_use(&candidates, a).total_cmp(&share_in_use(&candidates, b)));
        rows.truncate(NAMED);
        rows
    }
}

/// 0 for an idle worker, just below 1 for one with a single free slot.
fn share_in_use(candidates: &Candidates, row: u32) -> f64 {
    let row = row as usize;
    f64::from(candidates.used[row]) / f64::from(candidates.slots[row])
}

impl setup::Guest for Policy {
    fn describe() -> Info {
        // EDIT: `stateful` is true for a policy that remembers something from one call to the next.
        Info { name: env!("CARGO_PKG_NAME").into(), version: env!("CARGO_PKG_VERSION").into(), stateful: false }
    }

    // EDIT: read the policy's own configuration, a JSON object; an error keeps the policy from being used.
    fn configure(_json: String) -> Result<(), String> {
        Ok(())
    }

    // EDIT: keep what you need of the addresses and tags of workers, and of the names of lanes and functions.
    fn topology(_directory: Directory) {}
}

// Elsewhere than in the balancer, as in tests, there is nobody to export to.
#[cfg(target_arch = "wasm32")]
export!(Policy);

#[cfg(test)]
mod tests {
    use super::*;
    use ranking::{Guest, Mode};

    /// A task, and workers with that many slots, and that many of them in use.
    fn rank(workers: &[(u32, u32)]) -> Vec<u32> {
        let count = workers.len();
        let context = Context {
            lane: 1,
            function: 1,
            priority: 0,
            attempt: 1,
            mode: Mode::Sync,
            age_ms: 0,
            body_bytes: 100,
            key_hash: 0,
            tenant_hash: 0,
            now_ms: 1_750_000_000_000,
            seed: 1,
            tried: 0,
        };
        let candidates = Candidates {
            worker: (0..count as u32).collect(),
            slots: workers.iter().map(|worker| worker.0).collect(),
            used: workers.iter().map(|worker| worker.1).collect(),
            in_flight: workers.iter().map(|worker| worker.1).collect(),
            queue: vec![0; count],
            cpu: vec![0.0; count],
            memory: vec![0.0; count],
            report_age_ms: vec![100; count],
            latency_ms: vec![0.0; count],
            failure_rate: vec![0.0; count],
            weight: vec![1.0; count],
        };
        Policy::rank(context, candidates)
    }

    #[test]
    fn the_least_used_worker_goes_first() {
        assert_eq!(rank(&[(2, 1), (8, 2), (4, 3)]), [1, 0, 2]);
    }

    #[test]
    fn four_rows_are_enough() {
        assert_eq!(rank(&[(8, 0); 10]).len(), NAMED);
    }
}
