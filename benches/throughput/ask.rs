//! Requests beside the load.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::programs::{BALANCER_KEY, WORKER_KEY};

/// Longer than any answer may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The body of a balancer's answer, over a connection of its own. Fails if it is no success.
pub(crate) async fn ask(address: SocketAddr, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, BALANCER_KEY)
        .header(header::CONTENT_TYPE, "application/json")
        .header("x-wr-auth", WORKER_KEY)
        .body(Full::new(body))?;
    let exchange = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut requests, connection) = handshake(TokioIo::new(stream)).await?;
        // The connection: it ends with its answer. What goes wrong there is told to the request.
        tokio::spawn(async move { drop(connection.await) });
        let answer = requests.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{status} {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
        Ok(body)
    };
    timeout(LIMIT, exchange).await.context("no answer in time")?.with_context(|| format!("asking for {path}"))
}
