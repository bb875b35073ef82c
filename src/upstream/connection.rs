//! One kept-alive connection to a worker.
//!
//! Whoever has a request on it drives it, within its own task: a connection with a task of its own costs two hand-overs between
//! tasks a request, often between threads. So nothing moves on a connection that nobody asks for anything.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection as Driver, SendRequest, handshake};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

pub(super) type Connector = HttpsConnector<HttpConnector>;
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection that carries one request at a time. Dropping it cuts off what is under way.
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// None once it has ended: what still waited for it has been told why.
    driver: Option<Driver<Stream, Full<Bytes>>>,
}

/// A request that got no answer.
pub(super) enum SendError {
    /// Not a byte of it was written.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The worker may have seen it.
    Broken(hyper::Error),
}

impl Connection {
    /// Opens one, with TLS if `uri` says so.
    pub(super) async fn open(connector: &Connector, uri: &Uri) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let mut connector = connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await?;
        let stream = connector.call(uri.clone()).await?;
        let (requests, driver) = handshake(stream).await?;
        Ok(Self { requests, driver: Some(driver) })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, SendError> {
        let mut answer = pin!(self.requests.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|context| {
            drive(driver, context);
            let answer = answer.as_mut().poll(&mut silent());
            answer.map_err(|mut error| match error.take_message() {
                Some(request) => SendError::Unsent(Box::new(request)),
                None => SendError::Broken(error.into_error()),
            })
        })
        .await
    }

    /// The next part of the body of the answer.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut *body).poll_frame(&mut silent());
        if frame.is_ready() {
            return frame;
        }
        drive(&mut self.driver, context);
        Pin::new(body).poll_frame(&mut silent())
    }

    /// Whether it can carry another request, as far as is known here.
    pub(super) fn is_free(&mut self) -> bool {
        drive(&mut self.driver, &mut silent());
        self.driver.is_some() && self.requests.is_ready()
    }
}

fn drive(driver: &mut Option<Driver<Stream, Full<Bytes>>>, context: &mut Context<'_>) {
    // What went wrong is told to the request and the body.
    if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(context).is_ready()) {
        *driver = None;
    }
}

/// For what only the driver can bring, and is looked at whenever the driver was asked: it need not wake anybody itself.
fn silent() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
