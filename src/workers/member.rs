//! One known worker: what is known of it, and what follows from that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use reqwest::Url;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::contract::{Finding, Offer, Vote};
use super::health::{HealthAnswer, Vitals};
use super::state::{Effect, State};
use super::{Slots, Worker, WorkerAddress, WorkerId};
use crate::task::{LaneKey, Timestamp};

/// One known worker. Its state changes under one short lock; whatever follows for its lane's slots is done under it too, so
/// that the slots see changes in their order. Locks are taken in the order ballots, worker, lane.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: WorkerId,
    pub(super) address: Arc<WorkerAddress>,
    pub(super) health_url: Url,
    /// Cancelled when the worker leaves the list, or at shutdown.
    pub(super) gone: CancellationToken,
    place: AtomicUsize,
    state: Mutex<State>,
    socket_port: watch::Sender<Option<u16>>,
    probe_wanted: Notify,
}

/// What was known when a probe began: what has come in since is newer than its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeStart {
    pub(super) at: Timestamp,
    pub(super) doubts: u64,
    pub(super) frames: u64,
    /// Whether there is reason to think that the worker is not what it was.
    pub(super) doubted: bool,
}

impl Member {
    pub(super) fn new(id: WorkerId, address: Arc<WorkerAddress>, health_url: Url, gone: CancellationToken) -> Self {
        Self {
            id,
            address,
            health_url,
            gone,
            place: AtomicUsize::new(usize::MAX),
            state: Mutex::new(State::default()),
            socket_port: watch::Sender::new(None),
            probe_wanted: Notify::new(),
        }
    }

    /// Its place in the list.
    pub(super) fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }

    pub(super) fn set_place(&self, place: usize) {
        self.place.store(place, Ordering::Relaxed);
    }

    pub(super) fn begin_probe(&self, at: Timestamp) -> ProbeStart {
        let mut state = self.state.lock();
        let doubted = std::mem::take(&mut state.doubted);
        ProbeStart { at, doubts: state.doubts, frames: state.frames, doubted }
    }

    /// Takes in how a probe ended; the number of probes failed in a row comes with the effect.
    pub(super) fn end_probe(
        &self,
        slots: &Slots,
        start: ProbeStart,
        answer: Result<HealthAnswer, String>,
        retries: u32,
    ) -> (Effect, u32) {
        let mut failures = 0;
        let effect = self.update(slots, |state| {
            match answer {
                Ok(HealthAnswer::Health(health)) => state.health_passed(start, *health),
                Ok(HealthAnswer::Refused) => state.health_refused(),
                Err(reason) => state.health_failed(reason, retries),
            }
            failures = state.failures;
        });
        (effect, failures)
    }

    /// Takes in a frame; `None` is an answer that says nothing.
    pub(super) fn heard(&self, slots: &Slots, vitals: Option<Vitals>) -> Effect {
        self.update(slots, |state| state.heard(vitals))
    }

    /// The WebSocket has ended. False if the worker never said anything over it, which takes nothing from it.
    pub(super) fn socket_lost(&self, slots: &Slots, reason: &str) -> (Effect, bool) {
        let mut was_live = false;
        let effect = self.update(slots, |state| was_live = state.socket_lost(reason));
        if was_live {
            self.probe_wanted.notify_one();
        }
        (effect, was_live)
    }

    /// The WebSocket was closed because of the key.
    pub(super) fn socket_refused(&self, slots: &Slots) -> Effect {
        self.update(slots, State::socket_refused)
    }

    /// We have closed the WebSocket ourselves.
    pub(super) fn socket_closed(&self, slots: &Slots) -> Effect {
        self.update(slots, |state| state.socket_live = false)
    }

    /// A connection to the worker failed.
    pub(super) fn suspect(&self) {
        {
            let mut state = self.state.lock();
            state.doubt();
            if let Some(lane) = &state.lane {
                lane.suspect(self.id);
            }
        }
        self.probe_wanted.notify_one();
    }

    pub(super) fn probe_now(&self) {
        self.probe_wanted.notify_one();
    }

    pub(super) async fn probe_wanted(&self) {
        self.probe_wanted.notified().await;
    }

    /// Follows the port to which a WebSocket should be open; `None` while it should not.
    pub(super) fn socket_port(&self) -> watch::Receiver<Option<u16>> {
        self.socket_port.subscribe()
    }

    /// The worker is not listed any more.
    pub(super) fn leave(&self) {
        {
            let mut state = self.state.lock();
            state.departed = true;
            if let Some(lane) = state.lane.take() {
                lane.remove_worker(self.id);
            }
        }
        self.gone.cancel();
    }

    /// The worker's vote on its lane's functions.
    pub(super) fn vote(&self) -> Option<(LaneKey, Vote)> {
        let state = self.state.lock();
        let lane = state.lane.as_ref()?.key().clone();
        let offer = Arc::clone(state.offer.as_ref()?);
        Some((lane, Vote { worker: self.id, place: self.place(), live: state.status().is_live(), offer }))
    }

    /// Keeps one offer in memory for all who publish the same.
    pub(super) fn share_offer(&self, offer: &Arc<Offer>) {
        let mut state = self.state.lock();
        if state.offer.as_ref().is_some_and(|own| own.functions == offer.functions) {
            state.offer = Some(Arc::clone(offer));
        }
    }

    /// Takes in what the count of its lane's votes says of it.
    pub(super) fn judge(&self, slots: &Slots, finding: Finding) -> Effect {
        if let Finding::Mismatch(reason) = &finding {
            tracing::warn!(worker = %self.address, %reason, "worker contract is not valid");
        }
        self.update(slots, |state| state.judge(finding))
    }

    pub(super) fn view(&self) -> Worker {
        self.state.lock().view(self.id, self.address.url())
    }

    fn update(&self, slots: &Slots, change: impl FnOnce(&mut State)) -> Effect {
        let effect = {
            let mut state = self.state.lock();
            if state.departed {
                return Effect::default();
            }
            change(&mut state);
            let effect = state.settle(self.id, &self.address, slots);
            let port = state.socket_port();
            self.socket_port.send_if_modified(|wanted| std::mem::replace(wanted, port) != port);
            effect
        };
        if let Some(news) = &effect.news {
            let reason = news.reason.as_deref().unwrap_or_default();
            let reason = (!reason.is_empty()).then_some(reason);
            tracing::info!(worker = %self.address, status = news.status.word(), reason, "worker status changed");
        }
        effect
    }
}
