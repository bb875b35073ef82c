//! What a worker publishes beside what most of its lane publish.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// One function in which a worker differs from its lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::dashboard) struct Difference {
    /// The function.
    pub(in crate::dashboard) name: String,
    /// Its params on this worker, as JSON; `None` if the worker does not have it.
    pub(in crate::dashboard) here: Option<String>,
    /// Its params on most workers of the lane; `None` if they do not have it.
    pub(in crate::dashboard) lane: Option<String>,
}

/// The functions in which two lists differ, by name.
pub(super) fn differences(here: &Value, lane: &Value) -> Vec<Difference> {
    let (here, lane) = (by_name(here), by_name(lane));
    let names: std::collections::BTreeSet<&str> = here.keys().chain(lane.keys()).copied().collect();
    let differing = names.into_iter().filter(|name| here.get(name) != lane.get(name));
    let text = |params: Option<&Value>| params.map(|params| serde_json::to_string_pretty(params).unwrap_or_default());
    let difference =
        |name: &str| Difference { name: name.to_owned(), here: text(here.get(name)), lane: text(lane.get(name)) };
    differing.map(difference).collect()
}

/// Params by function; none are the same as empty ones.
fn by_name(functions: &Value) -> BTreeMap<&str, Value> {
    let functions = functions.as_array().into_iter().flatten();
    let named = functions.filter_map(|function| {
        let name = function.as_str().or_else(|| function.get("name")?.as_str())?;
        let params = function.get("params").filter(|params| !params.is_null()).cloned();
        Some((name, params.unwrap_or_else(|| Value::Object(serde_json::Map::new()))))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_named_on_both_sides() {
        let here = json!([{"name": "a"}, {"name": "b", "params": {"x": {"type": "string"}}}, {"name": "new"}]);
        let lane = json!([{"name": "b", "params": {"x": {"type": "number"}}}, {"name": "a", "params": {}}, "gone"]);
        let found = differences(&here, &lane);
        let names: Vec<_> =
            found.iter().map(|found| (found.name.as_str(), found.here.is_some(), found.lane.is_some())).collect();
        assert_eq!(names, [("b", true, true), ("gone", false, true), ("new", true, false)]);
        assert!(
            found[0].here.as_ref().unwrap().contains("string") && found[0].lane.as_ref().unwrap().contains("number")
        );
    }
}
