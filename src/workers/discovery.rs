//! Health checks over HTTP.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::health::read_health;
use super::member::Member;
use super::registry::Shared;
use super::transport::Connection;

/// The longest answer of `/health`, in bytes.
const HEALTH_MAX_BYTES: usize = 1 << 20;
/// The pause after the first failed probe.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// The least time between two probes of one worker, whoever asks for them.
const PROBE_GAP: Duration = Duration::from_millis(100);

/// Probes one worker for ever, one probe at a time.
pub(super) async fn discover(shared: &Shared, member: &Arc<Member>) {
    loop {
        let started = Instant::now();
        let start = member.begin_probe(shared.clock.now());
        let connection = if start.doubted { Connection::New } else { Connection::Any };
        let answer = shared.transport.get(&member.health_url, connection, HEALTH_MAX_BYTES).await;
        let answer = answer.and_then(|body| read_health(&body));
        let (effect, failures) = member.end_probe(&shared.slots, start, answer, shared.settings.discovery_retries);
        shared.follow_up(member, &effect);
        if failures > 0 {
            shared.metrics.discovery_failed();
        }
        tokio::select! {
            () = sleep(pause(failures, shared.settings.discovery_interval)) => {}
            () = member.probe_wanted() => sleep_until(started + PROBE_GAP).await,
        }
    }
}

/// The pause before the next probe: jittered, so that a thousand workers are not probed in step.
fn pause(failures: u32, interval: Duration) -> Duration {
    let pause = match failures {
        0 => interval,
        failures => interval.min(RETRY_PAUSE * 2_u32.pow((failures - 1).min(16))),
    };
    pause.mul_f64(0.9 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_probes_are_repeated_sooner_and_then_as_usual() {
        let near = |pause: Duration, millis: u64| {
            let expected = Duration::from_millis(millis);
            pause >= expected.mul_f64(0.89) && pause <= expected.mul_f64(1.11)
        };
        let interval = Duration::from_secs(3);
        for (failures, millis) in [(0, 3_000), (1, 250), (2, 500), (4, 2_000), (5, 3_000), (u32::MAX, 3_000)] {
            assert!(near(pause(failures, interval), millis), "{failures}");
        }
    }
}
