//! Tidying up at a moment of the test's choosing: no thread runs.

use std::time::Duration;

use super::*;
use crate::config::{Durability, Settings};
use crate::queue::conformance::{Bench, complete, limits};
use crate::queue::embedded::EmbeddedQueue;
use crate::queue::embedded::files::Files;
use crate::queue::embedded::recovery::recover;
use crate::queue::embedded::sizes::Sizes;
use crate::queue::{ClaimRequest, MemoryQueue, RequestId, TaskQueue};
use crate::task::{Clock, TaskState};

fn sealer() -> Sealer {
    Sealer::new(&Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap().auth).unwrap()
}

impl Writer {
    fn writes(&mut self) {
        let mut job = Job::of(self.journal.take().expect("there is something to write"));
        self.write(&mut job).unwrap();
        self.answer(job.batch);
    }

    /// Copies everything to the end of the log.
    fn copies_all(&mut self) {
        self.tidy.from = Some((0, self.space.size()));
        self.tidy_up();
        assert!(self.tidy.from.is_none(), "it has come to the end");
    }
}

#[tokio::test]
async fn a_copy_says_of_a_task_only_what_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("queue");
    std::fs::create_dir(&folder).unwrap();
    let (clock, sizes) = (Clock::system(), Sizes::default());
    let ledger = Arc::new(Ledger::new(limits(), clock.clone(), Arc::new(Journal::default())));
    let files = Files::open(&folder, sizes.segment).unwrap();
    let (log, space) = recover(&folder, &files, sizes, Durability::System, &ledger).unwrap();
    let reserve = Reserve::new(&folder, 4096);
    let mut writer = Writer::new(Arc::clone(&ledger), log, Arc::new(sealer()), space, reserve, sizes.step);
    let tasks = Bench::new(|limits, clock| Arc::new(MemoryQueue::new(limits, clock)), limits());
    let task = tasks.task("g", 0);
    let id = task.spec.id;
    let request = ClaimRequest::new(RequestId(1), Duration::from_hours(1));
    let (_, taken) = ledger.add(task, Some(&request)).unwrap();
    writer.writes();
    ledger.settle(&taken.unwrap().lease, complete()).unwrap();
    writer.copies_all();
    let look = ledger.look(id).unwrap();
    drop(writer);
    assert_eq!(look.standing.state(), TaskState::Completed);

    // The end itself was never written: the process was killed before.
    let queue = EmbeddedQueue::open(directory.path(), limits(), clock, sealer(), Durability::System).unwrap();
    let record = queue.get(id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempts.len()), (TaskState::Completed, 1));
    assert!(record.result.is_some(), "{record:?}");
}
