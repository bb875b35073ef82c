//! The balancer's own notices: that a task in mode `webhook` has finally failed. (A result is posted by the worker.)

mod guard;
mod signature;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::json;

use self::guard::{PublicOnly, is_private};
use self::signature::Signer;
use crate::config::WebhookSettings;
use crate::task::{Clock, ErrorCode, TaskId, Timestamp, WebhookTarget};

/// How often a notice is sent at most.
const TRIES: u32 = 5;
/// The pause after the first try; doubled after each.
const PAUSE: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(10);

/// That a task has finally failed.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The task.
    pub task: TaskId,
    /// When it ended: a task that is run again may fail once more.
    pub ended_at: Timestamp,
    /// Whom to tell.
    pub target: WebhookTarget,
    /// Why, in words.
    pub error: Arc<str>,
    /// Why, in a word.
    pub code: ErrorCode,
}

impl Notice {
    /// Names the notice, however often and by whichever process it is sent: the receiver knows a repeat by it.
    fn id(&self) -> String {
        format!("{}-{}", self.task, self.ended_at.as_millis())
    }
}

/// Sends notices. The real one is [`WebhookNotifier`]; the simulation brings its own.
#[async_trait]
pub trait Notifier: Send + Sync + 'static {
    /// Tells a webhook that its task has failed; tries several times and logs a final failure. Dropped, it tries no more.
    async fn notify(&self, notice: Notice);
}

/// Sends notices over HTTP: no redirects, and no private addresses unless allowed.
#[derive(Debug)]
pub struct WebhookNotifier {
    client: Client,
    allow_private: bool,
    signer: Option<Signer>,
    clock: Clock,
}

/// Why a notice was not taken.
#[derive(Debug, thiserror::Error)]
enum NoticeError {
    #[error("the address is not public; WEBHOOK_ALLOW_PRIVATE=true allows it")]
    Private,
    #[error("the url cannot be used")]
    Url,
    #[error("the webhook answered {0}")]
    Answer(u16),
    #[error("{0}")]
    Transport(String),
}

impl NoticeError {
    /// Whether another try may end better.
    fn is_passing(&self) -> bool {
        match self {
            Self::Private | Self::Url => false,
            Self::Answer(status) => *status >= 500 || *status == 429 || *status == 408,
            Self::Transport(_) => true,
        }
    }
}

impl WebhookNotifier {
    /// A notifier by these settings.
    ///
    /// # Errors
    ///
    /// The machine's root certificates cannot be read.
    pub fn new(settings: &WebhookSettings, clock: Clock) -> anyhow::Result<Self> {
        super::install_crypto_provider();
        let builder = Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT);
        let builder = if settings.allow_private { builder } else { builder.dns_resolver(Arc::new(PublicOnly)) };
        Ok(Self {
            client: builder.build()?,
            allow_private: settings.allow_private,
            signer: settings.secret.as_ref().map(|secret| Signer::new(secret.expose())),
            clock,
        })
    }

    async fn send(&self, notice: &Notice, body: &Bytes) -> Result<(), NoticeError> {
        let url: Url = notice.target.url.parse().map_err(|_| NoticeError::Url)?;
        // A name is checked as it is resolved; an address written out is never resolved.
        let literal = match url.host() {
            Some(url::Host::Ipv4(address)) => Some(address.into()),
            Some(url::Host::Ipv6(address)) => Some(address.into()),
            _ => None,
        };
        if !self.allow_private && literal.is_some_and(is_private) {
            return Err(NoticeError::Private);
        }
        let mut headers = headers(&notice.target);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(signer) = &self.signer {
            signer.sign(&mut headers, notice.id(), self.clock.now(), body);
        }
        let answer = self.client.post(url).headers(headers).body(body.clone()).send().await;
        let status = answer.map_err(|error| failure(&error))?.status();
        if status.is_success() { Ok(()) } else { Err(NoticeError::Answer(status.as_u16())) }
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    async fn notify(&self, notice: Notice) {
        let body = json!({ "success": false, "error": notice.error, "code": notice.code, "taskId": notice.task });
        let body = Bytes::from(body.to_string());
        for attempt in 1..=TRIES {
            let error = match self.send(&notice, &body).await {
                Ok(()) => return,
                Err(error) => error,
            };
            if attempt == TRIES || !error.is_passing() {
                tracing::warn!(task = %notice.task, attempt, %error, "a webhook could not be told of its failed task");
                return;
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
        }
    }
}

/// The task's own headers for its webhook. What is no header is left out.
fn headers(target: &WebhookTarget) -> HeaderMap {
    let pairs = target.headers.iter().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name.as_ref()).ok()?, HeaderValue::try_from(value.as_ref()).ok()?))
    });
    pairs.collect()
}

fn failure(error: &reqwest::Error) -> NoticeError {
    // The error's own text holds the url, which may hold a secret.
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        if deeper.is::<guard::NotPublic>() {
            return NoticeError::Private;
        }
        cause = deeper;
    }
    let kind = if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() };
    NoticeError::Transport(kind)
}
