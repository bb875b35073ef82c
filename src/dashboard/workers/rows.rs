//! All workers as pages show them, and what has changed of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::diff::differences;
use super::row::WorkerRow;
use crate::dashboard::live_event;
use crate::task::{LaneKey, Timestamp, stable_hash};
use crate::workers::{Worker, WorkerFigures, WorkerId};

/// The workers as they were told last.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct Rows {
    told: HashMap<WorkerId, Arc<RawValue>>,
    /// The lists of functions in use, with the names they go by, and whether they were told.
    offers: Vec<Offer>,
}

#[derive(Debug)]
struct Offer {
    functions: Arc<Value>,
    name: String,
    used: bool,
    told: bool,
}

/// What has changed of the workers.
#[derive(Debug, Serialize)]
pub(in crate::dashboard) struct Changes {
    /// Whether these are all workers: others are gone.
    full: bool,
    rows: Vec<Arc<RawValue>>,
    gone: Vec<u32>,
    /// Lists of functions, by the names that rows call them.
    offers: BTreeMap<String, Arc<Value>>,
    #[serde(skip)]
    ids: Vec<WorkerId>,
}

impl Rows {
    /// The rows of these workers, in their order.
    pub(in crate::dashboard) fn of(
        &mut self,
        workers: &[Worker],
        figures: &HashMap<WorkerId, WorkerFigures>,
        now: Timestamp,
    ) -> Vec<(WorkerId, WorkerRow)> {
        self.offers.iter_mut().for_each(|offer| offer.used = false);
        let lanes = majorities(workers);
        let row = |worker: &Worker| {
            let offer = worker.functions.as_ref().map(|functions| self.offer(functions));
            let lane = lane(worker).and_then(|lane| lanes.get(&lane)).filter(|_| worker.contract_valid == Some(false));
            let differences = match (lane, &worker.functions) {
                (Some(lane), Some(here)) => differences(here, lane),
                _ => Vec::new(),
            };
            (worker.id, WorkerRow::new(worker, figures.get(&worker.id), now, offer, differences))
        };
        let rows = workers.iter().map(row).collect();
        self.offers.retain(|offer| offer.used);
        rows
    }

    /// The name of a list of functions: the same for the same list, as long as the balancer runs.
    fn offer(&mut self, functions: &Arc<Value>) -> String {
        if let Some(offer) = self.offers.iter_mut().find(|offer| Arc::ptr_eq(&offer.functions, functions)) {
            offer.used = true;
            return offer.name.clone();
        }
        let name = format!("{:x}", stable_hash(&functions.to_string()));
        let told = self.offers.iter().any(|offer| offer.told && offer.name == name);
        self.offers.push(Offer { functions: Arc::clone(functions), name: name.clone(), used: true, told });
        name
    }

    /// What has changed since the last call; `None` if nothing has.
    pub(in crate::dashboard) fn changes(&mut self, rows: Vec<(WorkerId, WorkerRow)>) -> Option<Changes> {
        let mut changes =
            Changes { full: false, rows: Vec::new(), gone: Vec::new(), offers: BTreeMap::new(), ids: Vec::new() };
        let mut told = HashMap::with_capacity(rows.len());
        for (id, row) in rows {
            let Some(text) = raw(&row) else { continue };
            let same = self.told.get(&id).filter(|before| before.get() == text.get()).cloned();
            if same.is_none() {
                changes.rows.push(Arc::clone(&text));
                changes.ids.push(id);
            }
            told.insert(id, same.unwrap_or(text));
        }
        changes.gone = self.told.keys().filter(|id| !told.contains_key(id)).map(|id| id.0).collect();
        self.told = told;
        for offer in self.offers.iter_mut().filter(|offer| !offer.told) {
            offer.told = true;
            changes.offers.insert(offer.name.clone(), Arc::clone(&offer.functions));
        }
        let quiet = changes.rows.is_empty() && changes.gone.is_empty() && changes.offers.is_empty();
        (!quiet).then_some(changes)
    }

    /// All of them.
    pub(in crate::dashboard) fn all(&self, rows: &[(WorkerId, WorkerRow)]) -> Changes {
        let offers = self.offers.iter().map(|offer| (offer.name.clone(), Arc::clone(&offer.functions))).collect();
        let (ids, rows) = rows.iter().filter_map(|(id, row)| Some((*id, raw(row)?))).unzip();
        Changes { full: true, rows, gone: Vec::new(), offers, ids }
    }
}

impl Changes {
    /// Each row as an event of its own.
    pub(in crate::dashboard) fn each(&self) -> HashMap<WorkerId, Bytes> {
        self.ids.iter().copied().zip(self.rows.iter().map(|row| live_event("worker", row))).collect()
    }
}

/// What the valid workers of each lane publish, of lanes with one that is not valid.
fn majorities(workers: &[Worker]) -> HashMap<LaneKey, &Value> {
    let mut lanes = HashMap::new();
    if workers.iter().all(|worker| worker.contract_valid != Some(false)) {
        return lanes;
    }
    for worker in workers.iter().filter(|worker| worker.contract_valid == Some(true)) {
        if let (Some(lane), Some(functions)) = (lane(worker), &worker.functions) {
            lanes.entry(lane).or_insert(&**functions);
        }
    }
    lanes
}

fn lane(worker: &Worker) -> Option<LaneKey> {
    Some(LaneKey::new(Arc::clone(worker.group.as_ref()?), worker.contract?))
}

fn raw(row: &WorkerRow) -> Option<Arc<RawValue>> {
    serde_json::value::to_raw_value(row).ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::task::Contract;
    use crate::workers::{SlotFigures, WorkerStatus};

    fn worker(id: u32, used: u32, functions: &Arc<Value>) -> Worker {
        Worker {
            id: WorkerId(id),
            url: format!("http://w:{id}").into(),
            websocket_port: None,
            group: Some("g".into()),
            contract: Contract::new(1.0),
            status: WorkerStatus::Ready,
            status_reason: None,
            slots: Some(SlotFigures { used, available: 9 - used, limit: 9, queue: 0 }),
            system: None,
            functions: Some(Arc::clone(functions)),
            tags: None,
            services: None,
            contract_valid: Some(true),
            contract_mismatch_reason: None,
        }
    }

    fn changes(rows: &mut Rows, workers: &[Worker]) -> Option<Value> {
        let made = rows.of(workers, &HashMap::new(), Timestamp::from_millis(0));
        rows.changes(made).map(|changes| serde_json::to_value(changes).unwrap())
    }

    #[test]
    fn only_what_looks_different_is_told_and_functions_once() {
        let functions = Arc::new(json!([{"name": "hello"}]));
        let mut rows = Rows::default();
        let first = changes(&mut rows, &[worker(0, 1, &functions), worker(1, 1, &functions)]).unwrap();
        assert_eq!((first["rows"].as_array().unwrap().len(), first["offers"].as_object().unwrap().len()), (2, 1));
        assert_eq!(changes(&mut rows, &[worker(0, 1, &functions), worker(1, 1, &functions)]), None);
        let second = changes(&mut rows, &[worker(1, 2, &functions)]).unwrap();
        assert_eq!(second["rows"][0]["id"], 1);
        assert_eq!((&second["gone"], &second["offers"]), (&json!([0]), &json!({})));
    }

    #[test]
    fn a_worker_with_other_functions_is_compared_with_its_lane() {
        let (most, other) = (Arc::new(json!([{"name": "a"}])), Arc::new(json!([{"name": "b"}])));
        let odd = Worker { contract_valid: Some(false), ..worker(1, 0, &other) };
        let found = changes(&mut Rows::default(), &[worker(0, 0, &most), odd]).unwrap();
        assert_eq!(found["rows"][0].get("differences"), None);
        let names: Vec<&str> =
            found["rows"][1]["differences"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
