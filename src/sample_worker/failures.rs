//! How often a task has come by, for the function `fail`.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

/// Tasks remembered; the oldest is forgotten first.
const MAX_TASKS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    counts: HashMap<String, u64>,
    order: VecDeque<String>,
}

impl Failures {
    /// Counts a call of that task; the first is 1.
    pub(super) fn count(&self, task: &str) -> u64 {
        let mut calls = self.0.lock();
        if let Some(count) = calls.counts.get_mut(task) {
            *count += 1;
            return *count;
        }
        if calls.order.len() == MAX_TASKS
            && let Some(oldest) = calls.order.pop_front()
        {
            calls.counts.remove(&oldest);
        }
        calls.counts.insert(task.to_owned(), 1);
        calls.order.push_back(task.to_owned());
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_task_and_forgets_the_oldest() {
        let failures = Failures::default();
        assert_eq!([failures.count("a"), failures.count("b"), failures.count("a")], [1, 1, 2]);
        for n in 0..MAX_TASKS {
            failures.count(&n.to_string());
        }
        assert_eq!(failures.count("a"), 1);
        assert_eq!(failures.0.lock().counts.len(), MAX_TASKS);
    }
}
