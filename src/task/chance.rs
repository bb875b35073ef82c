//! Where random numbers come from.

use std::sync::Arc;

use parking_lot::Mutex;

/// A source of random numbers: the process's own, or one that repeats itself from a seed.
#[derive(Clone, Debug)]
pub struct Chance(Source);

#[derive(Clone, Debug)]
enum Source {
    Process,
    Seeded(Arc<Mutex<fastrand::Rng>>),
}

impl Chance {
    /// The process's own source, different at every start.
    pub const fn process() -> Self {
        Self(Source::Process)
    }

    /// The same numbers for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)))))
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        match &self.0 {
            Source::Process => fastrand::u64(..),
            Source::Seeded(rng) => rng.lock().u64(..),
        }
    }

    /// Any number of twice the size.
    pub fn wide_number(&self) -> u128 {
        u128::from(self.number()) << 64 | u128::from(self.number())
    }

    /// A number from 0 up to, not including, 1.
    pub fn fraction(&self) -> f64 {
        match &self.0 {
            Source::Process => fastrand::f64(),
            Source::Seeded(rng) => rng.lock().f64(),
        }
    }
}
