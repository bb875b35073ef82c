//! A future that outlives whoever polls it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Work that is begun within the request that asked for it, saving a hop between threads, and is carried on as a task of its own if
/// that request goes away first: a run must not stop because a client hung up.
pub(super) struct Adopted {
    work: Option<Boxed>,
    tasks: TaskTracker,
    /// Counts the work among the tasks, whoever polls it.
    _counted: TaskTrackerToken,
}

impl Adopted {
    pub(super) fn new(work: impl Future<Output = ()> + Send + 'static, tasks: &TaskTracker) -> Self {
        Self { work: Some(Box::pin(work)), tasks: tasks.clone(), _counted: tasks.token() }
    }
}

impl Future for Adopted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(work) = &mut self.work else { return Poll::Ready(()) };
        let poll = work.as_mut().poll(context);
        if poll.is_ready() {
            self.work = None;
        }
        poll
    }
}

impl Drop for Adopted {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.tasks.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn goes_on_after_its_request_is_gone() {
        let tasks = TaskTracker::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let (done, end) = tokio::sync::oneshot::channel();
        let mut adopted = Adopted::new(
            async move {
                let _ = gone.await;
                let _ = done.send(7);
            },
            &tasks,
        );
        assert!(futures_util::poll!(&mut adopted).is_pending());
        drop(adopted);
        go.send(()).unwrap();
        assert_eq!(end.await, Ok(7));
    }
}
