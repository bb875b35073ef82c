//! The state of one worker, and the rules by which it changes.

use std::sync::Arc;

use serde_json::Value;

use super::contract::{Finding, Offer};
use super::health::{self, Health, Vitals};
use super::member::ProbeStart;
use super::worker::{Service, SlotFigures, SystemFigures, WorkerStatus, slot_report};
use super::{LaneSlots, SlotReport, Slots, Worker, WorkerAddress, WorkerId, WorkerStanding};
use crate::task::{Contract, LaneKey, Timestamp};

const IDLE: WorkerStanding = WorkerStanding { ready: false, eligible: false, weight: 1.0 };

/// The state of one worker.
#[derive(Debug)]
pub(super) struct State {
    /// What the worker says of itself, as long as nothing is wrong with it.
    said: WorkerStatus,
    trouble: Option<Trouble>,
    group: Option<Arc<str>>,
    contract: Option<Contract>,
    websocket_port: Option<u16>,
    pub(super) offer: Option<Arc<Offer>>,
    tags: Option<Arc<Value>>,
    services: Arc<[Service]>,
    slots: Option<SlotFigures>,
    system: Option<SystemFigures>,
    finding: Option<Finding>,
    pub(super) lane: Option<Arc<LaneSlots>>,
    standing: WorkerStanding,
    /// Probes failed in a row.
    pub(super) failures: u32,
    /// The WebSocket is open and has answered.
    pub(super) socket_live: bool,
    /// How often there was reason to think that the worker is not what it was.
    pub(super) doubts: u64,
    pub(super) doubted: bool,
    pub(super) frames: u64,
    pub(super) departed: bool,
    shown: Option<WorkerStatus>,
    reason: Option<Arc<str>>,
    pending: Pending,
}

/// What a change leaves to be passed on.
#[derive(Debug, Default)]
struct Pending {
    report: Option<SlotReport>,
    passed: Option<Timestamp>,
    /// Something else than the figures has changed.
    facts: bool,
    offer: bool,
}

#[derive(Debug)]
enum Trouble {
    Unreachable(Arc<str>),
    Offline(Arc<str>),
    Unauthorized { reason: Arc<str>, by_socket: bool },
}

/// What a change means for others.
#[derive(Debug, Default)]
pub(super) struct Effect {
    /// Its lane's votes must be counted anew.
    pub(super) recount: bool,
    /// What is shown of the worker has changed, slots and machine aside.
    pub(super) shown: bool,
    /// Something to log.
    pub(super) news: Option<News>,
}

/// A change of status worth a line in the log.
#[derive(Debug)]
pub(super) struct News {
    pub(super) status: WorkerStatus,
    pub(super) reason: Option<Arc<str>>,
}

impl Default for State {
    fn default() -> Self {
        let reason: Arc<str> = "no health check has ended yet".into();
        Self {
            said: WorkerStatus::Unreachable,
            trouble: Some(Trouble::Unreachable(Arc::clone(&reason))),
            group: None,
            contract: None,
            websocket_port: None,
            offer: None,
            tags: None,
            services: Arc::new([]),
            slots: None,
            system: None,
            finding: None,
            lane: None,
            standing: IDLE,
            failures: 0,
            socket_live: false,
            doubts: 0,
            doubted: false,
            frames: 0,
            departed: false,
            shown: None,
            reason: Some(reason),
            pending: Pending::default(),
        }
    }
}

impl State {
    pub(super) fn health_passed(&mut self, start: ProbeStart, health: Health) {
        if start.doubts != self.doubts {
            // The answer may be older than the doubt; another probe is on its way.
            return;
        }
        self.failures = 0;
        self.take_facts(&health);
        if !self.socket_live || start.frames == self.frames {
            if health.vitals.slots.is_none() && !self.socket_live && self.slots.take().is_some() {
                self.pending.facts = true;
            }
            self.take_vitals(health.vitals);
        }
        if self.offer.as_ref().is_none_or(|offer| *offer.functions != health.functions) {
            self.offer = Some(Arc::new(Offer::new(health.functions)));
            self.pending.offer = true;
        }
        // A key that the WebSocket refuses stays refused until the WebSocket takes it, however healthy the rest is.
        let refused = matches!(self.trouble, Some(Trouble::Unauthorized { by_socket: true, .. }));
        if !refused || self.websocket_port.is_none() {
            self.trouble = None;
        }
        // The answer speaks for all that happened before the question, up to the millisecond in which it was asked.
        self.pending.passed = Some(Timestamp::from_millis(start.at.as_millis().saturating_add(1)));
    }

    pub(super) fn health_refused(&mut self) {
        self.failures = 0;
        self.set_trouble(Trouble::Unauthorized {
            reason: "the worker refused the balancer's key".into(),
            by_socket: false,
        });
    }

    pub(super) fn health_failed(&mut self, reason: String, retries: u32) {
        self.failures = self.failures.saturating_add(1);
        if !self.socket_live || self.failures >= retries {
            self.set_trouble(Trouble::Unreachable(reason.into()));
        }
    }

    pub(super) fn heard(&mut self, vitals: Option<Vitals>) {
        self.frames += 1;
        self.socket_live = true;
        if let Some(vitals) = vitals {
            self.take_vitals(vitals);
            if matches!(self.trouble, Some(Trouble::Unauthorized { by_socket: true, .. })) {
                self.trouble = None;
                self.pending.facts = true;
            }
        }
    }

    /// False if the worker never said anything over it.
    pub(super) fn socket_lost(&mut self, reason: &str) -> bool {
        if !std::mem::take(&mut self.socket_live) {
            return false;
        }
        self.doubt();
        if self.trouble.is_none() {
            self.set_trouble(Trouble::Offline(reason.into()));
        }
        true
    }

    pub(super) fn socket_refused(&mut self) {
        self.socket_live = false;
        let reason = "the worker's WebSocket refused the balancer's key (close code 4001)".into();
        self.set_trouble(Trouble::Unauthorized { reason, by_socket: true });
    }

    pub(super) fn judge(&mut self, finding: Finding) {
        self.finding = Some(finding);
        self.pending.facts = true;
    }

    pub(super) fn doubt(&mut self) {
        self.doubts += 1;
        self.doubted = true;
    }

    /// How the worker is.
    pub(super) fn status(&self) -> WorkerStatus {
        match self.trouble {
            None => self.said.clone(),
            Some(Trouble::Unreachable(_)) => WorkerStatus::Unreachable,
            Some(Trouble::Offline(_)) => WorkerStatus::Offline,
            Some(Trouble::Unauthorized { .. }) => WorkerStatus::Unauthorized,
        }
    }

    /// To which port a WebSocket should be open.
    pub(super) fn socket_port(&self) -> Option<u16> {
        let wanted = match self.trouble {
            None | Some(Trouble::Unauthorized { by_socket: true, .. }) => true,
            // It may still answer there; health checks alone bring the worker back.
            Some(Trouble::Unreachable(_)) => self.socket_live,
            Some(Trouble::Offline(_) | Trouble::Unauthorized { .. }) => false,
        };
        self.websocket_port.filter(|_| wanted)
    }

    /// Passes on to the lane's slots what has changed.
    pub(super) fn settle(&mut self, worker: WorkerId, address: &Arc<WorkerAddress>, slots: &Slots) -> Effect {
        let pending = std::mem::take(&mut self.pending);
        let status = self.status();
        let turned = self.shown.as_ref() != Some(&status);
        let lived = self.shown.as_ref().is_some_and(WorkerStatus::is_live);
        let moved = pending.facts && self.settle_lane(worker, address, slots);
        let known = self.slots.filter(|_| moved).map(|slots| slot_report(slots, self.system));
        if let Some(lane) = &self.lane {
            // The figures first: a worker that comes back must not be given tasks by its old ones.
            if let Some(report) = pending.report.or(known) {
                lane.report(worker, &report);
            }
            if let Some(at) = pending.passed {
                lane.health_passed(worker, at);
            }
            let standing = self.standing_of(&status);
            if standing != self.standing {
                lane.set_worker(worker, address, standing);
                self.standing = standing;
            }
        }
        let recount = moved || pending.offer || lived != status.is_live();
        let mut effect = Effect { recount, shown: turned || pending.facts || pending.offer, news: None };
        if effect.shown {
            let reason = self.find_reason();
            if turned || (status.is_live() && reason != self.reason) {
                effect.news = Some(News { status: status.clone(), reason: reason.clone() });
            }
            self.reason = reason;
            self.shown = Some(status);
        }
        effect
    }

    fn settle_lane(&mut self, worker: WorkerId, address: &Arc<WorkerAddress>, slots: &Slots) -> bool {
        let key = self.group.clone().zip(self.contract).map(|(group, contract)| LaneKey { group, contract });
        if self.lane.as_ref().map(|lane| lane.key()) == key.as_ref() {
            return false;
        }
        if let Some(lane) = self.lane.take() {
            lane.remove_worker(worker);
        }
        self.finding = None;
        self.standing = IDLE;
        self.lane = key.map(|key| slots.lane(&key));
        if let Some(lane) = &self.lane {
            lane.set_worker(worker, address, IDLE);
        }
        true
    }

    fn standing_of(&self, status: &WorkerStatus) -> WorkerStanding {
        let ready = *status == WorkerStatus::Ready && self.finding == Some(Finding::Valid);
        let eligible = ready && self.slots.is_some() && self.services.iter().all(Service::is_up);
        WorkerStanding { ready, eligible, weight: health::weight(self.tags.as_deref()) }
    }

    fn take_facts(&mut self, health: &Health) {
        if self.group != health.group
            || self.contract != health.contract
            || self.websocket_port != health.websocket_port
            || self.tags.as_deref() != health.tags.as_ref()
        {
            self.group.clone_from(&health.group);
            self.contract = health.contract;
            self.websocket_port = health.websocket_port;
            self.tags = health.tags.clone().map(Arc::new);
            self.pending.facts = true;
        }
    }

    fn take_vitals(&mut self, vitals: Vitals) {
        self.said = vitals.status;
        if let Some(slots) = vitals.slots {
            self.pending.facts |= self.slots.is_none();
            self.slots = Some(slots);
            self.pending.report = Some(slot_report(slots, vitals.system));
        }
        self.system = vitals.system.or(self.system);
        if let Some(services) = vitals.services.filter(|services| **services != *self.services) {
            self.services = services.into();
            self.pending.facts = true;
        }
    }

    fn set_trouble(&mut self, trouble: Trouble) {
        self.trouble = Some(trouble);
        self.pending.facts = true;
    }

    fn find_reason(&self) -> Option<Arc<str>> {
        if let Some(Trouble::Unreachable(reason) | Trouble::Offline(reason) | Trouble::Unauthorized { reason, .. }) =
            &self.trouble
        {
            return Some(Arc::clone(reason));
        }
        if self.group.is_none() {
            return Some("the worker names no group".into());
        }
        if self.contract.is_none() {
            return Some("the worker names no contract number".into());
        }
        if self.slots.is_none() {
            return Some("the worker reports no slots".into());
        }
        let service = self.services.iter().find(|service| !service.is_up())?;
        Some(format!("its service {} is {}", service.name, service.state).into())
    }

    pub(super) fn view(&self, id: WorkerId, url: &Arc<str>) -> Worker {
        Worker {
            id,
            url: Arc::clone(url),
            websocket_port: self.websocket_port,
            group: self.group.clone(),
            contract: self.contract,
            status: self.status(),
            status_reason: self.reason.clone(),
            slots: self.slots,
            system: self.system,
            functions: self.offer.as_ref().map(|offer| Arc::clone(&offer.functions)),
            tags: self.tags.clone(),
            services: self.offer.as_ref().map(|_| Arc::clone(&self.services)),
            contract_valid: self.finding.as_ref().map(|finding| *finding == Finding::Valid),
            contract_mismatch_reason: match &self.finding {
                Some(Finding::Mismatch(reason)) => Some(Arc::clone(reason)),
                _ => None,
            },
        }
    }
}
