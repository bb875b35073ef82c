//! The port for tasks and health checks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::Worker;
use super::answer::Answer;
use crate::programs::{BALANCER_KEY, WORKER_KEY};

const SUCCESS: &str = r#"{"success":true,"result":{"message":"Hello bench!"}}"#;
const FUNCTIONS: &str = r#"[{"name":"hello","params":{}},{"name":"stream","params":{}},{"name":"sleep","params":{}}]"#;
/// What stands before a function's name in the bodies of this bench, and within how many bytes.
const MARK: &[u8] = br#""function":""#;
const MARKED_WITHIN: usize = 256;
/// How long `sleep` takes: longer than any measurement.
const SLEEP: Duration = Duration::from_hours(1);
/// What is read ahead of a connection at most: there may be thousands.
const READ_AHEAD: usize = 64 * 1024;

pub(super) async fn serve(worker: Arc<Worker>, stream: TcpStream) {
    let service = service_fn(|request| answer(&worker, request));
    let connection = http1::Builder::new().max_buf_size(READ_AHEAD).serve_connection(TokioIo::new(stream), service);
    // Whoever breaks a connection off, sees that too.
    drop(connection.await);
}

async fn answer(worker: &Arc<Worker>, request: Request<Incoming>) -> Result<Response<Answer>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::POST, "/task") => task(worker, request).await,
        (&Method::GET, "/health") if is_balancer(request.headers()) => {
            json(StatusCode::OK, Answer::whole(health(worker)))
        }
        (&Method::GET, "/health") => json(StatusCode::OK, Answer::whole(r#"{"status":"ready"}"#)),
        _ => json(StatusCode::NOT_FOUND, Answer::whole(r#"{"error":"Not found"}"#)),
    })
}

async fn task(worker: &Arc<Worker>, request: Request<Incoming>) -> Response<Answer> {
    let is_client = request.headers().get(AUTHORIZATION).is_some_and(|key| key == WORKER_KEY);
    if !is_client || !is_balancer(request.headers()) {
        return json(StatusCode::UNAUTHORIZED, Answer::whole(r#"{"error":"Unauthorized"}"#));
    }
    let slot = worker.take_slot();
    let mut body = request.into_body();
    // The name may lie across two frames.
    let mut start = Vec::new();
    let mut function = Function::Unknown;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return json(StatusCode::BAD_REQUEST, Answer::whole(r#"{"error":"Cut off"}"#)) };
        let Some(data) = frame.data_ref() else { continue };
        if matches!(function, Function::Unknown) && start.len() < MARKED_WITHIN {
            if start.is_empty() {
                function = Function::named_in(data);
            }
            if matches!(function, Function::Unknown) {
                start.extend_from_slice(&data[..data.len().min(MARKED_WITHIN)]);
                function = Function::named_in(&start);
            }
        }
    }
    match function {
        Function::Hello => json(StatusCode::OK, Answer::whole(SUCCESS)),
        Function::Stream => {
            let mut answer = Response::new(Answer::stream(slot));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            answer
        }
        Function::Sleep => {
            sleep(SLEEP).await;
            json(StatusCode::OK, Answer::whole(SUCCESS))
        }
        Function::Unknown => json(StatusCode::NOT_FOUND, Answer::whole(r#"{"error":"Unknown function"}"#)),
    }
}

enum Function {
    Hello,
    Stream,
    Sleep,
    Unknown,
}

impl Function {
    /// The function of a task whose body begins like that. It is looked for, not parsed: bodies come as this bench sends them.
    fn named_in(start: &[u8]) -> Self {
        let start = &start[..start.len().min(MARKED_WITHIN)];
        let Some(at) = start.windows(MARK.len()).position(|window| window == MARK) else { return Self::Unknown };
        match &start[at + MARK.len()..] {
            [b'h', b'e', b'l', b'l', b'o', b'"', ..] => Self::Hello,
            [b's', b't', b'r', b'e', b'a', b'm', b'"', ..] => Self::Stream,
            [b's', b'l', b'e', b'e', b'p', b'"', ..] => Self::Sleep,
            _ => Self::Unknown,
        }
    }
}

fn is_balancer(headers: &HeaderMap) -> bool {
    headers.get("x-lb-auth").is_some_and(|key| key == BALANCER_KEY)
}

fn health(worker: &Worker) -> String {
    format!(
        r#"{{"group":"bench-{}","contract":1,"websocketPort":{},"functions":{FUNCTIONS},"tags":{{"zone":"bench"}},{}}}"#,
        worker.group,
        worker.socket_port,
        worker.report(),
    )
}

fn json(status: StatusCode, body: Answer) -> Response<Answer> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
