//! The slots of a worker and its own queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::oneshot;

use super::change::Change;

/// Counts busy slots and keeps those who wait for one, by rank, then in the order they came. The queue is as long as there
/// are open connections: each waiter is a client that holds one.
#[derive(Debug)]
pub(super) struct Slots {
    limit: u32,
    state: Mutex<State>,
    change: Arc<Change>,
}

#[derive(Debug, Default)]
struct State {
    used: u32,
    arrivals: u64,
    waiting: BTreeMap<Place, oneshot::Sender<Slot>>,
}

/// Rank and arrival. The lowest is first.
type Place = (u32, u64);

/// A busy slot; dropping it frees the slot for whoever is first in the queue.
#[derive(Debug)]
pub(super) struct Slot(Arc<Slots>);

/// The `slots` of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SlotReport {
    pub(super) used: u32,
    pub(super) available: u32,
    pub(super) limit: u32,
    pub(super) queue: usize,
}

impl Slots {
    pub(super) fn new(limit: u32, change: Arc<Change>) -> Self {
        Self { limit, state: Mutex::default(), change }
    }

    /// A slot, at once if one is free. Who drops the future leaves the queue.
    pub(super) async fn acquire(self: &Arc<Self>, rank: u32) -> Option<Slot> {
        let (place, granted) = {
            let mut state = self.state.lock();
            if state.used < self.limit {
                state.used += 1;
                drop(state);
                self.change.raise();
                return Some(Slot(Arc::clone(self)));
            }
            let (grant, granted) = oneshot::channel();
            let place = (rank, state.arrivals);
            state.arrivals += 1;
            state.waiting.insert(place, grant);
            (place, granted)
        };
        self.change.raise();
        let _leave = Waiting { slots: self, place };
        // The sender stays in the queue until it grants, so there is always an answer.
        granted.await.ok()
    }

    pub(super) fn report(&self) -> SlotReport {
        let state = self.state.lock();
        SlotReport {
            used: state.used,
            available: self.limit - state.used,
            limit: self.limit,
            queue: state.waiting.len(),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.state.lock();
            let next = state.waiting.pop_first();
            if next.is_none() {
                state.used -= 1;
            }
            next
        };
        self.0.change.raise();
        if let Some((_, grant)) = next {
            // A waiter that has just left drops the slot it is sent, and so passes it on.
            drop(grant.send(Self(Arc::clone(&self.0))));
        }
    }
}

/// A waiter's place in the queue, given up when it goes away.
struct Waiting<'a> {
    slots: &'a Slots,
    place: Place,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let left = self.slots.state.lock().waiting.remove(&self.place);
        if left.is_some() {
            self.slots.change.raise();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn slots(limit: u32) -> Arc<Slots> {
        Arc::new(Slots::new(limit, Arc::default()))
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn waiters_go_by_rank_and_then_in_the_order_they_came() {
        let slots = slots(1);
        let busy = slots.acquire(0).await;
        let (sender, mut order) = tokio::sync::mpsc::channel(8);
        for (rank, name) in [(100, "100"), (5, "5 first"), (0, "none"), (5, "5 second"), (1, "1")] {
            let (waiters, queue, sender) = (Arc::clone(&slots), slots.report().queue, sender.clone());
            tokio::spawn(async move {
                let _slot = waiters.acquire(rank).await;
                sender.send(name).await.unwrap();
            });
            while slots.report().queue == queue {
                tokio::task::yield_now().await;
            }
        }
        drop((busy, sender));
        let mut names = Vec::new();
        while let Some(name) = order.recv().await {
            names.push(name);
        }
        assert_eq!(names, ["none", "1", "5 first", "5 second", "100"]);
        assert_eq!(slots.report(), SlotReport { used: 0, available: 1, limit: 1, queue: 0 });
    }

    #[tokio::test]
    async fn who_leaves_the_queue_takes_no_slot() {
        let slots = slots(1);
        let busy = slots.acquire(0).await;
        {
            let mut leaving = pin!(slots.acquire(0));
            assert!(poll(leaving.as_mut()).is_pending());
            assert_eq!(slots.report().queue, 1);
        }
        assert_eq!(slots.report().queue, 0);
        drop(busy);
        assert_eq!(slots.report().used, 0);
    }

    #[tokio::test]
    async fn a_slot_granted_to_one_who_has_just_left_goes_to_the_next() {
        let slots = slots(1);
        let busy = slots.acquire(0).await;
        let mut next = pin!(slots.acquire(1));
        {
            let mut leaving = pin!(slots.acquire(0));
            assert!(poll(leaving.as_mut()).is_pending());
            assert!(poll(next.as_mut()).is_pending());
            drop(busy);
        }
        let Poll::Ready(Some(slot)) = poll(next.as_mut()) else { panic!("the slot is lost") };
        assert_eq!(slots.report(), SlotReport { used: 1, available: 0, limit: 1, queue: 0 });
        drop(slot);
        assert_eq!(slots.report().used, 0);
    }
}
