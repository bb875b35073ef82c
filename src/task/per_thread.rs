//! A number for each thread, for what is kept by thread.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Threads that serve connections, and those of the runtime that everything else runs on. Asked once: the system reads files for it.
static USUAL: LazyLock<usize> = LazyLock::new(|| 2 * available_parallelism().map_or(1, NonZero::get));

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
        Self((0..*USUAL).map(|_| T::default()).collect())
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ptr::from_ref;

    use super::*;

    #[test]
    fn a_thread_finds_its_own_again_and_not_all_share_one() {
        let kept = PerThread::<AtomicUsize>::default();
        let look = || (0..2).map(|_| from_ref(kept.own()).addr()).collect::<HashSet<_>>();
        let mut found = HashSet::new();
        for _ in 0..32 {
            let seen = std::thread::scope(|scope| scope.spawn(look).join()).unwrap();
            assert_eq!(seen.len(), 1);
            found.extend(seen);
        }
        let all: HashSet<_> = kept.all().map(|one| from_ref(one).addr()).collect();
        assert!(found.len() > 1 && found.is_subset(&all), "{found:?} of {all:?}");
    }
}
