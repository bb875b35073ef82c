//! tmp
use crate::task::*;
use std::time::Duration;
/// tmp
#[derive(Debug, Default)]
pub struct Metrics;
#[expect(missing_docs, clippy::unused_self)]
impl Metrics {
    pub fn submitted(&self, _m: Mode) {}
    pub fn finished(&self, _s: TaskState, _c: Option<ErrorCode>, _m: Mode, _d: Duration) {}
    pub fn waited(&self, _d: Duration) {}
    pub fn attempt(&self, _o: AttemptOutcome) {}
    pub fn policy_decision(&self, _w: bool) {}
    pub fn claim_returned(&self) {}
    pub fn interrupted(&self) {}
    pub fn lease_lost(&self) {}
}
