use super::{Job, Machine, Simulation, hash, logged};
use crate::priority::{Task, Verdict};
use crate::ranking::{Candidates, Context};
use crate::{NoConfig, Policy, Priority, Ranking};

/// Answers with the same rows always, and asks for the priority that is the key's length.
struct Fixed(Vec<u32>);

impl Policy for Fixed {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self(vec![0]))
    }
}

impl Ranking for Fixed {
    fn rank(&mut self, _: &Context, _: &Candidates) -> Vec<u32> {
        crate::info!("asked for {} rows", self.0.len());
        self.0.clone()
    }
}

impl Priority for Fixed {
    fn prioritize(&mut self, task: &Task) -> Verdict {
        match task.key.as_deref() {
            None => Verdict::refuse("no key", Some(5)),
            Some(key) => Verdict::Accept(key.len().try_into().unwrap()),
        }
    }
}

#[test]
fn runs_by_priority_and_then_in_the_order_of_submission() {
    let mut simulation = Simulation::new(Fixed(vec![0]), [Machine::new(1)]).ranking().priority();
    let keys = ["first", "ccc", "bb", "aa"];
    let report = simulation.run(keys.map(|key| Job::at(0).key(key)).into_iter().chain([Job::at(1)]));
    let ran: Vec<_> = report.runs.iter().map(|run| run.job.key.clone().unwrap()).collect();
    assert_eq!(ran, ["first", "bb", "aa", "ccc"]);
    assert_eq!(report.runs[3].took_ms(), 40);
    assert_eq!(report.percentile_ms(0.5), 30);
    assert_eq!(report.refused, [(Job::at(1), Some(5))]);
}

#[test]
fn every_worker_gets_no_more_than_its_slots() {
    let mut simulation =
        Simulation::new(Fixed(vec![0]), [Machine::new(1).slots(2), Machine::new(2).slots(3)]).ranking();
    let report = simulation.run((0..100).map(|_| Job::at(0)));
    assert_eq!(report.runs.iter().filter(|run| run.started_ms == 0).count(), 5);
    assert_eq!(report.on_worker(1).count(), 40);
}

#[test]
#[should_panic(expected = "row 1 of 1")]
fn a_row_that_does_not_exist_is_seen() {
    Simulation::new(Fixed(vec![1]), [Machine::new(1)]).ranking().run([Job::at(0)]);
}

#[test]
#[should_panic(expected = "twice")]
fn a_row_that_is_there_twice_is_seen() {
    Simulation::new(Fixed(vec![0, 0]), [Machine::new(1)]).ranking().run([Job::at(0)]);
}

#[test]
#[should_panic(expected = "wait for ever")]
fn a_task_that_never_runs_is_seen() {
    Simulation::new(Fixed(vec![]), [Machine::new(1)]).ranking().run([Job::at(0)]);
}

#[test]
fn keeps_what_is_logged() {
    Simulation::new(Fixed(vec![0]), [Machine::new(1)]).ranking().run([Job::at(0)]);
    assert_eq!(logged(), [(crate::Level::Info, "asked for 1 rows".to_owned())]);
    assert_eq!(logged(), []);
}

#[test]
fn hashes_differ_and_none_is_zero() {
    assert_eq!(hash(""), 0);
    assert_ne!(hash("a"), hash("b"));
    assert_ne!(hash("ab"), hash("ba"));
}
