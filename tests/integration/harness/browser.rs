//! A browser: headless Chromium, told what to do over its `DevTools` protocol.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::Message;

use super::{TestApp, until_some};

const ARGUMENTS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-port=0",
    "--hide-scrollbars",
];
/// Generous, as everywhere.
const LIMIT: std::time::Duration = std::time::Duration::from_mins(1);

/// A page of a browser of its own, which ends when this is dropped.
pub(crate) struct Page {
    _process: Child,
    _directory: TempDir,
    shared: Arc<Shared>,
    session: String,
}

struct Shared {
    outgoing: mpsc::UnboundedSender<Message>,
    number: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    events: Mutex<Vec<Value>>,
}

impl Shared {
    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let id = self.number.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().insert(id, answer);
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        self.outgoing.send(Message::text(message.to_string())).unwrap();
        let answer = tokio::time::timeout(LIMIT, answered).await.unwrap_or_else(|_| panic!("no answer to {method}"));
        let mut answer = answer.unwrap_or_else(|_| panic!("the browser is gone at {method}"));
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    fn heard(&self, message: Value) {
        match message["id"].as_u64() {
            Some(id) => drop(self.waiting.lock().remove(&id).map(|answer| answer.send(message))),
            None => self.events.lock().push(message),
        }
    }
}

impl Page {
    /// Starts a browser with one empty page, 1,440 by 900.
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new("chromium")
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", directory.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium is there: `make test` installs it");
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = tokio::time::timeout(LIMIT, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once("DevTools listening on ") {
                    return address.to_owned();
                }
            }
            panic!("chromium has ended");
        });
        let address = address.await.expect("chromium begins in time");
        // What it says later is read, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
        let (mut sink, mut stream) = socket.split();
        let (outgoing, mut messages) = mpsc::unbounded_channel();
        let (waiting, events) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { outgoing, number: AtomicU64::new(1), waiting, events });
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await
                && sink.send(message).await.is_ok()
            {}
        });
        let listener = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                if let Message::Text(text) = message {
                    listener.heard(serde_json::from_str(&text).unwrap());
                }
            }
            listener.waiting.lock().clear();
        });
        let target = shared.call(None, "Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = shared.call(None, "Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let page = Self { _process: process, _directory: directory, shared, session };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            page.call(&format!("{domain}.enable"), json!({})).await;
        }
        page.resize(1440, 900).await;
        page
    }

    async fn call(&self, method: &str, params: Value) -> Value {
        self.shared.call(Some(&self.session), method, params).await
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", params).await;
    }

    /// Has the page be in `light` or `dark`.
    pub(crate) async fn scheme(&self, scheme: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", feature).await;
    }

    /// Goes to a page and waits until it is complete.
    pub(crate) async fn goto(&self, url: &str) {
        self.call("Page.navigate", json!({ "url": url })).await;
        self.complete().await;
    }

    async fn complete(&self) {
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'").await;
    }

    /// The value of an expression, a promise's included.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let result = self.try_eval(expression).await;
        result.unwrap_or_else(|problem| panic!("{expression}: {problem}"))
    }

    async fn try_eval(&self, expression: &str) -> Result<Value, Value> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", params).await;
        match answer.get_mut("exceptionDetails").map(Value::take) {
            Some(problem) => Err(problem),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Waits until an expression is true. A page that is being left has none that is.
    pub(crate) async fn until(&self, expression: &str) {
        let what = format!("{expression} on {}", self.text().await);
        until_some(&what, || async { (self.try_eval(expression).await == Ok(json!(true))).then_some(()) }).await;
    }

    /// What the page says, for messages.
    async fn text(&self) -> String {
        let text = self.try_eval("location.href + '\\n' + (document.body?.innerText ?? '')").await;
        text.ok().and_then(|text| text.as_str().map(ToOwned::to_owned)).unwrap_or_default()
    }

    /// Waits until the page shows that text.
    pub(crate) async fn shows(&self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text))).await;
    }

    /// Clicks what the selector names.
    pub(crate) async fn click(&self, selector: &str) {
        self.until(&format!("document.querySelector({}) !== null", json!(selector))).await;
        self.eval(&format!("document.querySelector({}).click()", json!(selector))).await;
    }

    /// Types a text into a field, as if by hand.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.until(&format!("document.querySelector({}) !== null", json!(selector))).await;
        self.eval(&format!("document.querySelector({}).focus()", json!(selector))).await;
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Chooses a file in a field for files.
    pub(crate) async fn choose_file(&self, selector: &str, file: &Path) {
        let field = json!({ "expression": format!("document.querySelector({})", json!(selector)) });
        let field = self.call("Runtime.evaluate", field).await["result"]["objectId"].take();
        self.call("DOM.setFileInputFiles", json!({ "files": [file], "objectId": field })).await;
    }

    /// Logs in, by the form.
    pub(crate) async fn log_in(&self, app: &TestApp, key: &str) {
        self.goto(&format!("{}/dashboard", app.url)).await;
        self.type_into("#key", key).await;
        self.click("button[type=submit]").await;
        self.until("location.pathname === '/dashboard' && document.readyState === 'complete'").await;
    }

    /// What the page complained about on the console.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let events = self.shared.events.lock();
        let is_complaint = |event: &&Value| match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => true,
            Some("Runtime.consoleAPICalled") => event["params"]["type"] == "error",
            Some("Log.entryAdded") => event["params"]["entry"]["level"] == "error",
            _ => false,
        };
        events.iter().filter(is_complaint).map(|event| event["params"].to_string()).collect()
    }

    /// The addresses of all that was asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let events = self.shared.events.lock();
        let requests = events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.map(|event| event["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }

    /// A picture of the page, as PNG: of the window, or of all of it.
    pub(crate) async fn picture(&self, whole: bool, file: &Path) {
        let mut params = json!({ "format": "png" });
        if whole {
            let size = self.eval("[document.documentElement.clientWidth, document.documentElement.scrollHeight]").await;
            params["captureBeyondViewport"] = json!(true);
            params["clip"] = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        }
        let picture = self.call("Page.captureScreenshot", params).await;
        std::fs::write(file, STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()).unwrap();
    }
}
