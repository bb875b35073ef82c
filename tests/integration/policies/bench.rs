//! A balancer and the directory of its policies.

use std::ops::{Deref, DerefMut};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, TestApp, TestWorker, until};

/// Ranks the worker with the highest id first and alone.
pub(super) const LAST: &str = "(local $row i32) (local $best i32)
    (loop $next
      (if (i32.gt_u (call $column (local.get $args) (i32.const 80) (local.get $row))
                    (call $column (local.get $args) (i32.const 80) (local.get $best)))
        (then (local.set $best (local.get $row))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $row) (call $candidates (local.get $args)))))
    (call $rows (local.get $best) (i32.const 1))";

/// The same with the lowest.
pub(super) const LOWEST: &str = "(local $row i32) (local $best i32)
    (loop $next
      (if (i32.lt_u (call $column (local.get $args) (i32.const 80) (local.get $row))
                    (call $column (local.get $args) (i32.const 80) (local.get $best)))
        (then (local.set $best (local.get $row))))
      (local.set $row (i32.add (local.get $row) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $row) (call $candidates (local.get $args)))))
    (call $rows (local.get $best) (i32.const 1))";

/// A balancer and the directory of its policies.
pub(super) struct Bench {
    app: TestApp,
    directory: TempDir,
}

impl Deref for Bench {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut TestApp {
        &mut self.app
    }
}

/// A balancer with these files as its policies.
pub(super) async fn app_with(files: &[(&str, &[u8])], workers: &[&TestWorker], env: &[(&str, &str)]) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    for (name, file) in files {
        std::fs::write(directory.path().join(name), file).unwrap();
    }
    let path = directory.path().to_str().unwrap();
    // The machine may be busy.
    let mut all = vec![("POLICIES_DIR", path), ("POLICY_DEADLINE_MS", "1000"), ("POLICY_LOAD_DEADLINE_MS", "60000")];
    all.retain(|(name, _)| !env.iter().any(|(other, _)| other == name));
    all.extend(env);
    let app = TestApp::start_with(workers, &all).await;
    Bench { app, directory }
}

pub(super) fn echo() -> Value {
    TestApp::call("echo", &json!({}))
}

impl Bench {
    /// Puts a file in the directory, as a whole.
    pub(super) fn put(&self, name: &str, file: &[u8]) {
        let draft = self.directory.path().join("draft");
        std::fs::write(&draft, file).unwrap();
        std::fs::rename(draft, self.directory.path().join(name)).unwrap();
    }

    pub(super) fn delete(&self, name: &str) {
        std::fs::remove_file(self.directory.path().join(name)).unwrap();
    }

    /// `GET /policies`.
    pub(super) async fn policies(&self) -> Value {
        self.get("/policies").await.json()
    }

    /// The policy in force where no rule chooses one.
    pub(super) async fn default(&self) -> Value {
        self.policies().await["inForce"][0].clone()
    }

    /// Waits until a value of the default policy is as it should be.
    pub(super) async fn default_has(&self, field: &str, value: impl Into<Value>) {
        let value = value.into();
        until(&format!("{field} of the policy is {value}"), || async { self.default().await[field] == value }).await;
    }

    /// Runs a task of that group; why it went where it did.
    pub(super) async fn why(&self, group: &str) -> Value {
        let mut task = echo();
        task["group"] = group.into();
        let id = self.accept(&task).await;
        let task = self.ended(&id).await;
        assert_eq!(task["state"], "completed", "{task}");
        task["attempts"][0]["why"].clone()
    }

    /// A request without a body.
    pub(super) async fn call(&self, method: &str, path: &str) -> Answer {
        Answer::of(self.request(method, path).send().await.unwrap()).await
    }

    pub(super) async fn upload(&self, name: &str, file: Vec<u8>) -> Answer {
        let request = self.request("PUT", &format!("/policies/{name}")).header("content-type", "application/wasm");
        Answer::of(request.body(file).send().await.unwrap()).await
    }
}
