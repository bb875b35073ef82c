//! Results that the worker posts by itself.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use serde_json::Value;
use serde_json::value::RawValue;

use super::refusal::Refusal;

const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The `webhook` of a task.
#[derive(Debug)]
pub(super) struct Target {
    url: Url,
    headers: HeaderMap,
}

impl Target {
    /// Refuses a missing object and an address that is not of `http` or `https`. Headers that no request can carry are left out.
    pub(super) fn read(webhook: Option<&RawValue>) -> Result<Self, Refusal> {
        let webhook: Value =
            webhook.and_then(|webhook| serde_json::from_str(webhook.get()).ok()).ok_or(Refusal::Webhook)?;
        let url = webhook["url"].as_str().and_then(|url| url.parse::<Url>().ok());
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https")).ok_or(Refusal::Webhook)?;
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        for (name, value) in webhook["headers"].as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(text)) {
                headers.insert(name, value);
            }
        }
        Ok(Self { url, headers })
    }
}

/// The client that posts.
#[derive(Debug)]
pub(super) struct Webhooks(Result<reqwest::Client, String>);

impl Webhooks {
    /// A machine without certificates still makes a worker: only its webhooks fail.
    pub(super) async fn new() -> Self {
        // It reads the system's certificates.
        let client = tokio::task::spawn_blocking(|| {
            // An error only says that the process has a provider already.
            drop(rustls::crypto::ring::default_provider().install_default());
            reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().map_err(|error| error.to_string())
        });
        Self(client.await.unwrap_or_else(|error| Err(error.to_string())))
    }

    /// Posts a result, three times at most. Any answer but 2xx counts as a failure.
    pub(super) async fn post(&self, target: &Target, body: Bytes) -> Result<(), String> {
        let client = self.0.as_ref().map_err(Clone::clone)?;
        let mut tries = 1;
        loop {
            let request = client.post(target.url.clone()).headers(target.headers.clone()).body(body.clone());
            let problem = match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => format!("status {}", answer.status().as_u16()),
                Err(error) => error.without_url().to_string(),
            };
            if tries == TRIES {
                return Err(problem);
            }
            tokio::time::sleep(PAUSE * tries).await;
            tries += 1;
        }
    }
}
