//! Task delivery over pooled HTTP/1.1 connections.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio_util::sync::CancellationToken;

use super::pool::{Lent, Pool};
use super::{Answer, AnswerBody, Delivery, DeliveryError, Upstream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const LB_KEY: HeaderName = HeaderName::from_static("x-lb-auth");
const TASK_ID: HeaderName = HeaderName::from_static("x-task-id");
/// As many as a request has.
const HEADERS: usize = 6;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Task delivery over pooled HTTP/1.1 connections, with TLS for workers listed with https.
#[derive(Clone)]
pub struct HttpUpstream {
    pool: Arc<Pool>,
    lb_key: HeaderValue,
}

impl HttpUpstream {
    /// A client that shows `lb_key` to the workers.
    ///
    /// # Errors
    ///
    /// The key is no header value, or the machine's root certificates cannot be read.
    pub fn new(lb_key: &str) -> anyhow::Result<Self> {
        super::install_crypto_provider();
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.enforce_http(false);
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let mut lb_key = HeaderValue::from_str(lb_key)?;
        lb_key.set_sensitive(true);
        Ok(Self { pool: Arc::new(Pool::new(connector)), lb_key })
    }

    /// Closes idle connections in time, until `stop`.
    pub async fn keep_tidy(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.pool.keep_tidy()).await;
    }

    fn request(&self, delivery: Delivery) -> Result<Request<Full<Bytes>>, DeliveryError> {
        let mut request = Request::new(Full::new(delivery.body));
        *request.method_mut() = Method::POST;
        let worker_key = delivery.worker_key.expose().and_then(|key| HeaderValue::from_str(key).ok());
        let mut worker_key =
            worker_key.ok_or_else(|| DeliveryError::Broken("the worker key is no header value".to_owned()))?;
        worker_key.set_sensitive(true);
        let task = HeaderValue::from_maybe_shared(Bytes::from(delivery.task.to_string()))
            .map_err(|_| DeliveryError::Broken("the task id is no header value".to_owned()))?;
        let headers = request.headers_mut();
        headers.reserve(HEADERS);
        headers.insert(AUTHORIZATION, worker_key);
        headers.insert(LB_KEY, self.lb_key.clone());
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(TASK_ID, task);
        Ok(request)
    }
}

#[async_trait]
impl Upstream for HttpUpstream {
    async fn deliver(&self, delivery: Delivery) -> Result<Answer, DeliveryError> {
        let uri = delivery.uri.clone();
        let request = self.request(delivery)?;
        let (response, lent) = self.pool.send(&uri, request).await?;
        Ok(answer(response, lent))
    }
}

fn answer(response: Response<Incoming>, lent: Lent) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        content_type: head.headers.get(CONTENT_TYPE).map(owned),
        retry_after: head.headers.get(RETRY_AFTER).and_then(retry_after),
        body: AnswerBody::from_http(body, lent),
    }
}

/// A value of its own: what came is a part of the connection's buffer, which could not be used again while it is kept.
fn owned(value: &HeaderValue) -> HeaderValue {
    if *value == JSON { JSON } else { HeaderValue::from_bytes(value.as_bytes()).unwrap_or(JSON) }
}

/// Reads `Retry-After`: seconds, or a date.
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// An error with its causes, in one line.
pub(super) fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_retry_after_as_seconds_and_as_a_date() {
        assert_eq!(retry_after(&HeaderValue::from_static("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&HeaderValue::from_static("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        let ahead = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let wait = retry_after(&HeaderValue::from_str(&ahead).unwrap()).unwrap();
        assert!(wait > Duration::from_secs(90) && wait <= Duration::from_secs(100));
        assert_eq!(retry_after(&HeaderValue::from_static("soon")), None);
    }
}
