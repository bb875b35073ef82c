//! Where the balancer listens and what it accepts.

use std::net::IpAddr;
use std::time::Duration;

/// Where the balancer listens and what it accepts.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// `HOST` (0.0.0.0).
    pub host: IpAddr,
    /// `PORT` (4000).
    pub port: u16,
    /// `REQUEST_BODY_LIMIT` (10mb): bytes of a request body, counted after decoding.
    pub request_body_limit: usize,
    /// `SHUTDOWN_TIMEOUT` (30000 ms): how long a drain may take.
    pub shutdown_timeout: Duration,
    /// `MAX_CONNECTIONS` (16384): client connections open at once; further ones wait to be accepted.
    pub max_connections: usize,
}
