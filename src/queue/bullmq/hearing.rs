//! What other balancers tell.

use std::time::Duration;

use futures_util::StreamExt;
use redis::RedisResult;
use tokio_util::sync::CancellationToken;

use super::BullmqQueue;
use crate::queue::{Ending, QueueEvent};
use crate::task::lane_name;
use crate::task::{ErrorCode, TaskState};

/// The least time between two subscriptions.
const PAUSE: Duration = Duration::from_millis(200);

impl BullmqQueue {
    /// Passes on what others tell, until cancelled. After a break it says that something may have been missed.
    pub(super) async fn hear_others(&self, cancel: &CancellationToken) {
        // In simulated time there is nobody else.
        if self.clock.simulated_now().is_some() {
            return;
        }
        let mut first = true;
        while !cancel.is_cancelled() {
            let heard = cancel.run_until_cancelled(self.hear_until_it_breaks(first)).await;
            match heard {
                None => return,
                Some(Ok(())) => first = false,
                Some(Err(error)) => tracing::debug!(%error, "cannot hear what other balancers do"),
            }
            let _ = tokio::time::timeout(PAUSE, cancel.cancelled()).await;
        }
    }

    async fn hear_until_it_breaks(&self, first: bool) -> RedisResult<()> {
        let mut subscription = self.link.client.get_async_pubsub().await?;
        subscription.subscribe(format!("{}:andera-events", self.prefix)).await?;
        if !first {
            self.tell(QueueEvent::Missed);
        }
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            let told = std::str::from_utf8(message.get_payload_bytes()).ok().and_then(|text| self.understand(text));
            if let Some(event) = told {
                self.tell(event);
            }
        }
        Ok(())
    }

    /// What a message says; `None` for this process's own, and for what it does not know.
    fn understand(&self, text: &str) -> Option<QueueEvent> {
        let mut words = text.split(' ');
        let (what, who) = (words.next()?, words.next()?);
        if who == self.me {
            return None;
        }
        match what {
            "claimable" => Some(QueueEvent::Claimable(lane_name::parse(words.next()?)?)),
            "ended" => {
                let (task, state, code) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
                let state = TaskState::ALL.into_iter().find(|known| known.word() == state)?;
                Some(QueueEvent::EndedElsewhere(Ending { task, state, code: ErrorCode::from_word(code) }))
            }
            "news" => text.splitn(3, ' ').nth(2).map(|news| QueueEvent::News(news.to_owned())),
            "stop" => Some(QueueEvent::StopAsked(words.next()?.parse().ok()?)),
            _ => None,
        }
    }
}
