use andera_policy::MAX_PRIORITY;
use andera_policy::testing::{Job, Machine, Report, Run, Simulation, configured};

use super::TenantFair;

fn simulation(config: &str) -> Simulation<TenantFair> {
    Simulation::new(configured(config).unwrap(), [Machine::new(1).slots(2), Machine::new(2).slots(2)])
        .priority()
        .ranking()
}

fn many(tenant: &str, count: usize, at_ms: u64) -> impl Iterator<Item = Job> {
    (0..count).map(move |_| Job::at(at_ms).tenant(tenant))
}

/// How many of the runs that started within that time were a tenant's.
fn started(report: &Report, tenant: &str, from_ms: u64, to_ms: u64) -> usize {
    report.of_tenant(tenant).filter(|run| (from_ms..to_ms).contains(&run.started_ms)).count()
}

#[test]
fn a_tenant_with_few_tasks_does_not_wait_behind_one_with_many() {
    let report = simulation("{}").run(many("big", 4_000, 0).chain(many("small", 10, 1_000)));
    // 4 at once, 10 ms each: the whole takes 10 s, and the small tenant's ten are through after some rounds.
    let worst = report.of_tenant("small").map(Run::took_ms).max().unwrap();
    assert!(worst <= 100, "{worst} ms");
    assert_eq!(report.runs.len(), 4_010);
}

#[test]
fn waiting_tenants_share_by_weight() {
    let config = r#"{"weights": {"gold": 3, "bronze": 0.5}}"#;
    let report =
        simulation(config).run(many("gold", 5_000, 0).chain(many("plain", 5_000, 0)).chain(many("bronze", 5_000, 0)));
    // 400 a second: 3 to 1 to 0.5.
    let share = |tenant| started(&report, tenant, 0, 4_500);
    assert!((1_195..=1_205).contains(&share("gold")), "{}", share("gold"));
    assert!((395..=405).contains(&share("plain")), "{}", share("plain"));
    assert!((195..=205).contains(&share("bronze")), "{}", share("bronze"));
}

#[test]
fn what_a_tenant_leaves_unused_goes_to_the_others_and_is_not_saved_up() {
    // `late` begins after 5 s; from then on each gets half.
    let report = simulation("{}").run(many("early", 4_000, 0).chain(many("late", 1_000, 5_000)));
    assert_eq!(started(&report, "early", 0, 5_000), 2_000);
    let late = started(&report, "late", 5_000, 7_000);
    assert!((398..=402).contains(&late), "{late}");
}

#[test]
fn shares_hold_for_as_long_as_the_lane_is_busy() {
    // More rounds than have a number of their own: 4 tasks every 10 ms, always behind, for 13 minutes.
    let jobs = (0..300_000)
        .flat_map(|n| [Job::at(n * 10).tenant("a"), Job::at(n * 10).tenant("a"), Job::at(n * 10).tenant("a")]);
    let rare = (0..16_000).map(|n| Job::at(n * 50).tenant("rare"));
    let report = simulation("{}").run(many("a", 60_000, 0).chain(jobs).chain(rare));
    assert!(report.runs.iter().all(|run| (1..=MAX_PRIORITY).contains(&run.priority)));
    let worst = report.of_tenant("rare").map(Run::took_ms).max().unwrap();
    assert!(worst <= 100, "{worst} ms");
}

#[test]
fn a_lane_that_comes_to_rest_starts_again_at_one() {
    let mut simulation = simulation("{}");
    let report = simulation.run(many("a", 100, 0).chain(many("a", 4, 60_000)).chain(many("b", 1, 120_000)));
    // The first four find it at rest.
    assert_eq!(report.runs[99].priority, 96);
    assert_eq!(report.runs[100].priority, 1);
    assert_eq!(report.runs[104].priority, 1);
    assert!(simulation.policy().lanes.is_empty());
}

#[test]
fn above_its_limit_a_tenant_is_told_when_to_come_again() {
    let config = r#"{"limits": {"greedy": {"per_second": 10, "burst": 5}}}"#;
    // 100 a second for 10 s.
    let flood = (0..1_000).map(|n| Job::at(n * 10).tenant("greedy"));
    let report = simulation(config).run(flood.chain(many("modest", 500, 0)).chain((0..50).map(Job::at)));
    let taken = report.of_tenant("greedy").count();
    assert!((104..=105).contains(&taken), "{taken}");
    assert_eq!(report.of_tenant("modest").count(), 500);
    assert!(
        report
            .refused
            .iter()
            .all(|(job, wait)| job.tenant.as_deref() == Some("greedy") && (1..=100).contains(&wait.unwrap()))
    );
}

#[test]
fn the_default_limit_is_for_each_tenant_by_itself() {
    let config =
        r#"{"default_limit": {"per_second": 1, "burst": 2}, "limits": {"": {"per_second": 100, "burst": 100}}}"#;
    let report = simulation(config).run(many("a", 5, 0).chain(many("b", 5, 0)).chain((0..50).map(|_| Job::at(0))));
    assert_eq!([report.of_tenant("a").count(), report.of_tenant("b").count()], [2, 2]);
    assert_eq!(report.runs.len(), 54);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    for config in [
        r#"{"weights": {"a": 0}}"#,
        r#"{"default_weight": -1}"#,
        r#"{"limits": {"a": {"per_second": 0, "burst": 1}}}"#,
        r#"{"default_limit": {"per_second": 1, "burst": 0.5}}"#,
        r#"{"weight": {}}"#,
    ] {
        assert!(configured::<TenantFair>(config).is_err(), "{config}");
    }
}
