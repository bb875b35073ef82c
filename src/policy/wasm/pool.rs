//! Instances for calls on the threads that make decisions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::{Mutex, MutexGuard};

use super::instance::Instance;

/// More threads than that share.
const MOST_PLACES: usize = 16;

/// About one place for each thread that makes decisions. Places are empty until somebody fills them, and after a failure.
pub(super) struct Pool {
    places: Box<[Mutex<Option<Instance>>]>,
}

thread_local! {
    static THREAD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

impl Pool {
    pub(super) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { places: (0..threads.min(MOST_PLACES)).map(|_| Mutex::new(None)).collect() }
    }

    /// An instance that nobody else is calling: this thread's own one, as a rule.
    pub(super) fn take(&self) -> Option<MutexGuard<'_, Option<Instance>>> {
        let own = THREAD.with(|number| *number);
        (0..self.places.len())
            .filter_map(|step| self.places[own.wrapping_add(step) % self.places.len()].try_lock())
            .find(|place| place.is_some())
    }

    /// Places with an instance, those in use included.
    pub(super) fn filled(&self) -> usize {
        self.places.iter().filter(|place| place.try_lock().is_none_or(|place| place.is_some())).count()
    }

    /// The places, to fill and to look after. Locking one waits for the call that is being made there.
    pub(super) fn places(&self) -> &[Mutex<Option<Instance>>] {
        &self.places
    }
}
