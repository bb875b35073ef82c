//! How workers are asked: one HTTP client, one TLS configuration, one key.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hyper_rustls::ConfigBuilderExt;
use reqwest::{Client, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};

use super::StartError;
use crate::config::{Secret, WorkerSettings};

/// Less than the 5 s after which common servers close an idle connection, so that a request rarely meets a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// How workers are asked.
#[derive(Debug)]
pub(super) struct Transport {
    /// Keeps connections, for the regular health checks.
    kept: Client,
    /// Opens a new connection each time, for a worker in doubt: an old connection would prove nothing.
    fresh: Client,
    tls: Arc<ClientConfig>,
    lb_key: HeaderValue,
    timeout: Duration,
}

/// Which connection a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// Whichever is open.
    Any,
    /// A new one.
    New,
}

impl Transport {
    /// Reads the machine's certificates, so it blocks for a moment.
    pub(super) fn new(settings: &WorkerSettings, lb_key: &Secret) -> Result<Self, StartError> {
        let mut lb_key = HeaderValue::from_str(lb_key.expose()).map_err(|_| StartError::Key)?;
        lb_key.set_sensitive(true);
        let tls = tls_config()?;
        let client = |idle: usize| {
            Client::builder()
                .timeout(settings.discovery_timeout)
                .connect_timeout(settings.discovery_timeout)
                .pool_max_idle_per_host(idle)
                .pool_idle_timeout(IDLE_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .tls_backend_preconfigured(tls.clone())
                .build()
                .map_err(|error| StartError::Client(error.to_string()))
        };
        let (kept, fresh) = (client(1)?, client(0)?);
        Ok(Self { kept, fresh, tls: Arc::new(tls), lb_key, timeout: settings.discovery_timeout })
    }

    /// The TLS configuration, for the WebSocket.
    pub(super) fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    /// The key as a header value.
    pub(super) fn lb_key(&self) -> &HeaderValue {
        &self.lb_key
    }

    /// Fetches at most `limit` bytes from a worker; the error is a reason to show.
    pub(super) async fn get(&self, url: &Url, connection: Connection, limit: usize) -> Result<Vec<u8>, String> {
        let answer = match connection {
            Connection::New => self.try_get(&self.fresh, url, limit).await,
            Connection::Any => match self.try_get(&self.kept, url, limit).await {
                // The worker may have closed the kept connection at that very moment, which says nothing about it.
                Err(Failure::Broken(_)) => self.try_get(&self.fresh, url, limit).await,
                answer => answer,
            },
        };
        answer.map_err(|failure| match failure {
            Failure::Broken(reason) | Failure::Other(reason) => reason,
        })
    }

    async fn try_get(&self, client: &Client, url: &Url, limit: usize) -> Result<Vec<u8>, Failure> {
        let failed = |error: &reqwest::Error| self.failure(error);
        let request = client.get(url.clone()).header("x-lb-auth", self.lb_key.clone());
        let mut response = request.send().await.map_err(|error| failed(&error))?;
        if response.status() != StatusCode::OK {
            return Err(Failure::Other(format!("{} answered {}", url.path(), response.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > limit {
                return Err(Failure::Other(format!("{} answered more than {limit} bytes", url.path())));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        if error.is_timeout() {
            return Failure::Other(format!("no answer within {} ms", self.timeout.as_millis()));
        }
        // The outer layers only say that a request failed; the innermost says why.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        if error.is_connect() {
            Failure::Other(format!("cannot connect: {cause}"))
        } else {
            let cause = if error.source().is_some() { cause.to_string() } else { "the request failed".to_owned() };
            Failure::Broken(format!("the connection broke: {cause}"))
        }
    }
}

enum Failure {
    Broken(String),
    Other(String),
}

fn tls_config() -> Result<ClientConfig, StartError> {
    let builder = || {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| StartError::Client(error.to_string()))
    };
    let config = match builder()?.with_native_roots() {
        Ok(config) => config,
        Err(error) => {
            // Plain http workers need none.
            tracing::warn!(%error, "no certificates found on this machine: workers with https addresses cannot be verified");
            builder()?.with_root_certificates(RootCertStore::empty())
        }
    };
    Ok(config.with_no_client_auth())
}
