//! What every test stands on: a balancer and workers as processes of their own, and a way to wait for conditions.

mod answer;
pub(crate) mod app;
mod board;
mod browser;
mod events;
pub(crate) mod one_slot;
mod process;
mod recorder;
mod redis;
mod stub_worker;
mod until;
mod worker;

pub(crate) use answer::Answer;
pub(crate) use app::{TestApp, with};
pub(crate) use board::Board;
pub(crate) use browser::Page;
pub(crate) use events::{Events, names};
pub(crate) use process::Process;
pub(crate) use recorder::{Recorded, Recorder};
pub(crate) use redis::Redis;
pub(crate) use stub_worker::{Say, StubWorker};
pub(crate) use until::{until, until_some};
pub(crate) use worker::TestWorker;

/// The balancer's key in every test.
pub(crate) const LB_KEY: &str = "lb-key-of-the-tests";
/// The workers' key in every test.
pub(crate) const WORKER_KEY: &str = "worker-key-of-the-tests";
