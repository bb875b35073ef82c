//! The workers file and what follows from it.

use std::path::Path;

use super::super::{FileError, StartError};
use super::test_worker::TestWorker;
use super::*;

/// A change of the file must be in force within this.
const IN_FORCE: Duration = Duration::from_secs(1);

fn listing(workers: &[&TestWorker]) -> String {
    serde_json::to_string(&workers.iter().map(|worker| &worker.url).collect::<Vec<_>>()).unwrap()
}

fn file(directory: &tempfile::TempDir, workers: &[&TestWorker]) -> WorkerSettings {
    let file = directory.path().join("workers.json");
    std::fs::write(&file, listing(workers)).unwrap();
    WorkerSettings { file, discovery_interval: NEVER, ..settings() }
}

fn replace(file: &Path, content: &str) {
    let draft = file.with_extension("draft");
    std::fs::write(&draft, content).unwrap();
    std::fs::rename(draft, file).unwrap();
}

async fn until_listed(rig: &Rig, count: usize) -> Duration {
    let began = Instant::now();
    until(|| rig.fleet.workers().len() == count, || format!("{:?}", rig.fleet.workers())).await;
    began.elapsed()
}

#[tokio::test]
async fn a_change_is_in_force_at_once_whether_written_in_place_or_renamed() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (TestWorker::start(), TestWorker::without_socket());
    let settings = file(&directory, &[&first]);
    let rig = Rig::from_file(&settings).await;
    rig.until_free(4).await;
    let id = rig.view(&first).id;

    std::fs::write(&settings.file, listing(&[&second, &first])).unwrap();
    let took = until_listed(&rig, 2).await;
    assert!(took < IN_FORCE, "in place: {took:?}");
    rig.until_free(8).await;
    let urls: Vec<_> = rig.fleet.workers().iter().map(|worker| worker.url.to_string()).collect();
    assert_eq!(urls, [second.url.clone(), first.url.clone()], "in list order");
    assert_eq!((rig.view(&first).id, first.probes()), (id, 1), "who stays keeps its state");

    replace(&settings.file, &listing(&[&second]));
    let took = until_listed(&rig, 1).await;
    assert!(took < IN_FORCE, "renamed: {took:?}");
    rig.until_free(4).await;

    replace(&settings.file, &listing(&[&first, &second]));
    until_listed(&rig, 2).await;
    rig.until_free(8).await;
    assert_eq!(rig.view(&first).id, id, "who comes back keeps its number");
    rig.stop().await;
}

#[tokio::test]
async fn keeps_the_last_good_list_while_the_file_is_broken_or_missing() {
    let directory = tempfile::tempdir().unwrap();
    let worker = TestWorker::without_socket();
    let settings = file(&directory, &[&worker]);
    let rig = Rig::from_file(&settings).await;
    rig.until_free(4).await;
    let error = || rig.fleet.file_error().as_deref().unwrap_or_default().to_owned();
    assert_eq!(error(), "");

    std::fs::write(&settings.file, r#"["http://a", "b"]"#).unwrap();
    until(|| error() == "entry 2 of the workers file (b): not a URL", error).await;
    assert_eq!((rig.fleet.workers().len(), rig.free()), (1, 4));

    std::fs::remove_file(&settings.file).unwrap();
    until(|| error().contains("does not exist"), error).await;
    assert_eq!((rig.fleet.workers().len(), rig.free()), (1, 4));

    std::fs::write(&settings.file, listing(&[&worker])).unwrap();
    until(|| error().is_empty(), error).await;
    assert_eq!((rig.fleet.workers().len(), worker.probes()), (1, 1), "the same list is no change");
    std::fs::write(&settings.file, "[]").unwrap();
    until_listed(&rig, 0).await;
    rig.until_free(0).await;
}

#[tokio::test]
async fn a_file_in_a_directory_that_is_replaced_is_still_followed() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (TestWorker::without_socket(), TestWorker::without_socket());
    let directory = root.path().join("conf");
    std::fs::create_dir(&directory).unwrap();
    let settings = WorkerSettings { file: directory.join("workers.json"), ..settings() };
    std::fs::write(&settings.file, listing(&[&first])).unwrap();
    let rig = Rig::from_file(&settings).await;
    std::fs::rename(&directory, root.path().join("old")).unwrap();
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(&settings.file, listing(&[&first, &second])).unwrap();
    // Nobody tells of this one, so it is seen at the next look.
    until_listed(&rig, 2).await;
    std::fs::write(&settings.file, listing(&[&second])).unwrap();
    let took = until_listed(&rig, 1).await;
    assert!(took < IN_FORCE, "the new directory is not watched: {took:?}");
}

#[tokio::test]
async fn a_missing_or_wrong_file_at_the_start_is_an_error_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let settings = file(&directory, &[]);
    let start = || {
        let slots = Arc::new(Slots::default());
        Fleet::start(&settings, Secret::new(KEY), slots, Clock::system(), Metrics::new(), CancellationToken::new())
    };
    std::fs::write(&settings.file, r#"["tcp://a"]"#).unwrap();
    let error = start().await.unwrap_err();
    assert_eq!(error.to_string(), "entry 1 of the workers file (tcp://a): the scheme must be http or https");
    std::fs::remove_file(&settings.file).unwrap();
    assert!(matches!(start().await, Err(StartError::File(FileError::Missing(_)))));
}

#[tokio::test]
async fn a_worker_taken_from_the_list_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let worker = TestWorker::start();
    let settings = WorkerSettings { discovery_interval: Duration::from_millis(20), ..file(&directory, &[&worker]) };
    let rig = Rig::from_file(&settings).await;
    rig.until_free(4).await;
    let changes = rig.fleet.changes();
    std::fs::write(&settings.file, "[]").unwrap();
    until_listed(&rig, 0).await;
    assert!(changes.has_changed().unwrap());
    assert_eq!(rig.free(), 0);
    until(|| rig.slots.lanes().iter().all(|lane| lane.offers("hello").is_none()), || "the lane lives on".into()).await;
    // The task that follows the file is the only one left.
    until(|| rig.tasks.running() == 1, || format!("{} tasks", rig.tasks.running())).await;
}
