//! Measuring.

use std::time::Duration;

use super::checked;
use super::guest::{FIRST, Guest};
use crate::policy::{Failure, measure};

const TIME: Duration = Duration::from_millis(5);

#[test]
fn every_size_and_what_is_exported_is_measured() {
    let mut policy = checked(&Guest::least_loaded().and_priority("(call $alloc (i32.const 20))").module());
    let mut told = Vec::new();
    let measurement = measure(&mut policy, &[1, 1_000], TIME, &mut |text| told.push(text.to_owned())).unwrap();
    assert_eq!(told, ["rank, 1 candidates", "rank, 1000 candidates", "prioritize"]);
    let sizes: Vec<u32> = measurement.rank.iter().map(|(size, ..)| *size).collect();
    assert_eq!(sizes, [1, 1_000]);
    let all = measurement.rank.iter().flat_map(|(_, native, guest)| [native, guest]).chain(&measurement.prioritize);
    for measured in all {
        assert!(measured.calls > 0 && measured.p99_ns >= measured.median_ns, "{measured:?}");
    }
    let table = measurement.to_string();
    assert!(table.contains("\n      1000 ") && table.contains("\nprioritize: median "), "{table}");
}

#[test]
fn a_call_that_fails_ends_the_measurement() {
    let many = "(if (i32.gt_u (call $candidates (local.get $args)) (i32.const 64)) (then (unreachable)))";
    let mut policy = checked(&Guest::ranker(&format!("{many} {FIRST}")).module());
    let trouble = measure(&mut policy, &[1, 1_000], TIME, &mut |_| {}).unwrap_err();
    assert_eq!(trouble.failure, Failure::Trap);
}
