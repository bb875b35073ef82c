use std::collections::BTreeMap;

use andera_policy::ranking::Context;
use andera_policy::testing::{Job, Machine, Simulation, candidates, configured, context, directory, hash};
use andera_policy::{Policy, Ranking};

use super::Sticky;

fn told(config: &str, machines: &[Machine]) -> Sticky {
    let mut policy: Sticky = configured(config).unwrap();
    policy.topology(&directory(machines));
    policy
}

fn keyed(key: &str) -> Context {
    Context { key_hash: hash(key), ..context() }
}

/// The worker for each of the keys `0` to `9999`.
fn owners(policy: &mut Sticky, machines: &[Machine]) -> Vec<u32> {
    let rows = candidates(machines);
    (0..10_000).map(|key| rows.worker[policy.rank(&keyed(&key.to_string()), &rows)[0] as usize]).collect()
}

fn shares(owners: &[u32]) -> BTreeMap<u32, usize> {
    let mut shares = BTreeMap::new();
    for &owner in owners {
        *shares.entry(owner).or_default() += 1;
    }
    shares
}

fn machines(count: u32) -> Vec<Machine> {
    (0..count).map(|id| Machine::new(id).slots(8)).collect()
}

#[test]
fn a_key_has_one_worker_whatever_the_order_of_rows() {
    let mut machines = machines(20);
    let mut policy = told("{}", &machines);
    let before = owners(&mut policy, &machines);
    machines.reverse();
    assert_eq!(owners(&mut policy, &machines), before);
}

#[test]
fn a_key_has_the_same_worker_in_a_balancer_that_counts_workers_otherwise() {
    let machines = machines(10);
    let before = owners(&mut told("{}", &machines), &machines);
    let mut renumbered = directory(&machines);
    for worker in &mut renumbered.workers {
        worker.id = 9 - worker.id;
    }
    let mut policy = told("{}", &[]);
    policy.topology(&renumbered);
    let after: Vec<u32> = owners(&mut policy, &machines).into_iter().map(|id| 9 - id).collect();
    assert_eq!(after, before);
}

#[test]
fn keys_are_spread_evenly_and_by_weight() {
    let even = machines(10);
    let spread = shares(&owners(&mut told("{}", &even), &even));
    assert!(spread.values().all(|share| (900..1100).contains(share)), "{spread:?}");

    let uneven = [Machine::new(1), Machine::new(2), Machine::new(3).weight(2.0)];
    let spread = shares(&owners(&mut told("{}", &uneven), &uneven));
    assert!((2300..2700).contains(&spread[&1]) && (4800..5200).contains(&spread[&3]), "{spread:?}");
}

#[test]
fn only_the_keys_of_a_lost_worker_move() {
    let all = machines(10);
    let mut policy = told("{}", &all);
    let before = owners(&mut policy, &all);
    let after = owners(&mut policy, &all[1..]);
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || *before == 0);
    }
}

#[test]
fn weights_that_come_and_go_move_only_what_they_must() {
    let mut all = machines(10);
    let mut policy = told("{}", &all);
    let before = owners(&mut policy, &all);
    all[3].weight = 2.0;
    let after = owners(&mut policy, &all);
    for (before, after) in before.iter().zip(&after) {
        assert!(before == after || *after == 3);
    }
}

#[test]
fn a_worker_above_the_bound_gives_its_keys_to_the_second_choice() {
    let mut all = machines(4);
    let mut policy = told("{}", &all);
    let choice = policy.rank(&keyed("a"), &candidates(&all));
    // 1 of 8 and 3 idle ones: the bound is 1.25 * 2 / 32 of 8 slots, that is 1.
    all[choice[0] as usize].used = 1;
    assert_eq!(policy.rank(&keyed("a"), &candidates(&all)), choice[1..]);
    let mut patient = told(r#"{"load_factor": 100}"#, &all);
    assert_eq!(patient.rank(&keyed("a"), &candidates(&all)), choice);
}

#[test]
fn whoever_has_a_tenant_can_stay_with_that() {
    let all = machines(10);
    let mut policy = told(r#"{"by": "tenant"}"#, &all);
    let rows = candidates(&all);
    let first = |policy: &mut Sticky, tenant, seed| {
        policy.rank(&Context { tenant_hash: hash(tenant), seed, ..context() }, &rows)[0]
    };
    let meant = first(&mut policy, "acme", 0);
    assert!((1..100).all(|seed| first(&mut policy, "acme", seed) == meant));
    // Without a tenant it is a matter of load, and of chance.
    assert!((1..100).any(|seed| first(&mut policy, "", seed) != first(&mut policy, "", 0)));
}

#[test]
fn odd_numbers_still_give_an_answer() {
    let odd = [
        Machine::new(u32::MAX).slots(u32::MAX).used(u32::MAX - 1).weight(f32::NAN),
        Machine::new(1).slots(0).weight(f32::INFINITY),
        Machine::new(2).slots(u32::MAX).used(u32::MAX - 1).weight(-1.0),
    ];
    let mut policy = told("{}", &odd);
    assert!(!policy.rank(&keyed("a"), &candidates(&odd[..1])).is_empty());
    assert!(!policy.rank(&keyed("a"), &candidates(&odd)).is_empty());
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    assert!(configured::<Sticky>(r#"{"load_factor": 0.5}"#).is_err());
    assert!(configured::<Sticky>(r#"{"loadfactor": 2}"#).is_err());
    assert!(configured::<Sticky>(r#"{"by": "moon"}"#).is_err());
}

/// How many of the runs found their key among the last 20 of their worker, and how many the busiest worker had.
fn hits_and_busiest(keys: impl Fn(u64) -> String) -> (usize, usize) {
    let mut simulation =
        Simulation::new(configured::<Sticky>("{}").unwrap(), machines(8)).ranking().taking(|_, _, _| 32);
    let report = simulation.run((0..10_000).map(|n| Job::at(n).key(keys(n))));
    assert!(report.runs.iter().all(|run| run.took_ms() == 32));
    let mut hits = 0;
    let mut busiest = 0;
    for worker in 0..8 {
        let keys: Vec<_> = report.on_worker(worker).map(|run| run.job.key.as_deref()).collect();
        busiest = busiest.max(keys.len());
        hits += (1..keys.len()).filter(|&at| keys[at.saturating_sub(20)..at].contains(&keys[at])).count();
    }
    (hits, busiest)
}

#[test]
fn workers_see_again_what_they_have_in_their_caches() {
    // 100 keys, more than fit into one cache, and each of them on its own worker.
    let sticky = hits_and_busiest(|n| format!("{}", n * 7919 % 100)).0;
    // No key at all is the least loaded; here only to know what chance gives.
    let mut simulation =
        Simulation::new(configured::<Sticky>("{}").unwrap(), machines(8)).ranking().taking(|_, _, _| 32);
    let report = simulation.run((0..10_000).map(|n| Job::at(n).tenant(format!("{}", n * 7919 % 100))));
    let mut chance = 0;
    for worker in 0..8 {
        let keys: Vec<_> = report.on_worker(worker).map(|run| run.job.tenant.as_deref()).collect();
        chance += (1..keys.len()).filter(|&at| keys[at.saturating_sub(20)..at].contains(&keys[at])).count();
    }
    assert!(sticky > 3 * chance && sticky > 7_000, "{sticky} against {chance}");
}

#[test]
fn a_hot_key_drowns_nobody() {
    // Half of all tasks have the same key; alone it would fill two workers.
    let (_, busiest) = hits_and_busiest(|n| if n % 2 == 0 { "hot".into() } else { format!("{}", n % 101) });
    assert!(busiest < 10_000 / 8 * 3 / 2, "{busiest}");
}
