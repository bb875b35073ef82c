//! Mixed load on a balancer that is killed again and again. What clients were told, what workers ran and what the balancer says
//! afterwards have to fit together.

mod audit;
mod client;
mod kind;
mod sent;
mod still;
mod storm;

use std::time::Duration;

use self::storm::Storm;
use crate::harness::TestWorker;

/// Kills of the long form, unless `CHAOS_KILLS` says otherwise.
const MANY: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_ended_twice_by_a_few_kills() {
    weather(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make chaos"]
async fn nothing_is_lost_or_ended_twice_by_many_kills() {
    let kills = std::env::var("CHAOS_KILLS").map_or(MANY, |text| text.parse().expect("CHAOS_KILLS is a number"));
    weather(kills).await;
}

#[expect(clippy::print_stderr, reason = "the seed belongs to a failure, and a long test shows how far it is")]
async fn weather(kills: usize) {
    let seed = std::env::var("CHAOS_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    eprintln!("CHAOS_SEED={seed}");
    let workers = [TestWorker::start(&["--slots", "6"]).await, TestWorker::start(&["--slots", "4"]).await];
    let idle = TestWorker::start(&["--slots", "1", "--group", still::GROUP]).await;
    let mut storm = Storm::begin(&workers, &idle, seed).await;
    for n in 1..=kills {
        storm.lasts(Duration::from_millis(700)).await;
        storm.strikes().await;
        eprintln!("kill {n} of {kills}: {}", storm.summary());
    }
    let after = storm.calms().await;
    eprintln!("afterwards: {}", after.summary());
    after.audit(&workers);
    after.survives_another_kill(&idle).await;
}
