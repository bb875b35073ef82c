use andera_policy::feedback::{Ending, Outcome};
use andera_policy::testing::{Job, Machine, NOW_MS, Simulation, candidates, configured, context, outcome};
use andera_policy::{Feedback, Ranking, Rng};

use super::{LatencyAware, drawn};

fn machines(count: u32) -> Vec<Machine> {
    (0..count).map(|id| Machine::new(id).slots(4)).collect()
}

fn simulation(count: u32) -> Simulation<LatencyAware> {
    Simulation::new(configured("{}").unwrap(), machines(count)).ranking().feedback()
}

#[test]
fn a_slow_worker_gets_little() {
    // Ten workers, one of them ten times as slow as the others; a third of their capacity is in use.
    let takes = |worker, _, _| if worker == 3 { 200 } else { 20 };
    let jobs = || (0..20_000).flat_map(|n| (0..7).map(move |_| Job::at(n * 10)));
    let report = simulation(10).taking(takes).run(jobs().take(50_000));
    let slow = report.on_worker(3).count();
    assert!(slow < 50_000 / 10 / 5, "{slow} of 50,000");

    // The same traffic by load alone.
    let by_load = Simulation::new(configured::<LatencyAware>("{}").unwrap(), machines(10)).taking(takes);
    let by_load = { by_load }.run(jobs().take(50_000));
    assert!(
        report.percentile_ms(0.99) < by_load.percentile_ms(0.99),
        "{} {}",
        report.percentile_ms(0.99),
        by_load.percentile_ms(0.99)
    );
}

#[test]
fn a_worker_that_becomes_slow_is_left_and_found_again_when_it_has_recovered() {
    // Slow from the 20th to the 40th second.
    let takes = |worker, _, now_ms| if worker == 0 && (20_000..40_000).contains(&now_ms) { 1_000 } else { 20 };
    let report = simulation(5).taking(takes).run((0..100_000).map(Job::at));
    // In thousandths.
    let share = |from: u64, to: u64| {
        let within = |at: u64| (from..to).contains(&at);
        let all = report.runs.iter().filter(|run| within(run.started_ms)).count();
        report.on_worker(0).filter(|run| within(run.started_ms)).count() * 1000 / all
    };
    let (before, during, after) = (share(0, 20_000), share(21_000, 40_000), share(70_000, 100_000));
    assert!(before > 150, "{before}");
    assert!(during < 20, "{during}");
    assert!(after > 150, "{after}");
}

#[test]
fn slow_for_one_function_is_not_slow_for_another() {
    // Even workers are good at function 1, odd ones at function 2.
    let takes = |worker: u32, function: u32, _| if (worker + function) % 2 == 1 { 20 } else { 200 };
    let report =
        simulation(10).taking(takes).run((0..40_000).map(|n| Job::at(n * 10).function(if n % 2 == 0 { 1 } else { 2 })));
    let well = report.runs.iter().skip(1_000).filter(|run| (run.worker + run.job.function) % 2 == 1).count();
    // Of two random workers both are of the wrong kind in two of nine cases.
    assert!(well > 29_000, "{well} of 39,000");
}

#[test]
fn whoever_fails_fast_does_not_look_fast() {
    let report = simulation(10)
        .taking(|worker, _, _| if worker == 7 { 1 } else { 50 })
        .failing(|worker, _, _| worker == 7)
        .run((0..50_000).map(|n| Job::at(n * 2)));
    let failed = report.runs.iter().filter(|run| !run.ok).count();
    assert!(failed < 500, "{failed} of 50,000");
}

#[test]
fn errors_of_clients_and_cancelled_tasks_say_nothing() {
    let mut policy: LatencyAware = configured("{}").unwrap();
    let rows = candidates(&machines(2));
    policy.observe(&[outcome(0, 20.0), outcome(1, 30.0)]);
    assert_eq!(policy.rank(&context(), &rows), [0, 1]);
    let client = Outcome { ok: false, ending: Ending::Failed, status: 422, ..outcome(0, 900.0) };
    let cancelled = Outcome { ok: false, ending: Ending::Cancelled, status: 0, ..outcome(0, 900.0) };
    policy.observe(&[client, cancelled]);
    assert_eq!(policy.rank(&context(), &rows), [0, 1]);
    policy.observe(&[Outcome { ok: false, ending: Ending::Failed, status: 500, ended_ms: NOW_MS, ..outcome(0, 1.0) }]);
    assert_eq!(policy.rank(&context(), &rows), [1, 0]);
}

#[test]
fn draws_different_rows_and_each_as_often() {
    let rows = candidates(&machines(5));
    let mut drawn_at = [0; 5];
    let mut rng = Rng::new(3);
    for _ in 0..10_000 {
        let pair: Vec<u32> = drawn(&rows, rng.next_u64(), 2).map(|row| row.index()).collect();
        assert!(pair.len() == 2 && pair[0] != pair[1]);
        for row in pair {
            drawn_at[row as usize] += 1;
        }
    }
    assert!(drawn_at.iter().all(|count| (3_800..4_200).contains(count)), "{drawn_at:?}");
    assert_eq!(drawn(&candidates(&machines(1)), 1, 2).count(), 1);
    assert_eq!(drawn(&rows, 1, 16).count(), 5);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for config in
        [r#"{"choices": 1}"#, r#"{"choices": 17}"#, r#"{"decay_ms": 0}"#, r#"{"failure_ms": -1}"#, r#"{"decay": 1}"#]
    {
        assert!(configured::<LatencyAware>(config).is_err(), "{config}");
    }
}
