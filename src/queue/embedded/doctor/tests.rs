//! Damaged logs. They are written by hand, in small files, so that the form itself is held down too.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::config::{Durability, Settings};
use crate::queue::embedded::EmbeddedQueue;
use crate::queue::embedded::files::Files;
use crate::queue::embedded::log::Log;
use crate::queue::ledger::{Order, Phase, Standing};
use crate::queue::{QueueLimits, Sealer, TaskFilter, TaskQueue};
use crate::task::{Clock, Contract, LaneKey, Mode, TaskOptions, TaskSpec, Timestamp, WorkerKey};

/// How large a file of these logs is.
const SIZE: u64 = 4096;
/// The tasks that lie in that file, or reach into it.
const IN_THE_THIRD_FILE: std::ops::Range<u64> = 36..55;
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// A log in the making.
struct Bench {
    data: TempDir,
    log: Vec<u8>,
    /// Where each group begins.
    groups: Vec<usize>,
    sealer: Sealer,
}

impl Bench {
    fn files(&self) -> Files {
        Files::open(&self.directory(), SEGMENT).unwrap()
    }

    /// A log of a header and so many groups of three tasks each.
    fn of(groups: u64) -> Self {
        let settings = Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap();
        let sealer = Sealer::new(&settings.auth).unwrap();
        let mut bench = Self { data: tempfile::tempdir().unwrap(), log: Vec::new(), groups: Vec::new(), sealer };
        std::fs::create_dir(bench.directory()).unwrap();
        let mut header = Vec::new();
        codec::put_header(&mut header).unwrap();
        bench.group(&header);
        for group in 0..groups {
            let mut entries = Vec::new();
            (0..3).for_each(|n| bench.put_task(&mut entries, group * 3 + n));
            bench.group(&entries);
        }
        bench
    }

    fn directory(&self) -> PathBuf {
        self.data.path().join("queue")
    }

    fn put_task(&self, entries: &mut Vec<u8>, n: u64) {
        let spec = spec(n);
        codec::put_task(entries, &spec, &standing(n, 0, Phase::Queued), &self.sealer).unwrap();
    }

    fn put_standing(&mut self, n: u64, version: u32, phase: Phase) {
        let mut entries = Vec::new();
        codec::put_change(&mut entries, id(n), &standing(n, version, phase), None, None).unwrap();
        self.group(&entries);
    }

    fn group(&mut self, entries: &[u8]) {
        self.groups.push(self.log.len());
        let mut summed = u32::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
        summed.extend_from_slice(entries);
        self.log.extend_from_slice(&crc32c::crc32c(&summed).to_le_bytes());
        self.log.extend_from_slice(&summed);
    }

    /// Writes the files.
    fn store(&self) {
        for (number, bytes) in self.log.chunks(usize::try_from(SIZE).unwrap()).enumerate() {
            std::fs::write(self.file(number as u64), bytes).unwrap();
        }
    }

    fn file(&self, number: u64) -> PathBuf {
        self.directory().join(LogBytes::name(number))
    }

    fn examine(&self) -> Result<Doctor, OpenError> {
        let (bytes, catalogue, findings) = read(&self.directory(), SIZE, &mut |_, _| {})?;
        let lock = DirectoryLock::take(self.data.path())?;
        Ok(Doctor { data: self.data.path().to_owned(), bytes, catalogue, findings, lock })
    }

    fn findings(&self) -> Findings {
        self.store();
        self.examine().unwrap().findings().clone()
    }

    /// The numbers of the tasks that can be read.
    fn readable(&self) -> BTreeSet<u64> {
        let ids = self.examine().unwrap().tasks().map(|task| task.unwrap().spec.id.as_u128()).collect::<Vec<_>>();
        (0..1000).filter(|n| ids.contains(&id(*n).as_u128())).collect()
    }
}

fn id(n: u64) -> TaskId {
    TaskId::new(NOW, u128::from(n) << 64)
}

fn spec(n: u64) -> TaskSpec {
    TaskSpec {
        id: id(n),
        lane: LaneKey::new("g", Contract::new(1.0).unwrap()),
        function: "f".into(),
        mode: Mode::Async,
        options: TaskOptions::default(),
        body: Bytes::from(format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(100))),
        worker_key: WorkerKey::new(format!("key-{n}")),
        webhook: None,
        created_at: NOW,
        expires_at: NOW.after(Duration::from_hours(24 * 36_500)),
        resumable: false,
        idempotency: None,
    }
}

fn standing(n: u64, version: u32, phase: Phase) -> Standing {
    let expires_at = spec(n).expires_at;
    let order = Order::new(None, n);
    Standing {
        phase,
        order,
        expires_at,
        version,
        attempts: 0,
        earlier: 0,
        interruptions: 0,
        mode: Mode::Async,
        owes_notice: false,
    }
}

/// All of `0..count` but these.
fn all_but<const N: usize>(count: u64, lost: [u64; N]) -> BTreeSet<u64> {
    (0..count).filter(|n| !lost.contains(n)).collect()
}

/// The key of a task, as the queue opens it.
async fn opened(bench: &Bench) -> Vec<(TaskId, Option<String>)> {
    let limits = QueueLimits {
        max_waiting: 1000,
        max_interruptions: 10,
        retention: Duration::from_hours(1),
        retention_count: 1000,
        retention_bytes: u64::MAX,
    };
    let settings = Settings::from_pairs([("LB_AUTH_KEY", "k")]).unwrap();
    let sealer = Sealer::new(&settings.auth).unwrap();
    let queue = EmbeddedQueue::open(bench.data.path(), limits, Clock::system(), sealer, Durability::System).unwrap();
    let page = queue.list(&TaskFilter { limit: 1000, ..TaskFilter::default() }).await.unwrap();
    let key = |key: &WorkerKey| key.expose().map(str::to_owned);
    page.tasks.iter().rev().map(|task| (task.spec.id, key(&task.spec.worker_key))).collect()
}

#[test]
fn a_sound_log_over_several_files_is_read_whole() {
    let mut bench = Bench::of(20);
    bench.put_standing(4, 1, Phase::Running);
    let found = bench.findings();
    assert!(found.is_sound() && found.torn_tail.is_none() && !found.is_worth_repairing(), "{found:#?}");
    assert!(found.files.len() > 3, "{found:#?}");
    assert_eq!((found.groups, found.entries, found.task_count()), (22, 62, 60));
    assert_eq!((found.tasks["queued"], found.tasks["running"]), (59, 1));
    assert_eq!(bench.readable(), all_but(60, []));
}

#[test]
fn a_log_of_the_real_writer_is_read_and_not_touched() {
    let bench = Bench::of(0);
    let mut log = Log::open(&bench.directory(), &bench.files(), Durability::System, |_| {}, |_, _| Ok(())).unwrap();
    let mut entries = Vec::new();
    (0..9).for_each(|n| bench.put_task(&mut entries, n));
    log.append(&entries).unwrap();
    drop(log);
    let before = std::fs::read(bench.file(0)).unwrap();
    let doctor = Doctor::examine(bench.data.path(), &mut |_, _| {}).unwrap();
    assert!(doctor.findings().is_sound());
    assert_eq!(doctor.findings().task_count(), 9);
    assert_eq!(std::fs::read(bench.file(0)).unwrap(), before);
}

#[test]
fn a_changed_byte_costs_no_more_than_the_entry_it_is_in() {
    let mut bench = Bench::of(20);
    let at = bench.groups[8] + 8 + 60;
    bench.log[at] ^= 1;
    let found = bench.findings();
    assert_eq!(found.damages.len(), 1, "{found:#?}");
    let damage = &found.damages[0];
    assert!(damage.file.ends_with(&LogBytes::name(bench.groups[8] as u64 / SIZE)), "{damage:?}");
    assert_eq!(damage.offset, bench.groups[8] as u64 % SIZE);
    assert_eq!(damage.bytes, (bench.groups[9] - bench.groups[8]) as u64);
    assert_eq!(bench.readable(), all_but(60, [21]));
}

#[test]
fn whatever_byte_is_changed_it_is_sound_only_if_a_balancer_starts_on_it_and_costs_one_task() {
    let whole = Bench::of(3);
    let in_a_header = |at: usize| whole.groups.iter().any(|start| (*start..start + 18).contains(&at));
    for at in (0..whole.log.len()).filter(|at| in_a_header(*at) || at % 41 == 0) {
        let mut bench = Bench::of(3);
        bench.log[at] ^= 1;
        let found = bench.findings();
        assert!(found.task_count() >= 8, "byte {at}: {found:#?}");
        assert_eq!(found.is_sound(), at >= whole.groups[3], "byte {at}: {found:#?}");
        let opened = Log::open(&bench.directory(), &bench.files(), Durability::System, |_| {}, |_, _| Ok(()));
        assert_eq!(found.is_sound(), opened.is_ok(), "byte {at}: {found:#?}");
    }
}

#[test]
fn a_gap_with_nothing_whole_behind_it_is_damage_and_no_torn_end() {
    let bench = Bench::of(60);
    bench.store();
    std::fs::remove_file(bench.file(4)).unwrap();
    (5..12).for_each(|number| drop(std::fs::remove_file(bench.file(number))));
    std::fs::write(bench.file(5), [0; 100]).unwrap();
    let found = bench.examine().unwrap().findings().clone();
    assert!(!found.is_sound() && found.torn_tail.is_none(), "{found:#?}");
}

#[test]
fn damage_in_several_places_is_told_place_by_place() {
    let mut bench = Bench::of(30);
    for group in [2, 11, 12, 25] {
        // The length of the group, and with it the way to the next one.
        let at = bench.groups[group] + 5;
        bench.log[at] ^= 0xff;
    }
    let found = bench.findings();
    assert_eq!(found.damages.len(), 3, "two that touch are one: {found:#?}");
    assert_eq!(bench.readable(), all_but(90, []), "every entry is whole");
}

#[test]
fn a_zeroed_page_costs_what_was_in_it() {
    let mut bench = Bench::of(60);
    bench.log[8192..12_288].fill(0);
    let found = bench.findings();
    assert_eq!(found.damages.len(), 1, "{found:#?}");
    assert_eq!(bench.readable(), (0..180).filter(|n| !IN_THE_THIRD_FILE.contains(n)).collect());
}

#[test]
fn a_missing_file_is_named_and_the_others_are_read() {
    let bench = Bench::of(60);
    bench.store();
    std::fs::remove_file(bench.file(2)).unwrap();
    let found = bench.examine().unwrap().findings().clone();
    assert_eq!(found.damages.len(), 1, "{found:#?}");
    let reason = &found.damages[0].reason;
    assert!(reason.contains(&LogBytes::name(2)) && reason.contains("is missing"), "{reason}");
    assert_eq!(bench.readable(), (0..180).filter(|n| !IN_THE_THIRD_FILE.contains(n)).collect());

    std::fs::remove_file(bench.file(0)).unwrap();
    let found = bench.examine().unwrap().findings().clone();
    assert!(found.damages[0].file.ends_with(&LogBytes::name(0)), "{found:#?}");
    assert_eq!((found.damages[0].offset, found.damages.len()), (0, 2));
}

#[test]
fn a_file_in_the_middle_that_is_too_short_is_named() {
    let bench = Bench::of(60);
    bench.store();
    let file = std::fs::OpenOptions::new().write(true).open(bench.file(1)).unwrap();
    file.set_len(1000).unwrap();
    let found = bench.examine().unwrap().findings().clone();
    assert_eq!(found.damages.len(), 1, "{found:#?}");
    let reason = &found.damages[0].reason;
    assert!(reason.contains(&LogBytes::name(1)) && reason.contains("3096 bytes too short"), "{reason}");
    assert!(bench.readable().contains(&179));
}

#[test]
fn a_torn_end_is_no_damage_and_its_whole_entries_are_told() {
    let mut bench = Bench::of(5);
    bench.log.truncate(bench.log.len() - 20);
    let found = bench.findings();
    assert!(found.is_sound() && found.is_worth_repairing(), "{found:#?}");
    let tail = found.torn_tail.unwrap();
    assert_eq!((tail.bytes, tail.entries), ((bench.log.len() - bench.groups[5]) as u64, 2));
    assert_eq!(bench.readable(), all_but(15, [14]));
}

#[test]
fn an_empty_directory_is_sound_and_a_missing_one_is_not_made() {
    let bench = Bench::of(0);
    let found = bench.examine().unwrap().findings().clone();
    assert!(found.is_sound() && found.task_count() == 0, "{found:#?}");

    let missing = bench.data.path().join("nowhere");
    let error = Doctor::examine(&missing, &mut |_, _| {}).err().unwrap();
    assert!(error.to_string().contains("nowhere/queue"), "{error}");
    assert!(!missing.exists());
}

#[test]
fn a_log_of_another_version_is_left_alone() {
    let mut bench = Bench::of(2);
    let mut header = Vec::new();
    frame::put(&mut header, frame::Kind::Header, |buffer| {
        buffer.push(99);
        Ok::<(), FrameError>(())
    })
    .unwrap();
    bench.group(&header);
    bench.store();
    let error = bench.examine().err().unwrap();
    assert!(matches!(error, OpenError::Format { found: 99, .. }), "{error}");
}

#[test]
fn what_was_dropped_before_the_beginning_is_neither_damage_nor_read() {
    let mut bench = Bench::of(10);
    let beginning = bench.groups[4] as u64;
    bench.log[100..900].fill(0xee);
    bench.store();
    std::fs::write(bench.directory().join(BEGINNING), beginning.to_le_bytes()).unwrap();
    let found = bench.examine().unwrap().findings().clone();
    assert!(found.is_sound(), "{found:#?}");
    assert_eq!((found.beginning, found.task_count()), (beginning, 21));
}

#[test]
fn a_wrong_beginning_is_damage_and_costs_no_task() {
    let bench = Bench::of(10);
    bench.store();
    let middle_of_a_group = bench.groups[4] as u64 + 7;
    for wrong in [&b"abc"[..], &u64::MAX.to_le_bytes(), &middle_of_a_group.to_le_bytes()] {
        std::fs::write(bench.directory().join(BEGINNING), wrong).unwrap();
        let found = bench.examine().unwrap().findings().clone();
        assert_eq!(found.damages.len(), 1, "{found:#?}");
        assert!(found.damages[0].file.ends_with(BEGINNING), "{found:#?}");
        assert_eq!(found.task_count(), 30);
    }
}

#[test]
fn a_task_known_only_by_its_changes_is_counted_as_lost() {
    let mut bench = Bench::of(10);
    bench.put_standing(4, 1, Phase::Running);
    let at = bench.groups[2] + 8 + 300;
    bench.log[at] ^= 1;
    let found = bench.findings();
    assert_eq!((found.task_count(), found.lost_tasks), (29, 1), "{found:#?}");
}

#[tokio::test]
async fn a_repaired_log_opens_with_every_readable_task_and_its_key() {
    let mut bench = Bench::of(20);
    bench.put_standing(5, 1, Phase::Delayed(NOW.after(Duration::from_hours(24 * 36_500))));
    for group in [3, 9] {
        let at = bench.groups[group] + 8 + 60;
        bench.log[at] ^= 1;
    }
    bench.store();
    let doctor = bench.examine().unwrap();
    // What earlier tries have left.
    let left = ["queue.building", "queue.new"].map(|name| bench.data.path().join(name));
    for directory in &left {
        std::fs::create_dir(directory).unwrap();
        std::fs::write(directory.join(LogBytes::name(0)), "half of it").unwrap();
    }
    let repaired = doctor.repair(NOW).unwrap();
    assert_eq!(repaired.tasks, 58);
    assert_eq!(std::fs::read(repaired.damaged.join(LogBytes::name(0))).unwrap(), bench.log[..4096]);
    assert!(left.iter().all(|directory| !directory.exists()));

    let after = Doctor::examine(bench.data.path(), &mut |_, _| {}).unwrap().findings().clone();
    assert!(after.is_sound(), "{after:#?}");
    assert_eq!((after.tasks["queued"], after.tasks["delayed"]), (57, 1));
    let expected: Vec<_> = all_but(60, [6, 24]).into_iter().map(|n| (id(n), Some(format!("key-{n}")))).collect();
    assert_eq!(opened(&bench).await, expected);
}

#[test]
fn a_repair_cut_off_before_its_last_step_is_ended_and_never_taken_for_an_empty_queue() {
    let bench = Bench::of(2);
    bench.store();
    let new = bench.data.path().join("queue.new");
    std::fs::rename(bench.directory(), &new).unwrap();
    assert!(matches!(refuse_half_repaired(bench.data.path()), Err(OpenError::HalfRepaired { .. })));
    assert!(matches!(Doctor::examine(bench.data.path(), &mut |_, _| {}), Err(OpenError::HalfRepaired { .. })));
    assert!(Doctor::end_repair(bench.data.path()).unwrap());
    assert!(!new.exists());
    assert_eq!(bench.readable(), all_but(6, []));
    assert!(!Doctor::end_repair(bench.data.path()).unwrap());
}
