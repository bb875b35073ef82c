//! The document by itself.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Document, members};

/// Every reference in a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").and_then(Value::as_str));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(elements) => elements.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_nothing_is_left_over() {
    let document = Document::alone().await;
    let mut found = BTreeSet::new();
    references(&document.0, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.0.pointer(pointer).is_some(), "{reference}");
    }
    for (kind, components) in members(&document.0["components"]).filter(|(kind, _)| *kind != "securitySchemes") {
        for (name, _) in members(components) {
            assert!(found.contains(format!("#/components/{kind}/{name}").as_str()), "nothing refers to {kind} {name}");
        }
    }
}

#[tokio::test]
async fn every_operation_is_described() {
    let document = Document::alone().await;
    assert_eq!(document.0["openapi"], "3.1.0");
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"));
    let tags: BTreeSet<&str> =
        document.0["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    let mut used = BTreeSet::new();
    for operation in document.operations() {
        let id = operation.id;
        assert!(ids.insert(id), "{id} is there twice");
        assert!(operation.value["summary"].is_string(), "{id}");
        let own: Vec<&str> =
            operation.value["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
        assert_eq!(own.len(), 1, "{id}");
        used.extend(own);

        let holes: BTreeSet<&str> = operation.path.split('/').filter_map(|part| part.strip_prefix('{')).collect();
        let holes: BTreeSet<&str> = holes.into_iter().map(|hole| hole.trim_end_matches('}')).collect();
        let of_path = operation.parameters.iter().filter(|parameter| parameter["in"] == "path");
        assert_eq!(
            of_path.map(|parameter| parameter["name"].as_str().unwrap()).collect::<BTreeSet<_>>(),
            holes,
            "{id}"
        );
        for parameter in &operation.parameters {
            assert!(parameter["description"].is_string(), "{id}: {parameter}");
            if let Some(example) = parameter.get("example") {
                assert_eq!(document.problems(&parameter["schema"], example), [""; 0], "{id}: {parameter}");
            }
        }
        for (status, response) in members(&operation.value["responses"]) {
            assert!(response["description"].is_string(), "{id} {status}");
        }
    }
    assert_eq!(used, tags);
}

#[tokio::test]
async fn every_body_has_an_example_that_fits() {
    let document = Document::alone().await;
    for operation in document.operations() {
        let id = operation.id;
        let request = &operation.value["requestBody"];
        for (media_type, content) in members(&request["content"]) {
            assert!(members(&content["examples"]).next().is_some(), "{id} takes {media_type} without an example");
        }
        let mut bodies = document.examples(request);
        let before = bodies.len();
        for (_, response) in members(&operation.value["responses"]) {
            bodies.extend(document.examples(response));
        }
        let is_bodiless = operation.value["responses"]["204"].is_object();
        assert!(is_bodiless || bodies.len() > before, "{id} has no example of an answer");
        for example in bodies {
            assert_eq!(document.problems(example.schema, example.value), [""; 0], "{id}, example {}", example.name);
        }
    }
}

#[tokio::test]
async fn its_schemas_are_schemas() {
    let document = Document::alone().await;
    for (name, schema) in members(&document.0["components"]["schemas"]) {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}");
        for example in schema["examples"].as_array().into_iter().flatten() {
            assert_eq!(document.problems_as(name, example), [""; 0], "{name}");
        }
    }
}
