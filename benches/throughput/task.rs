//! The tasks that are sent.

use bytes::Bytes;

/// A task of that lane which is answered at once.
pub(crate) fn hello(lane: u32) -> Bytes {
    with(lane, r#""input":{"name":"bench"}"#)
}

/// As [`hello`], with an input of so many bytes.
pub(crate) fn with_payload(bytes: usize) -> Bytes {
    with(0, &format!(r#""input":{{"data":"{}"}}"#, "x".repeat(bytes)))
}

/// As [`hello`], with that `options.key`.
pub(crate) fn with_key(key: u32) -> Bytes {
    with(0, &format!(r#""input":{{"name":"bench"}},"options":{{"key":"customer-{key}"}}"#))
}

/// Nobody waits for it.
pub(crate) fn nobody_waits(lane: u32) -> Bytes {
    with(lane, r#""mode":"async","input":{"name":"bench"}"#)
}

/// Nobody waits for it, and every other one of its lane goes first.
pub(crate) fn last(lane: u32) -> Bytes {
    with(lane, r#""mode":"async","priority":1000,"input":{"name":"bench"}"#)
}

/// It keeps a slot busy for longer than anything is measured.
pub(crate) fn sleep(lane: u32) -> Bytes {
    format!(r#"{{"group":"bench-{lane}","function":"sleep","contract":1,"mode":"async"}}"#).into()
}

/// It is answered with 16 MB.
pub(crate) fn stream() -> Bytes {
    Bytes::from_static(br#"{"group":"bench-0","function":"stream","contract":1,"mode":"stream"}"#)
}

/// Many of the same, as `POST /tasks` takes them.
pub(crate) fn batch(task: &[u8], count: usize) -> Bytes {
    let mut batch = Vec::with_capacity((task.len() + 1) * count + 2);
    batch.push(b'[');
    for n in 0..count {
        if n > 0 {
            batch.push(b',');
        }
        batch.extend_from_slice(task);
    }
    batch.push(b']');
    batch.into()
}

fn with(lane: u32, fields: &str) -> Bytes {
    format!(r#"{{"group":"bench-{lane}","function":"hello","contract":1,{fields}}}"#).into()
}
