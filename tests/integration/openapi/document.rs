//! The document, and what it says of an operation.

use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::harness::TestApp;

/// NOT YET IN THIS BRANCH: paths that the document has and the router will have. With the routes this list becomes empty; everything
/// that is held to the code then holds for them too.
pub(super) const NOT_YET_IN_THIS_BRANCH: &[&str] = &[];

/// The document as a balancer serves it.
pub(super) struct Document(pub(super) Value);

/// One method of one path.
pub(super) struct Operation<'a> {
    pub(super) method: String,
    pub(super) path: &'a str,
    pub(super) id: &'a str,
    pub(super) value: &'a Value,
    /// Those of the path too.
    pub(super) parameters: Vec<&'a Value>,
}

/// An example of a body: its media type, schema and value.
pub(super) struct Example<'a> {
    pub(super) name: &'a str,
    pub(super) media_type: &'a str,
    pub(super) schema: &'a Value,
    pub(super) value: &'a Value,
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

impl Document {
    pub(super) async fn of(app: &TestApp) -> Self {
        Self(app.get("/openapi.json").await.json())
    }

    /// That of a balancer without workers.
    pub(super) async fn alone() -> Self {
        Self::of(&TestApp::start(&[]).await).await
    }

    /// What stands there, or where it refers to.
    pub(super) fn at<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value.get("$ref") else { return value };
        let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    pub(super) fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, value) in members(item).filter(|(name, _)| METHODS.contains(name)) {
                let parameters = [&item["parameters"], &value["parameters"]];
                let parameters = parameters.into_iter().filter_map(Value::as_array).flatten();
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path,
                    id: value["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no operationId")),
                    value,
                    parameters: parameters.map(|parameter| self.at(parameter)).collect(),
                });
            }
        }
        operations
    }

    /// The operations that the router has.
    pub(super) fn routed(&self) -> Vec<Operation<'_>> {
        self.operations().into_iter().filter(|one| !NOT_YET_IN_THIS_BRANCH.contains(&one.path)).collect()
    }

    pub(super) fn operation(&self, id: &str) -> Operation<'_> {
        self.operations().into_iter().find(|operation| operation.id == id).unwrap_or_else(|| panic!("no {id}"))
    }

    /// The examples of a body: of a request or a response.
    pub(super) fn examples<'a>(&'a self, body: &'a Value) -> Vec<Example<'a>> {
        let mut found = Vec::new();
        for (media_type, content) in members(&body["content"]) {
            for (name, example) in members(&content["examples"]) {
                let value = &self.at(example)["value"];
                found.push(Example { name, media_type, schema: &content["schema"], value });
            }
        }
        found
    }

    /// Says what is wrong with a value. Members that the schema does not list are wrong too, unless it says that there may be more:
    /// clients should put up with such, but a balancer that sends them is not described in full.
    pub(super) fn problems(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut whole = json!({ "allOf": [schema], "components": self.0["components"] });
        close(&mut whole);
        validator(&whole).iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    /// The same for one of the schemas with a name.
    pub(super) fn problems_as(&self, name: &str, value: &Value) -> Vec<String> {
        self.problems(&json!({ "$ref": format!("#/components/schemas/{name}") }), value)
    }
}

impl Operation<'_> {
    /// The codes of errors that are documented for a status.
    pub(super) fn codes(&self, status: u16) -> BTreeSet<String> {
        let schema = &self.value["responses"][status.to_string()]["content"]["application/json"]["schema"];
        // A worker's own answer may stand beside.
        let schema = schema["anyOf"].as_array().map_or(schema, |schemas| &schemas[0]);
        let words = schema["allOf"][1]["properties"]["code"]["enum"].as_array();
        words.into_iter().flatten().map(|word| word.as_str().unwrap().to_owned()).collect()
    }

    /// Its statuses that are numbers.
    pub(super) fn statuses(&self) -> Vec<u16> {
        members(&self.value["responses"]).filter_map(|(status, _)| status.parse().ok()).collect()
    }

    /// Whether it is closed without the key.
    pub(super) fn is_protected(&self) -> bool {
        self.value.get("security").is_none()
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().copied().find(|parameter| parameter["name"] == name)
    }
}

/// The members of an object; of anything else, none.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

fn validator(schema: &Value) -> Validator {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(schema).unwrap_or_else(|error| panic!("{error} in {schema}"))
}

fn close(value: &mut Value) {
    if let Value::Object(schema) = value
        && schema.get("type") == Some(&json!("object"))
        && schema.contains_key("properties")
    {
        schema.entry("additionalProperties").or_insert(json!(false));
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(close),
        Value::Array(elements) => elements.iter_mut().for_each(close),
        _ => {}
    }
}
