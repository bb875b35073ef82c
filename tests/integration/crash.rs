//! Mixed load on balancers that are killed again and again. What clients were told, what workers ran and what the balancers say
//! afterwards have to fit together.

mod audit;
mod client;
mod fleet;
mod kind;
mod sent;
mod still;
mod storm;

use std::time::Duration;

use self::audit::After;
use self::fleet::Fleet;
use self::storm::Storm;
use crate::harness::TestWorker;

/// Kills of the long form, unless `CHAOS_KILLS` says otherwise.
const MANY: usize = 50;
/// The time between two of them, at most.
const CALM: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_ended_twice_by_a_few_kills() {
    alone(4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make chaos"]
async fn nothing_is_lost_or_ended_twice_by_many_kills() {
    alone(many()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_ended_twice_by_a_few_kills_of_balancers_and_redis() {
    on_redis(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make chaos"]
async fn nothing_is_lost_or_ended_twice_by_many_kills_of_balancers_and_redis() {
    on_redis(many()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_loses_repeats_and_cuts_off_nothing() {
    rolling(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: make chaos"]
async fn many_rolling_restarts_lose_repeat_and_cut_off_nothing() {
    rolling(many() / 3).await;
}

fn many() -> usize {
    std::env::var("CHAOS_KILLS").map_or(MANY, |text| text.parse().expect("CHAOS_KILLS is a number"))
}

/// The workers of a storm.
struct Crew {
    busy: [TestWorker; 2],
    /// The worker of the lane that is paused.
    idle: TestWorker,
}

impl Crew {
    async fn start() -> Self {
        let busy = [TestWorker::start(&["--slots", "6"]).await, TestWorker::start(&["--slots", "4"]).await];
        let idle = TestWorker::start(&["--slots", "1", "--group", still::GROUP]).await;
        Self { busy, idle }
    }

    fn all(&self) -> Vec<&TestWorker> {
        self.busy.iter().chain([&self.idle]).collect()
    }
}

async fn alone(kills: usize) {
    let crew = Crew::start().await;
    let storm = Storm::begin(Fleet::alone(&crew.all()).await, seed(), &[]).await;
    weather(kills, &crew, storm).await;
}

async fn on_redis(kills: usize) {
    let crew = Crew::start().await;
    let fleet = Fleet::on_redis(2, &crew.all(), &[]).await;
    weather(kills, &crew, Storm::begin(fleet, seed(), &["queue_unavailable"]).await).await;
}

async fn weather(kills: usize, crew: &Crew, mut storm: Storm) {
    for n in 1..=kills {
        storm::lasts(CALM, &storm.chance).await;
        storm.strikes().await;
        says(&format!("kill {n} of {kills}: {}", storm.summary()));
    }
    let after = storm.calms(true).await;
    fits(&after, crew).await;
    after.survives_another_kill(crew.all().len(), &crew.idle).await;
}

/// Every balancer is restarted in good order, so many times over.
async fn rolling(rounds: usize) {
    let crew = Crew::start().await;
    let fleet = Fleet::on_redis(3, &crew.all(), &[]).await;
    let mut storm = Storm::begin(fleet, seed(), &["shutting_down"]).await;
    for n in 1..=3 * rounds {
        storm::lasts(CALM, &storm.chance).await;
        storm.fleet.rolls().await;
        says(&format!("restart {n} of {}: {}", 3 * rounds, storm.summary()));
    }
    let after = storm.calms(false).await;
    fits(&after, &crew).await;
    assert_eq!(after.knowledge.cut, 0, "whoever is refused is told so");
}

async fn fits(after: &After, crew: &Crew) {
    says(&format!("afterwards: {}", after.summary()));
    after.audit(&crew.busy).await;
}

fn seed() -> u64 {
    let seed = std::env::var("CHAOS_SEED").map_or_else(|_| fastrand::u64(..), |text| text.parse().unwrap());
    says(&format!("CHAOS_SEED={seed}"));
    seed
}

#[expect(clippy::print_stderr, reason = "the seed belongs to a failure, and a long test shows how far it is")]
fn says(line: &str) {
    eprintln!("{line}");
}
