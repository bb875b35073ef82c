//! The lines that policies log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines at once.
const BURST: u32 = 20;
/// Then one in so long.
const REFILL: Duration = Duration::from_millis(100);
const LINE_BYTES: usize = 1_000;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// The log of one policy, shared by its instances: they cannot flood ours by being many, or by failing.
#[derive(Debug)]
pub(crate) struct GuestLog {
    policy: Arc<str>,
    allowance: Mutex<Allowance>,
}

#[derive(Debug)]
struct Allowance {
    lines: u32,
    refilled: Instant,
    /// Lines dropped since the last one that was not.
    dropped: u64,
    /// Lines dropped ever.
    lost: u64,
}

impl GuestLog {
    pub(super) fn new(policy: &Arc<str>) -> Arc<Self> {
        let allowance = Allowance { lines: BURST, refilled: Instant::now(), dropped: 0, lost: 0 };
        Arc::new(Self { policy: Arc::clone(policy), allowance: Mutex::new(allowance) })
    }

    /// Writes a line, or drops it if there were too many.
    pub(super) fn write(&self, level: Level, message: &str) {
        let policy = &self.policy;
        let Some(dropped) = self.allowance.lock().take(Instant::now()) else { return };
        if dropped > 0 {
            tracing::warn!(%policy, dropped, "the policy logs too much");
        }
        let line = cut(message, LINE_BYTES);
        match level {
            Level::Debug => tracing::debug!(%policy, "{line}"),
            Level::Info => tracing::info!(%policy, "{line}"),
            Level::Warn => tracing::warn!(%policy, "{line}"),
            Level::Error => tracing::error!(%policy, "{line}"),
        }
    }

    /// Lines dropped so far.
    pub(crate) fn lost(&self) -> u64 {
        self.allowance.lock().lost
    }
}

impl Allowance {
    /// Takes a line's place. How many were dropped since the last one; `None` if this one is, too.
    fn take(&mut self, now: Instant) -> Option<u64> {
        let earned = now.saturating_duration_since(self.refilled).as_millis() / REFILL.as_millis();
        let earned = u32::try_from(earned).unwrap_or(BURST);
        if earned > 0 {
            self.lines = self.lines.saturating_add(earned).min(BURST);
            self.refilled = if self.lines == BURST { now } else { self.refilled + REFILL * earned };
        }
        if self.lines == 0 {
            self.dropped += 1;
            self.lost += 1;
            return None;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.dropped))
    }
}

/// At most `bytes` of the text, cut between two characters; what would break a line of the log is taken out.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_dropped_and_counted_and_later_lines_pass_again() {
        let log = GuestLog::new(&Arc::from("wasm:chatty"));
        let now = Instant::now();
        let mut allowance = log.allowance.lock();
        let passed = (0..1_000).filter(|_| allowance.take(now).is_some()).count();
        assert!((20..30).contains(&passed), "{passed}");
        let dropped = allowance.take(now + Duration::from_secs(1)).unwrap();
        assert_eq!(usize::try_from(dropped).unwrap(), 1_000 - passed);
        let more = (0..1_000).filter(|_| allowance.take(now + Duration::from_secs(1)).is_some()).count();
        assert!(more <= 10, "{more}");
    }

    #[test]
    fn a_line_is_cut_between_characters_and_stays_one_line() {
        assert_eq!(cut("one\ntwo", 100), "one two");
        assert_eq!(cut("ééé", 3), "é");
    }
}
