//! A lane that is paused through it all.

use serde_json::{Value, json};

use super::client::Client;
use super::kind::{Kind, below};
use super::sent::Told;
use crate::harness::{TestApp, TestWorker, until, with};

/// The group of the lane.
pub(super) const GROUP: &str = "still";

/// The tasks of the lane, as they are to run: priority, then the order they were taken in.
#[derive(Debug, Default)]
pub(super) struct Still(Vec<(usize, String)>);

/// Sends tasks into the lane, one after the other.
pub(super) async fn fill(mut client: Client) -> Still {
    let mut still = Still::default();
    for n in 0_u32.. {
        if client.is_over() {
            break;
        }
        let priority = below(&client.chance, 4);
        let mut task = with(TestApp::call("hello", &json!({})), json!({ "group": GROUP, "mode": "async" }));
        if priority > 0 {
            task["priority"] = json!(priority);
        }
        match client.submit(Kind::Works, &task, &format!("still-{n}")).await {
            Told::All { id, .. } | Told::Head { id } => still.0.push((priority, id)),
            told => drop(client.tries_on(&told).await),
        }
    }
    still
}

impl Still {
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(_, id)| id.as_str())
    }

    /// The lane is paused still; once it is resumed its tasks run in their order.
    pub(super) async fn is_resumed(&mut self, app: &TestApp, worker: &TestWorker) {
        let lanes = app.get("/lanes").await.json();
        let lane = lanes.as_array().unwrap().iter().find(|lane| lane["group"] == GROUP).unwrap();
        assert_eq!(lane["paused"], true, "{lane}");
        assert_eq!(worker.started(), 0, "nothing runs in a paused lane");
        let queued = lane["counts"]["queued"].as_u64().unwrap();
        assert!(queued >= self.0.len() as u64, "{lane}, and {} were taken", self.0.len());
        app.request("POST", &format!("/lanes/{GROUP}/1/resume")).send().await.unwrap();
        until("the lane is empty", || async {
            let lanes: Value = app.get("/lanes").await.json();
            let lane = lanes.as_array().unwrap().iter().find(|lane| lane["group"] == GROUP).unwrap();
            lane["counts"]["completed"] == queued
        })
        .await;
        self.0.sort_by_key(|(priority, _)| *priority);
        let taken: Vec<&str> = self.ids().collect();
        let ran: Vec<String> = worker.order().into_iter().filter(|id| taken.contains(&id.as_str())).collect();
        assert_eq!(ran, taken);
    }
}
