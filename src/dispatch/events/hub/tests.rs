use tokio_util::sync::CancellationToken;

use super::*;
use crate::dispatch::events::receiver::{EventReceiver, Heard, Watch};
use crate::task::{Contract, LaneKey, TaskState, Timestamp};

fn event(step: Step, state: TaskState) -> TaskEvent {
    TaskEvent {
        task: TaskId::new(Timestamp::from_millis(1), 1),
        lane: LaneKey::new("g", Contract::new(1.0).unwrap()),
        function: "f".into(),
        state,
        at: Timestamp::from_millis(1),
        attempts: 0,
        attempt: None,
        run_at: None,
        code: None,
        error: None,
        step,
    }
}

fn submitted() -> TaskEvent {
    event(Step::Submitted, TaskState::Queued)
}

fn running() -> TaskEvent {
    event(Step::Delivered, TaskState::Running)
}

fn completed() -> TaskEvent {
    event(Step::Concluded, TaskState::Completed)
}

fn requeued() -> TaskEvent {
    event(Step::Requeued, TaskState::Queued)
}

fn cancelled() -> TaskEvent {
    event(Step::EndedUnrun, TaskState::Cancelled)
}

fn listening() -> (Arc<TaskEvents>, EventReceiver) {
    let hub = Arc::<TaskEvents>::default();
    let receiver = EventReceiver::new(&hub, CancellationToken::new());
    (hub, receiver)
}

/// What has been told so far.
fn told(receiver: &mut EventReceiver) -> Vec<Step> {
    std::iter::from_fn(|| receiver.events.try_recv().ok()).map(|event| event.step).collect()
}

fn is_empty(hub: &TaskEvents) -> bool {
    hub.shards.iter().all(|shard| shard.lock().is_empty())
}

#[test]
fn nothing_is_made_for_nobody() {
    let hub = TaskEvents::default();
    hub.prepare(|| panic!("nobody listens")).tell();
    hub.tell(|| panic!("nobody listens"));
    assert!(is_empty(&hub));
}

#[test]
fn a_listener_that_left_is_nobody() {
    let (hub, receiver) = listening();
    drop((receiver, Watch::new(&hub, submitted().task)));
    hub.tell(|| panic!("nobody listens"));
    assert!(is_empty(&hub));
}

#[tokio::test]
async fn a_receiver_that_falls_behind_is_told_how_far_and_goes_on() {
    let (hub, mut receiver) = listening();
    for _ in 0..EVENT_BUFFER + 3 {
        hub.tell(submitted);
    }
    assert_eq!(receiver.next().await, Some(Heard::Lagged(3)));
    for _ in 0..EVENT_BUFFER {
        assert!(matches!(receiver.next().await, Some(Heard::Event(_))));
    }
    hub.tell(completed);
    let Some(Heard::Event(event)) = receiver.next().await else { panic!("nothing heard") };
    assert_eq!(event.state, TaskState::Completed);
}

#[tokio::test]
async fn the_drain_ends_it_after_what_was_told_before() {
    let hub = Arc::<TaskEvents>::default();
    let drain = CancellationToken::new();
    let mut receiver = EventReceiver::new(&hub, drain.clone());
    hub.tell(submitted);
    drain.cancel();
    assert!(matches!(receiver.next().await, Some(Heard::Event(_))));
    assert_eq!(receiver.next().await, None);
}

#[test]
fn a_step_that_was_not_taken_is_not_told() {
    let (hub, mut receiver) = listening();
    drop(hub.prepare(submitted));
    hub.tell(running);
    assert_eq!(told(&mut receiver), [Step::Delivered]);
    assert!(is_empty(&hub));
}

#[test]
fn whoever_sees_the_effect_of_a_step_tells_it_first() {
    let (hub, mut receiver) = listening();
    let news = hub.prepare(submitted);
    hub.tell(running);
    assert_eq!(told(&mut receiver), [Step::Submitted, Step::Delivered]);
    news.tell();
    assert!(told(&mut receiver).is_empty(), "once only");
    assert!(is_empty(&hub));
}

#[test]
fn an_end_is_told_before_the_next_life() {
    let (hub, mut receiver) = listening();
    for late in [completed, cancelled] {
        let (end, again) = (hub.prepare(late), hub.prepare(requeued));
        again.tell();
        end.tell();
        assert_eq!(told(&mut receiver), [late().step, Step::Requeued]);
        let (end, again) = (hub.prepare(late), hub.prepare(requeued));
        end.tell();
        again.tell();
        assert_eq!(told(&mut receiver), [late().step, Step::Requeued]);
    }
    assert!(is_empty(&hub));
}

#[test]
fn a_run_that_is_still_being_settled_has_not_ended() {
    let (hub, mut receiver) = listening();
    let news = hub.prepare(completed);
    hub.tell(running);
    assert_eq!(told(&mut receiver), [Step::Delivered], "the next run began: the late end was refused");
    drop(news);
    assert!(told(&mut receiver).is_empty());
}

#[test]
fn a_wait_that_a_cancellation_found_is_told_before_it() {
    let (hub, mut receiver) = listening();
    let cancelling = hub.prepare(cancelled);
    let waiting = hub.prepare(|| event(Step::Concluded, TaskState::Delayed));
    cancelling.tell();
    waiting.tell();
    assert_eq!(told(&mut receiver), [Step::Concluded, Step::EndedUnrun]);
}

#[test]
fn a_listener_that_came_in_the_middle_of_a_step_is_told_of_it() {
    let hub = Arc::<TaskEvents>::default();
    let news = hub.prepare(completed);
    let mut receiver = EventReceiver::new(&hub, CancellationToken::new());
    news.tell();
    assert_eq!(told(&mut receiver), [Step::Concluded]);
}

#[test]
fn a_watch_hears_its_task_only_and_is_closed_when_it_falls_behind() {
    let hub = Arc::<TaskEvents>::default();
    let mut watch = Watch::new(&hub, submitted().task);
    let mut other = Watch::new(&hub, TaskId::new(Timestamp::from_millis(2), 2));
    for _ in 0..=TASK_BUFFER {
        hub.tell(submitted);
    }
    let heard = std::iter::from_fn(|| watch.events.try_recv().ok()).count();
    assert_eq!(heard, TASK_BUFFER);
    assert_eq!(watch.events.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    assert_eq!(other.events.try_recv(), Err(mpsc::error::TryRecvError::Empty));
    drop((watch, other));
    assert!(is_empty(&hub));
}
