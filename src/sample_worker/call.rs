//! What the functions do.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde_json::json;
use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::body::{Aborted, Answer, Chunks, json_of};
use super::failures::Failures;
use super::function::Function;
use super::refusal::Refusal;

const HELLO_WORLD: &str = r#"{"success":true,"result":{"message":"Hello World!"}}"#;

const BEFORE_ABORT: Duration = Duration::from_millis(20);

/// The largest result of `big`.
const MAX_BIG: u64 = 64 * 1024 * 1024;

/// A function with its input. A call that ends well gives `{"success":true,"result":…}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// The answer is known already.
    Instant(Bytes),
    Sleep {
        millis: u64,
        pause: Duration,
    },
    Fail(Fail),
    Countdown(Countdown),
    Big {
        bytes: u64,
    },
}

/// `fail`: fails always, or the first `times` calls of a task.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fail {
    message: String,
    times: Option<u64>,
    status: Option<StatusCode>,
    retry_after: Option<u64>,
}

/// `countdown`: the numbers from `from` to 0.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Countdown {
    from: u64,
    pause: Duration,
    abort_at: Option<u64>,
}

/// The function failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    status: Option<StatusCode>,
    retry_after: Option<u64>,
}

impl Call {
    /// The call of a function; refuses an input that is not of the declared types.
    pub(super) fn new(function: Function, input: Option<&RawValue>) -> Result<Self, Refusal> {
        let arguments = Arguments::read(input, function.parameters())?;
        Ok(match function {
            Function::Hello => Self::Instant(hello(arguments.raw(0))),
            Function::Echo => Self::Instant(success(input.map_or("{}", RawValue::get))),
            Function::Sleep => {
                let millis = arguments.whole(0).unwrap_or(1000);
                Self::Sleep { millis, pause: Duration::from_millis(millis) }
            }
            Function::Big => Self::Big { bytes: arguments.whole(0).unwrap_or(1000) },
            Function::Fail => Self::Fail(Fail {
                message: arguments.text(0).unwrap_or_else(|| "Task failed".to_owned()),
                times: arguments.whole(1),
                status: arguments.whole(2).and_then(error_status),
                retry_after: arguments.whole(3),
            }),
            Function::Countdown => Self::Countdown(Countdown {
                from: arguments.whole(0).unwrap_or(5),
                pause: Duration::from_millis(arguments.whole(1).unwrap_or(200)),
                abort_at: arguments.whole(2),
            }),
        })
    }

    /// The same call on a worker that is `pace` times as slow.
    pub(super) fn paced(self, pace: f64) -> Self {
        match self {
            Self::Sleep { millis, pause } => Self::Sleep { millis, pause: pause.mul_f64(pace) },
            Self::Countdown(countdown) => {
                Self::Countdown(Countdown { pause: countdown.pause.mul_f64(pace), ..countdown })
            }
            other => other,
        }
    }

    /// Runs the function to its end. `task` is the id of the task, for `fail`.
    pub(super) async fn run(self, task: &str, failures: &Failures) -> Result<Bytes, Failure> {
        match self {
            Self::Instant(answer) => Ok(answer),
            Self::Sleep { millis, pause } => {
                tokio::time::sleep(pause).await;
                Ok(success(&format!(r#"{{"sleptMs":{millis}}}"#)))
            }
            Self::Fail(fail) => fail.run(task, failures),
            Self::Countdown(countdown) => Ok(success(&format!(r#"{{"counted":{}}}"#, countdown.from))),
            Self::Big { bytes } => match usize::try_from(bytes) {
                Ok(length) if bytes <= MAX_BIG => Ok(success(&format!(r#"{{"data":"{}"}}"#, "x".repeat(length)))),
                _ => Err(Failure::new(format!("bytes must be at most {MAX_BIG}"))),
            },
        }
    }
}

impl Fail {
    fn run(self, task: &str, failures: &Failures) -> Result<Bytes, Failure> {
        let call = failures.count(task);
        if self.times.is_some_and(|times| call > times) {
            return Ok(success(&format!(r#"{{"calls":{call}}}"#)));
        }
        Err(Failure { message: self.message, status: self.status, retry_after: self.retry_after })
    }
}

impl Countdown {
    /// One line per number; an error says that the stream is to be broken off now. Who does not listen any more does not stop it.
    pub(super) async fn stream(self, chunks: &Chunks) -> Result<(), Aborted> {
        for number in (0..=self.from).rev() {
            if self.abort_at == Some(number) {
                // Lines that are not on their way yet would be lost with the connection.
                tokio::time::sleep(BEFORE_ABORT).await;
                return Err(Aborted);
            }
            drop(chunks.send(Ok(format!("{number}\n").into())).await);
            if number > 0 {
                tokio::time::sleep(self.pause).await;
            }
        }
        Ok(())
    }
}

impl Failure {
    pub(super) const fn new(message: String) -> Self {
        Self { message, status: None, retry_after: None }
    }

    pub(super) fn answer(&self) -> Answer {
        let mut answer = match self.status {
            Some(status) => json_of(status, &json!({"error": self.message})),
            None => json_of(StatusCode::INTERNAL_SERVER_ERROR, &json!({"success": false, "error": self.message})),
        };
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

/// `name` is a JSON string: what is between its quotes can stand between others.
fn hello(name: Option<&str>) -> Bytes {
    match name.and_then(|name| name.strip_prefix('"')?.strip_suffix('"')) {
        Some(name) => format!(r#"{{"success":true,"result":{{"message":"Hello {name}!"}}}}"#).into(),
        None => Bytes::from_static(HELLO_WORLD.as_bytes()),
    }
}

fn success(result: &str) -> Bytes {
    const BEFORE: &str = r#"{"success":true,"result":"#;
    let mut answer = String::with_capacity(BEFORE.len() + result.len() + 1);
    answer.push_str(BEFORE);
    answer.push_str(result);
    answer.push('}');
    answer.into()
}

fn error_status(number: u64) -> Option<StatusCode> {
    let status = StatusCode::from_u16(u16::try_from(number).ok()?).ok()?;
    (status.is_client_error() || status.is_server_error()).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(function: Function, input: &str, failures: &Failures) -> Result<Bytes, String> {
        let input = RawValue::from_string(input.to_owned()).unwrap();
        let call = Call::new(function, Some(&input)).unwrap();
        call.run("t1", failures).await.map_err(|failure| failure.message)
    }

    #[tokio::test]
    async fn names_stay_escaped_as_they_were() {
        let failures = Failures::default();
        let answer = run(Function::Hello, r#"{"name":"A\"\u00e9"}"#, &failures).await.unwrap();
        assert_eq!(answer, r#"{"success":true,"result":{"message":"Hello A\"\u00e9!"}}"#);
        assert_eq!(Call::new(Function::Hello, None), Ok(Call::Instant(HELLO_WORLD.into())));
    }

    #[tokio::test]
    async fn echo_gives_the_input_back_byte_for_byte() {
        let answer = run(Function::Echo, r#"{"n": 12345678901234567890}"#, &Failures::default()).await.unwrap();
        assert_eq!(answer, r#"{"success":true,"result":{"n": 12345678901234567890}}"#);
    }

    #[tokio::test]
    async fn fail_fails_as_often_as_it_is_told() {
        let failures = Failures::default();
        let input = r#"{"message":"no","times":2}"#;
        assert_eq!(run(Function::Fail, input, &failures).await, Err("no".to_owned()));
        assert_eq!(run(Function::Fail, input, &failures).await, Err("no".to_owned()));
        assert_eq!(run(Function::Fail, input, &failures).await.unwrap(), r#"{"success":true,"result":{"calls":3}}"#);
        assert!(run(Function::Fail, "{}", &failures).await.is_err());
    }

    #[tokio::test]
    async fn a_result_that_would_fill_the_memory_is_a_failure() {
        assert!(run(Function::Big, r#"{"bytes":1e18}"#, &Failures::default()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_countdown_goes_on_when_nobody_listens() {
        let started = tokio::time::Instant::now();
        let (chunks, body) = super::super::body::Body::stream();
        drop(body);
        let countdown = Countdown { from: 100, pause: Duration::from_millis(10), abort_at: None };
        assert!(countdown.stream(&chunks).await.is_ok());
        assert_eq!(started.elapsed(), Duration::from_secs(1));
    }
}
