//! The arithmetic of permits and reservations.

use super::*;
use crate::task::Contract;
use crate::workers::Verdict;

const READY: WorkerStanding = WorkerStanding { ready: true, eligible: true, weight: 1.0 };

fn lane(limits: &[u32]) -> Arc<LaneSlots> {
    let lane = Arc::new(LaneSlots::new(LaneKey::new("g", Contract::new(1.0).unwrap())));
    for (n, limit) in (0..).zip(limits) {
        join(&lane, n, *limit);
    }
    lane
}

fn join(lane: &LaneSlots, worker: u32, limit: u32) {
    let address = Arc::new(WorkerAddress::parse(&format!("http://w{worker}")).unwrap());
    lane.set_worker(WorkerId(worker), &address, READY);
    lane.report(WorkerId(worker), &SlotReport { limit, ..SlotReport::default() });
}

fn candidates(lane: &LaneSlots, excluded: Option<&Exclusion>) -> Vec<u32> {
    let mut candidates = Candidates::default();
    lane.candidates(excluded, None, &mut candidates);
    candidates.worker
}

fn reserve(lane: &Arc<LaneSlots>, workers: &[u32]) -> Result<Reservation, Permit> {
    lane.try_permit().unwrap().reserve(workers.iter().map(|worker| WorkerId(*worker)))
}

async fn is_announced(lane: &LaneSlots) -> bool {
    futures_util::poll!(std::pin::pin!(lane.capacity())).is_ready()
}

#[test]
fn no_more_permits_than_free_slots() {
    let lane = lane(&[2, 1]);
    let permits: Vec<_> = std::iter::from_fn(|| lane.try_permit()).collect();
    assert_eq!(permits.len(), 3);
    drop(permits);
    assert_eq!(lane.standing().free, 3);
}

#[test]
fn a_reservation_takes_the_first_worker_that_has_room() {
    let lane = lane(&[1, 1]);
    let first = reserve(&lane, &[0, 1]).unwrap();
    let second = reserve(&lane, &[0, 1]).unwrap();
    assert_eq!((first.worker(), first.rank()), (WorkerId(0), 0));
    assert_eq!((second.worker(), second.rank()), (WorkerId(1), 1));
    assert!(lane.try_permit().is_none());
}

#[test]
fn a_permit_without_room_among_the_workers_named_comes_back() {
    let lane = lane(&[1, 1]);
    let _taken = reserve(&lane, &[0]).unwrap();
    let permit = reserve(&lane, &[0, 99]).unwrap_err();
    assert_eq!(lane.standing().free, 0, "it is still promised");
    drop(permit);
    assert_eq!(lane.standing().free, 1);
}

#[test]
fn a_freed_slot_becomes_a_permit_only_on_a_worker_that_may_go_on() {
    let lane = lane(&[1]);
    let first = reserve(&lane, &[0]).unwrap();
    let permit = first.finish(Verdict::Neutral).expect("the worker is fine");
    let second = permit.reserve([WorkerId(0)]).unwrap();
    let address = Arc::clone(second.address());
    lane.set_worker(WorkerId(0), &address, WorkerStanding { eligible: false, ..READY });
    assert!(second.finish(Verdict::Neutral).is_none());
    assert!(lane.try_permit().is_none());
}

#[tokio::test]
async fn whoever_found_no_permit_hears_of_the_next_one() {
    let lane = lane(&[1]);
    let permit = lane.try_permit().unwrap();
    assert!(lane.try_permit().is_none());
    assert!(!is_announced(&lane).await);
    drop(permit);
    assert!(is_announced(&lane).await, "a permit came back unused");
    let reservation = reserve(&lane, &[0]).unwrap();
    assert!(lane.try_permit().is_none());
    lane.report(WorkerId(0), &SlotReport { limit: 2, used: 1, ..SlotReport::default() });
    assert!(is_announced(&lane).await, "the worker has grown");
    drop(reservation);
    let _both = (lane.try_permit().unwrap(), lane.try_permit());
    assert!(lane.try_permit().is_none());
    join(&lane, 7, 1);
    assert!(is_announced(&lane).await, "another worker has come");
}

#[tokio::test]
async fn a_worker_that_failed_a_task_is_open_to_it_again_after_a_health_check() {
    let lane = lane(&[1, 1]);
    let failed = Timestamp::from_millis(1_000);
    let exclusion = Exclusion { worker: "http://w0".into(), since: failed };
    reserve(&lane, &[0]).unwrap().finish(Verdict::Bad(failed));
    assert_eq!(candidates(&lane, Some(&exclusion)), [1]);
    assert_eq!(candidates(&lane, None), [0, 1]);
    lane.health_passed(WorkerId(0), Timestamp::from_millis(1_000));
    assert_eq!(candidates(&lane, Some(&exclusion)), [1], "a check from before says nothing");
    lane.health_passed(WorkerId(0), Timestamp::from_millis(1_001));
    assert_eq!(candidates(&lane, Some(&exclusion)), [0, 1]);
    assert!(is_announced(&lane).await, "a task may be waiting for just this");
}

#[test]
fn says_whether_a_worker_was_left_out() {
    let lane = lane(&[1, 1]);
    let (failed, columns) = (Timestamp::from_millis(1_000), &mut Candidates::default());
    let exclusion = |worker: &str| Exclusion { worker: worker.into(), since: failed };
    let _busy = reserve(&lane, &[0]).unwrap();
    assert!(lane.candidates(Some(&exclusion("http://w0")), None, columns).left_out, "busy or not");
    assert!(!lane.candidates(Some(&exclusion("http://gone")), None, columns).left_out, "there is no such worker");
    assert!(!lane.candidates(None, None, columns).left_out);
    lane.health_passed(WorkerId(0), Timestamp::from_millis(1_001));
    assert!(!lane.candidates(Some(&exclusion("http://w0")), None, columns).left_out, "it is open to the task again");
}

#[test]
fn a_worker_that_cannot_be_reached_gets_nothing_until_it_passes_a_health_check() {
    let lane = lane(&[2]);
    reserve(&lane, &[0]).unwrap().unreachable();
    assert!(lane.try_permit().is_none());
    assert_eq!(lane.standing().ready, 0);
    assert!(lane.standing().without_ready_since.is_some());
    lane.health_passed(WorkerId(0), Timestamp::from_millis(5));
    assert_eq!(lane.standing().free, 2, "no slot was lost on the way");
}

#[test]
fn a_worker_that_leaves_and_returns_keeps_count_of_what_runs_there() {
    let lane = lane(&[2]);
    let running = reserve(&lane, &[0]).unwrap();
    lane.remove_worker(WorkerId(0));
    assert!(lane.try_permit().is_none());
    join(&lane, 0, 2);
    assert_eq!(lane.standing().free, 1);
    assert!(running.finish(Verdict::Neutral).is_some());
    assert_eq!(lane.standing().free, 2);
    lane.remove_worker(WorkerId(0));
    assert!(lane.is_vacant());
}

#[test]
fn a_reservation_dropped_half_way_holds_its_slot_until_the_next_report() {
    let lane = lane(&[1]);
    drop(reserve(&lane, &[0]).unwrap());
    assert!(lane.try_permit().is_none());
    lane.report(WorkerId(0), &SlotReport { limit: 1, ..SlotReport::default() });
    assert!(lane.try_permit().is_some());
}

#[test]
fn a_borrowed_slot_changes_nothing_here_and_its_lender_hears_of_its_end() {
    let lane = lane(&[1]);
    assert!(lane.borrow("http://w7").is_none(), "no such worker");
    let borrow = || lane.borrow("http://w0").unwrap();
    let free = || lane.standing().free;
    let (finished, mut heard) = borrow();
    assert_eq!(free(), 1);
    assert!(finished.finish(Verdict::Neutral).is_none(), "no permit comes of it");
    assert_eq!((heard.try_recv(), free()), (Ok(SlotEnd::Free), 1));
    let (dropped, mut heard) = borrow();
    drop(dropped);
    assert_eq!((heard.try_recv(), free()), (Ok(SlotEnd::Held), 1));
    let (unreachable, mut heard) = borrow();
    unreachable.unreachable();
    assert_eq!(
        (heard.try_recv(), free()),
        (Ok(SlotEnd::Unreachable), 0),
        "nothing goes to the worker until it is probed"
    );
    lane.remove_worker(WorkerId(0));
    assert!(lane.borrow("http://w0").is_none(), "it is not listed any more");
}
