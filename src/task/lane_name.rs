//! The names of lanes as queues of `BullMQ`.

use std::fmt::Write;

use super::{Contract, LaneKey};

const HEAD: &str = "tasks.";

/// The name of a lane's queue: `tasks.<group>.<contract>`. What is no letter, digit, `_` or `-` in the group is percent-encoded, so no
/// name has a `:` and no two lanes have the same.
pub(crate) fn of(lane: &LaneKey) -> String {
    let mut name = HEAD.to_owned();
    for byte in lane.group.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            name.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name.push('.');
    // The number as JSON writes it: the shortest text that reads back as the same number.
    name.push_str(&serde_json::to_string(&lane.contract).unwrap_or_default());
    name
}

/// The lane of a queue's name; `None` if it is no lane's.
pub(crate) fn parse(name: &str) -> Option<LaneKey> {
    let (group, contract) = name.strip_prefix(HEAD)?.split_once('.')?;
    let mut bytes = Vec::with_capacity(group.len());
    let mut rest = group.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let contract: f64 = contract.parse().ok()?;
    Some(LaneKey::new(String::from_utf8(bytes).ok()?, Contract::new(contract)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(group: &str, contract: f64) -> LaneKey {
        LaneKey::new(group, Contract::new(contract).unwrap())
    }

    #[test]
    fn names_are_told_apart_and_read_back() {
        let lanes = [
            (lane("default", 1.0), "tasks.default.1"),
            (lane("a.b:c%", 1.5), "tasks.a%2Eb%3Ac%25.1.5"),
            (lane("ä", -0.25), "tasks.%C3%A4.-0.25"),
            (lane("", 1e300), "tasks..1e+300"),
        ];
        for (lane, name) in lanes {
            assert_eq!(of(&lane), name);
            assert_eq!(parse(name), Some(lane));
        }
        for other in ["tasks", "tasks.default", "jobs.default.1", "tasks.default.x", "tasks.%4.1", "tasks.%FF.1"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
