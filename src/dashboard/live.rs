//! Live data: sampled once a second, told to all open pages at once.
//!
//! One task, the *sampler*, reads counters and kept counts every second and puts them into the [history](History), whether somebody
//! looks or not; what ended in each lane it notes once a minute. While pages are open it also makes what they show, once for all of them, and [broadcasts](Hub) it as finished
//! text. A page that opens gets a snapshot first, which is made at most once a second however many come.

mod fallbacks;
mod frame;
mod history;
mod hub;
mod lanes;
mod rates;
mod sampler;
mod stream;

pub(super) use fallbacks::FellBack;
pub(crate) use frame::event;
pub(super) use history::{History, Range, Sample};
pub(super) use hub::Hub;
pub(super) use lanes::{Bucket, HOUR, LaneHistory, LaneRecord, Timed, start_of};
pub(super) use sampler::{Sampler, View, overview_now, workers};
pub(super) use stream::{events, history};
