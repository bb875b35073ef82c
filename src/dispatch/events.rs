//! What happens to tasks, told to whoever listens.
//!
//! An event is told once the queue has taken the step, and the events of one task come in their order: a step is
//! [prepared](TaskEvents::prepare) before the queue is asked for it, and whoever sees its effect before its own teller got round to
//! telling tells it first.

mod event;
mod follow;
mod hub;
mod others;
mod receiver;

pub use event::TaskEvent;
pub use follow::{FollowUp, TaskFollower};
pub(super) use hub::{News, TaskEvents};
pub(super) use others::Message;
pub use receiver::{EventReceiver, Heard};
