//! Andera load balancer: queues tasks durably, picks a worker for each, delivers it over HTTP and returns the result.
//!
//! # Map
//!
//! Rooms from the ground up. A room uses rooms on lower floors only, never one above or beside it (`telemetry` excepted:
//! everybody logs through `tracing` and counts through a metrics handle).
//!
//! | floor | room | what lives there |
//! |---|---|---|
//! | 1 | [`task`] | the words: ids, lanes, priorities, modes, requests, records. No I/O |
//! | 1 | [`config`] | settings, one file per section, from environment and `.env` |
//! | 1 | [`telemetry`] | tracing set-up, the log ring behind `/logs`, metrics |
//! | 2 | [`queue`] | the trait `TaskQueue` and its backends |
//! | 2 | [`workers`] | workers file, discovery, heartbeat, contract check, slots, permits, reservations |
//! | 2 | [`policy`] | the trait `Policy` over plain numbers, the native policies, and the host of WASM ones |
//! | 2 | [`upstream`] | HTTP to workers: task delivery with pass-through bodies |
//! | 3 | [`dispatch`] | permit, claim, rank, reserve, deliver, settle; retries, cancellation, drain |
//! | 4 | [`api`] | axum routers, auth, the HTTP error type, one file per resource |
//! | 5 | [`dashboard`] | pages for people |
//! | 6 | [`app`] | builds everything from settings and runs it |
//! | 6 | [`sample_worker`] | the worker of `andera-lb worker` and `demo` |
//! | 7 | [`cli`] | one file per subcommand |

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod dashboard;
pub mod dispatch;
pub mod policy;
pub mod queue;
pub mod sample_worker;
pub mod task;
pub mod telemetry;
pub mod upstream;
pub mod workers;
