//! The routes of the document are those of the router.

use std::collections::BTreeSet;
use std::path::Path;

use super::document::{Document, NOT_YET_IN_THIS_BRANCH};
use crate::harness::TestApp;

/// The text of every file below a directory.
fn sources(directory: &Path, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The paths that the source adds to the router of the interface: a router does not tell what it is made of.
fn routed() -> BTreeSet<String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut texts = vec![std::fs::read_to_string(src.join("api.rs")).unwrap()];
    sources(&src.join("api"), &mut texts);
    let mut paths = BTreeSet::new();
    for text in texts {
        for way in [".nest(", ".nest_service(", ".route_service("] {
            assert!(!text.contains(way), "a way into the router that this test does not follow: {way}");
        }
        for rest in text.split(".route(").skip(1) {
            let path = rest.trim_start().strip_prefix('"').expect("a path as a literal");
            paths.insert(path.split_once('"').unwrap().0.to_owned());
        }
    }
    paths
}

#[tokio::test]
async fn every_path_of_the_router_is_in_the_document_and_the_other_way_round() {
    let document = Document::alone().await;
    let documented: BTreeSet<String> = document.operations().iter().map(|one| one.path.to_owned()).collect();
    let expected = routed().into_iter().chain(NOT_YET_IN_THIS_BRANCH.iter().map(|path| (*path).to_owned())).collect();
    assert_eq!(documented, expected);
}

#[tokio::test]
async fn every_method_of_a_path_is_in_the_document_and_the_other_way_round() {
    let app = TestApp::start(&[]).await;
    let document = Document::of(&app).await;
    let operations = document.routed();
    for operation in &operations {
        let documented: BTreeSet<&str> =
            operations.iter().filter(|one| one.path == operation.path).map(|one| one.method.as_str()).collect();
        let path = operation
            .path
            .replace("{id}", "x")
            .replace("{group}", "g")
            .replace("{contract}", "1")
            .replace("{name}", "n");
        let answer = crate::harness::Answer::of(app.request("TRACE", &path).send().await.unwrap()).await;
        assert_eq!(answer.status, 405, "TRACE {path}");
        let allowed: BTreeSet<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
        let allowed: BTreeSet<&str> = allowed.into_iter().filter(|method| *method != "HEAD").collect();
        assert_eq!(documented, allowed, "{path}");
    }
}
