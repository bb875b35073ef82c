//! CPU time of processes, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Linux counts in `USER_HZ`, a hundredth of a second on every platform it shows to programs.
const TICK: Duration = Duration::from_millis(10);

/// A process and the children it had when it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    ids: Vec<u32>,
}

impl Processes {
    /// Process `id` and its children of now.
    pub(crate) fn with_children(id: u32) -> Result<Self> {
        Ok(Self { ids: with_children(id)? })
    }

    /// This process.
    pub(crate) fn own() -> Self {
        Self { ids: vec![std::process::id()] }
    }

    /// What all of them have used together, user and system, in steps of 10 ms.
    pub(crate) fn used(&self) -> Result<Duration> {
        self.ids.iter().map(|&id| Ok(read_stat(id)?.used)).sum()
    }
}

/// A process and its children of now.
pub(crate) fn with_children(id: u32) -> Result<Vec<u32>> {
    let mut ids = vec![id];
    for entry in fs::read_dir("/proc")? {
        let Some(candidate) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while we look.
        if read_stat(candidate).is_ok_and(|stat| stat.parent == id) {
            ids.push(candidate);
        }
    }
    Ok(ids)
}

struct Stat {
    parent: u32,
    used: Duration,
}

fn read_stat(id: u32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{id}/stat"))?;
    parse_stat(&text).with_context(|| format!("/proc/{id}/stat is not as expected: {text}"))
}

fn parse_stat(text: &str) -> Option<Stat> {
    // The name, in parentheses, may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(Stat { parent: field(1)?, used: TICK * field(11)?.checked_add(field(12)?)? })
}
