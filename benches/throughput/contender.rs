//! What is measured beside others: a worker asked directly, nginx, or a balancer.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, header};

use crate::child::Child;
use crate::load::TaskRequest;
use crate::programs::{BALANCER_KEY, WORKER_KEY};
use crate::redis::Redis;

/// The names of those that others are compared with, as the tables show them.
pub(crate) const DIRECT: &str = "direct";
pub(crate) const NGINX: &str = "nginx";

/// Where tasks are sent to. What runs for it stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// A balancer, not a worker or nginx before it: they are sent other keys.
    pub(crate) is_balancer: bool,
    /// nginx or the balancer. Stops before the Redis that it uses.
    pub(crate) proxy: Option<Child>,
    pub(crate) redis: Option<Redis>,
}

impl Contender {
    /// The request that brings a task there.
    pub(crate) fn request(&self, body: Bytes) -> Result<TaskRequest> {
        let keys = if self.is_balancer {
            [("authorization", BALANCER_KEY), ("x-wr-auth", WORKER_KEY)]
        } else {
            [("authorization", WORKER_KEY), ("x-lb-auth", BALANCER_KEY)]
        };
        let mut request = Request::post(self.path)
            .header(header::HOST, self.address.to_string())
            .header(header::CONTENT_TYPE, "application/json");
        for (name, key) in keys {
            request = request.header(name, key);
        }
        Ok(request.body(Full::new(body))?)
    }

    /// Fails, with the end of its output, if something of it has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        let redis = self.redis.as_mut().map(|redis| &mut redis.process);
        self.proxy.iter_mut().chain(redis).try_for_each(Child::ensure_running)
    }
}
