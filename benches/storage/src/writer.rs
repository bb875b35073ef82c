//! The writer thread: takes what its callers send, writes it as one group, answers each.

use std::collections::VecDeque;

use anyhow::Result;
use tokio::sync::{mpsc, oneshot};

use crate::store::{Id, Op, Place, State, Store};

/// The most requests of one group.
const GROUP: usize = 256;

/// A task that was claimed.
pub struct Claimed {
    pub id: Id,
    pub place: Place,
}

pub enum Request {
    /// Enqueue a task and claim the head of the queue, with its payload.
    Enqueue { id: Id, meta: Vec<u8>, payload: &'static [u8], answer: oneshot::Sender<Result<Claimed, String>> },
    /// End a task.
    Settle { claimed: Claimed, record: Vec<u8>, answer: oneshot::Sender<Result<Claimed, String>> },
}

/// What the writer keeps in memory of a task: id, place, and 16 bytes of order and state.
pub struct Entry {
    id: Id,
    place: Place,
    _order: [u8; 16],
}

pub struct Writer {
    store: Box<dyn Store>,
    queue: VecDeque<Entry>,
    ended: VecDeque<(Id, Place)>,
    /// Ended tasks that are kept.
    keep: usize,
}

impl Writer {
    /// Takes over a store; answers with the queued and the ended tasks it found, in that order.
    pub fn recover(mut store: Box<dyn Store>, keep: usize) -> Result<(Self, usize, usize)> {
        let (mut queue, mut ended) = (VecDeque::new(), VecDeque::new());
        let mut order = [0; 16];
        store.recover(&mut |id, place, state, meta| {
            let length = meta.len().min(16);
            order[..length].copy_from_slice(&meta[..length]);
            match state {
                State::Queued => queue.push_back(Entry { id, place, _order: order }),
                State::Ended => ended.push_back((id, place)),
            }
        })?;
        let found = (queue.len(), ended.len());
        Ok((Self { store, queue, ended, keep }, found.0, found.1))
    }

    /// Fills the queue up to `backlog`, in groups.
    pub fn fill(&mut self, backlog: usize, mut next: impl FnMut() -> (Id, Vec<u8>, &'static [u8])) -> Result<()> {
        let mut places = Vec::new();
        while self.queue.len() < backlog {
            let tasks: Vec<_> = (0..GROUP.min(backlog - self.queue.len())).map(|_| next()).collect();
            let ops: Vec<_> = tasks.iter().map(|(id, meta, payload)| Op::Enqueue { id: *id, meta, payload }).collect();
            self.store.write(&ops, &mut places)?;
            for ((id, ..), place) in tasks.iter().zip(&places) {
                self.queue.push_back(Entry { id: *id, place: *place, _order: [0; 16] });
            }
        }
        Ok(())
    }

    /// Takes tasks off the queue until `backlog` are left.
    pub fn drain(&mut self, backlog: usize, record: &[u8]) -> Result<()> {
        let mut places = Vec::new();
        while self.queue.len() > backlog {
            let count = GROUP.min(self.queue.len() - backlog);
            let entries: Vec<_> = self.queue.drain(..count).collect();
            let ops: Vec<_> =
                entries.iter().map(|entry| Op::Settle { id: entry.id, place: entry.place, record }).collect();
            self.store.write(&ops, &mut places)?;
            self.ended.extend(entries.iter().zip(&places).map(|(entry, place)| (entry.id, *place)));
        }
        Ok(())
    }

    /// Works until all senders are gone. Answers with the number of groups written.
    pub fn run(&mut self, mut requests: mpsc::Receiver<Request>) -> u64 {
        let mut groups = 0;
        let (mut batch, mut places) = (Vec::with_capacity(GROUP), Vec::new());
        while requests.blocking_recv_many(&mut batch, GROUP) > 0 {
            let excess = self.ended.len().saturating_sub(self.keep);
            let mut ops: Vec<_> = batch
                .iter()
                .map(|request| match request {
                    Request::Enqueue { id, meta, payload, .. } => Op::Enqueue { id: *id, meta, payload },
                    Request::Settle { claimed, record, .. } => {
                        Op::Settle { id: claimed.id, place: claimed.place, record }
                    }
                })
                .collect();
            ops.extend(self.ended.drain(..excess).map(|(id, place)| Op::Forget { id, place }));
            let written = self.store.write(&ops, &mut places).map_err(|error| format!("{error:#}"));
            drop(ops);
            groups += 1;
            for (request, place) in batch.drain(..).zip(&places) {
                // A caller that is gone needs no answer.
                let _ = match request {
                    Request::Enqueue { id, answer, .. } => answer.send(written.clone().and_then(|()| {
                        self.queue.push_back(Entry { id, place: *place, _order: [0; 16] });
                        self.claim(id).map_err(|error| format!("{error:#}"))
                    })),
                    Request::Settle { claimed, answer, .. } => answer.send(written.clone().map(|()| {
                        self.ended.push_back((claimed.id, *place));
                        claimed
                    })),
                };
            }
        }
        groups
    }

    /// Takes the head; its payload is read unless it was just written.
    fn claim(&mut self, own: Id) -> Result<Claimed> {
        let Some(head) = self.queue.pop_front() else { anyhow::bail!("the queue is empty") };
        if head.id != own {
            let payload = self.store.payload(&head.id, head.place)?;
            anyhow::ensure!(payload.len() == crate::load::PAYLOAD, "a payload of {} bytes", payload.len());
        }
        Ok(Claimed { id: head.id, place: head.place })
    }
}
