//! What workers say of themselves, read leniently: what is missing or of another type counts as not said.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::worker::{Service, SlotFigures, SystemFigures, WorkerStatus};
use crate::task::Contract;

/// The longest status word that is shown, in bytes.
const STATUS_MAX_BYTES: usize = 64;

/// The answer of `/health`.
#[derive(Debug)]
pub(super) enum HealthAnswer {
    /// Only a status: the worker does not take us for its balancer.
    Refused,
    /// What an authorized caller gets.
    Health(Box<Health>),
}

/// What `/health` says to an authorized caller.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) group: Option<Arc<str>>,
    pub(super) contract: Option<Contract>,
    pub(super) websocket_port: Option<u16>,
    pub(super) functions: Value,
    pub(super) tags: Option<Value>,
    pub(super) vitals: Vitals,
}

/// What a frame of the WebSocket says, and `/health` too.
#[derive(Debug)]
pub(super) struct Vitals {
    pub(super) status: WorkerStatus,
    pub(super) slots: Option<SlotFigures>,
    pub(super) system: Option<SystemFigures>,
    pub(super) services: Option<Vec<Service>>,
}

/// Reads the body of `/health`; the error is a reason to show.
pub(super) fn read_health(body: &[u8]) -> Result<HealthAnswer, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| format!("/health is not JSON: {error}"))?;
    let Value::Object(mut fields) = value else { return Err("/health is not a JSON object".into()) };
    let vitals = Vitals::read(&fields).ok_or("/health has no status")?;
    let known = ["group", "contract", "functions", "slots", "websocketPort"];
    if !known.iter().any(|name| fields.contains_key(*name)) {
        return Ok(HealthAnswer::Refused);
    }
    Ok(HealthAnswer::Health(Box::new(Health {
        group: text(&fields, "group").filter(|group| !group.is_empty()).map(Arc::from),
        contract: fields.get("contract").and_then(Value::as_f64).and_then(Contract::new),
        websocket_port: fields
            .get("websocketPort")
            .and_then(Value::as_u64)
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0),
        functions: fields.remove("functions").filter(Value::is_array).unwrap_or_else(|| Value::Array(Vec::new())),
        tags: fields.remove("tags").filter(|tags| tags.is_object() || tags.is_array()),
        vitals,
    })))
}

/// Reads a frame of the WebSocket; `None` if it says nothing we know.
pub(super) fn read_frame(text: &str) -> Option<Vitals> {
    match serde_json::from_str(text).ok()? {
        Value::Object(fields) => Vitals::read(&fields),
        _ => None,
    }
}

/// The weight of a worker: its tag `weight`, a positive number or the text of one; 1 otherwise.
pub(super) fn weight(tags: Option<&Value>) -> f32 {
    let tag = tags.and_then(|tags| tags.get("weight"));
    #[expect(clippy::cast_possible_truncation, reason = "signals are f32")]
    let weight = tag.and_then(|tag| tag.as_f64().or_else(|| tag.as_str()?.trim().parse().ok())).map(|tag| tag as f32);
    weight.filter(|weight| weight.is_finite() && *weight > 0.0).unwrap_or(1.0)
}

impl Vitals {
    fn read(fields: &Map<String, Value>) -> Option<Self> {
        let status = match text(fields, "status")? {
            "ready" => WorkerStatus::Ready,
            "maintenance" => WorkerStatus::Maintenance,
            other => WorkerStatus::Other(other[..other.floor_char_boundary(STATUS_MAX_BYTES)].into()),
        };
        Some(Self {
            status,
            slots: fields.get("slots").and_then(Value::as_object).and_then(slots),
            system: fields.get("system").and_then(Value::as_object).map(system),
            services: fields.get("services").and_then(Value::as_array).map(|list| list.iter().map(service).collect()),
        })
    }
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str)
}

fn slots(fields: &Map<String, Value>) -> Option<SlotFigures> {
    let count = |name: &str| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, as it should")]
        fields.get(name).and_then(Value::as_f64).map(|number| number as u32)
    };
    let used = count("used").unwrap_or(0);
    let limit = count("limit").or_else(|| count("available").map(|available| available.saturating_add(used)))?;
    let available = count("available").unwrap_or_else(|| limit.saturating_sub(used));
    Some(SlotFigures { used, available, limit, queue: count("queue").unwrap_or(0) })
}

fn system(fields: &Map<String, Value>) -> SystemFigures {
    let figure = |name: &str| fields.get(name).and_then(Value::as_f64);
    SystemFigures {
        uptime: figure("uptime"),
        used_memory_percent: figure("usedMemoryPercent"),
        cpu_load: figure("cpuLoad"),
    }
}

fn service(value: &Value) -> Service {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(Arc::from);
    Service {
        name: text("name").unwrap_or_else(|| "unnamed".into()),
        status: text("status"),
        state: text("state").unwrap_or_else(|| "unknown".into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health(value: &Value) -> Box<Health> {
        match read_health(value.to_string().as_bytes()).unwrap() {
            HealthAnswer::Health(health) => health,
            HealthAnswer::Refused => panic!("refused"),
        }
    }

    #[test]
    fn a_bare_status_means_that_the_key_was_refused() {
        assert!(matches!(read_health(br#"{"status":"ready"}"#), Ok(HealthAnswer::Refused)));
        assert!(matches!(read_health(br#"{"status":"ready","uptime":3}"#), Ok(HealthAnswer::Refused)));
    }

    #[test]
    fn what_is_no_health_is_refused_with_a_reason() {
        for body in ["", "[]", "<html>", r#"{"group":"g"}"#, r#"{"status":1}"#] {
            assert!(read_health(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn unknown_fields_and_wrong_types_do_no_harm() {
        let health = health(&json!({
            "status": "warming up", "group": "g", "contract": "1", "websocketPort": 70000, "functions": {}, "tags": 3,
            "slots": {"limit": 4.0, "used": -1, "queue": 1e20}, "system": {"cpuLoad": "high", "uptime": 1.5},
            "services": [{"name": "db", "state": "up"}, 5], "surprise": [1, 2],
        }));
        assert_eq!((health.contract, health.websocket_port, health.tags), (None, None, None));
        assert_eq!(health.functions, json!([]));
        assert_eq!(health.vitals.status.word(), "warming up");
        assert_eq!(health.vitals.slots, Some(SlotFigures { used: 0, available: 4, limit: 4, queue: u32::MAX }));
        assert_eq!(health.vitals.system, Some(SystemFigures { uptime: Some(1.5), ..SystemFigures::default() }));
        let up: Vec<bool> = health.vitals.services.unwrap().iter().map(Service::is_up).collect();
        assert_eq!(up, [true, false]);
    }

    #[test]
    fn the_weight_is_a_positive_number_or_its_text() {
        let weigh = |tag: Value| weight(Some(&json!({ "weight": tag })));
        assert!((weigh(json!(2.5)) - 2.5).abs() < f32::EPSILON);
        assert!((weigh(json!(" 3 ")) - 3.0).abs() < f32::EPSILON);
        for tag in [json!(0), json!(-1), json!("heavy"), json!(1e300), json!(null), json!("inf")] {
            assert!((weigh(tag.clone()) - 1.0).abs() < f32::EPSILON, "{tag}");
        }
        assert!((weight(Some(&json!(["gpu"]))) - 1.0).abs() < f32::EPSILON);
    }
}
