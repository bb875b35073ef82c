//! A number for each thread, for what is kept by thread.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// What there is one of for each thread, of this one.
///
/// Threads that come after as many as usually have to do with tasks share what others have.
#[derive(Debug)]
pub struct PerThread<T>(Box<[T]>);

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        // Those that serve connections, and those of the runtime that everything else runs on.
        let threads = 2 * available_parallelism().map_or(1, NonZero::get);
        Self((0..threads).map(|_| T::default()).collect())
    }
}

impl<T> PerThread<T> {
    /// This thread's own.
    pub fn own(&self) -> &T {
        &self.0[NUMBER.with(|number| *number) % self.0.len()]
    }

    /// Those of all threads.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}
