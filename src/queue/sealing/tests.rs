use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::Settings;
use crate::task::Timestamp;

fn sealer(present: &str, previous: &str) -> Sealer {
    let pairs = [("LB_AUTH_KEY", present), ("LB_AUTH_KEY_PREVIOUS", previous)];
    Sealer::new(&Settings::from_pairs(pairs).unwrap().auth).unwrap()
}

fn task(chance: u128) -> TaskId {
    TaskId::new(Timestamp::from_millis(1_700_000_000_000), chance << 48)
}

/// The key that comes out; `None` if it is unreadable.
fn opened(sealer: &Sealer, task: TaskId, stored: &[u8]) -> Option<String> {
    sealer.open(task, stored).expose().map(str::to_owned)
}

/// A text of 16 or more characters, which is not found somewhere by accident.
fn worker_key() -> impl Strategy<Value = String> {
    "[ -~]{16,200}"
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_nothing_of_it_shows(key in worker_key(), chance: u64) {
        let (sealer, task) = (sealer("lb", ""), task(chance.into()));
        let sealed = sealer.seal(task, &WorkerKey::new(key.as_str()));
        prop_assert_eq!(opened(&sealer, task, &sealed), Some(key.clone()));
        prop_assert!(!sealed.windows(8).any(|window| key.as_bytes().windows(8).any(|part| part == window)));
    }

    #[test]
    fn any_text_opens_again(key: String, chance: u64) {
        let (sealer, task) = (sealer("lb", ""), task(chance.into()));
        let sealed = sealer.seal(task, &WorkerKey::new(key.as_str()));
        prop_assert_eq!(opened(&sealer, task, &sealed), Some(key));
    }

    #[test]
    fn opens_for_no_other_task(key in worker_key(), one: u64, other: u64, bit in 0..128_u32) {
        prop_assume!(task(one.into()) != task(other.into()));
        let sealer = sealer("lb", "");
        let sealed = sealer.seal(task(one.into()), &WorkerKey::new(key));
        prop_assert_eq!(opened(&sealer, task(other.into()), &sealed), None);
        // One that is made for it: any single bit, version and time included.
        let near = uuid::Uuid::from_u128(task(one.into()).as_u128() ^ 1 << bit).to_string().parse().unwrap();
        prop_assert_eq!(opened(&sealer, near, &sealed), None);
    }

    #[test]
    fn a_changed_byte_makes_it_unreadable(key in worker_key(), at: prop::sample::Index, change in 1..=255_u8) {
        let (sealer, task) = (sealer("lb", ""), task(1));
        let mut sealed = sealer.seal(task, &WorkerKey::new(key));
        let at = at.index(sealed.len());
        sealed[at] ^= change;
        prop_assert_eq!(opened(&sealer, task, &sealed), None);
    }

    #[test]
    fn a_missing_end_makes_it_unreadable(key in worker_key(), at: prop::sample::Index) {
        let (sealer, task) = (sealer("lb", ""), task(1));
        let sealed = sealer.seal(task, &WorkerKey::new(key));
        prop_assert_eq!(opened(&sealer, task, &sealed[..at.index(sealed.len())]), None);
    }

    #[test]
    fn whatever_lies_there_is_no_error_and_is_kept(bytes: Vec<u8>) {
        let (sealer, task) = (sealer("lb", "older"), task(1));
        let key = sealer.open(task, &bytes);
        prop_assert_eq!(key.unopened(), Some(&bytes[..]));
        prop_assert_eq!(sealer.seal(task, &key), bytes);
    }

    #[test]
    fn another_key_does_not_open_it(ours in "[a-z]{1,40}", theirs in "[a-z]{1,40}", key in worker_key()) {
        prop_assume!(ours != theirs);
        let task = task(1);
        let sealed = sealer(&ours, "").seal(task, &WorkerKey::new(key));
        prop_assert_eq!(opened(&sealer(&theirs, ""), task, &sealed), None);
    }
}

#[test]
fn the_key_before_opens_but_does_not_seal() {
    let (before, rotated, after) = (sealer("old", ""), sealer("new", "old"), sealer("new", ""));
    let (task, key) = (task(1), WorkerKey::new("hush"));
    assert_eq!(rotated.open(task, &before.seal(task, &key)), key);
    let sealed = rotated.seal(task, &key);
    assert_eq!(after.open(task, &sealed), key);
    assert!(!before.open(task, &sealed).is_readable());
}

#[test]
fn what_a_key_change_made_unreadable_can_be_read_again_with_the_key_before() {
    let (task, key) = (task(1), WorkerKey::new("hush"));
    let changed = sealer("new", "");
    let unreadable = changed.open(task, &sealer("old", "").seal(task, &key));
    assert_eq!(unreadable.expose(), None);
    let stored_again = changed.seal(task, &unreadable);
    assert_eq!(sealer("new", "old").open(task, &stored_again), key);
}

#[test]
fn the_same_key_looks_different_in_every_task() {
    let (sealer, key) = (sealer("lb", ""), WorkerKey::new("the same key in every task"));
    let (one, other) = (sealer.seal(task(1), &key), sealer.seal(task(2), &key));
    assert!(one[1..].iter().zip(&other[1..]).filter(|(one, other)| one == other).count() < 8);
}

#[test]
fn the_format_is_the_one_that_stores_hold() {
    let sealer = sealer("lb-key", "");
    let stored = sealer.seal(task(7), &WorkerKey::new("worker-key"));
    // Made with other implementations of HKDF and of the cipher.
    let expected = 0x01ae_627c_2ceb_6be7_88a4_dbc0_fd9b_30b8_u128.to_be_bytes();
    assert_eq!(stored[..16], expected);
    assert_eq!(stored[16..], [0xb5, 0x23, 0x80, 0x86, 0xfd, 0xb5, 0x12, 0xdd, 0x36, 0xe9, 0x4f]);
    assert_eq!(stored.len(), 1 + "worker-key".len() + TAG_BYTES);
}

#[test]
fn can_be_shared_between_threads_and_shows_nothing() {
    let sealer = Arc::new(sealer("hush", "hush-too"));
    let (elsewhere, key) = (Arc::clone(&sealer), WorkerKey::new("k"));
    let stored = std::thread::spawn(move || elsewhere.seal(task(1), &key)).join().unwrap();
    assert_eq!(opened(&sealer, task(1), &stored).as_deref(), Some("k"));
    assert_eq!(format!("{sealer:?}"), "Sealer { .. }");
}
