//! What the system knows of this process and of files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

/// Linux counts in `USER_HZ`, a hundredth of a second on every platform it shows to programs.
const TICK: Duration = Duration::from_millis(10);
/// What `st_blocks` counts in, whatever the file system's own blocks are.
const BLOCK: u64 = 512;

/// The resident memory of this process in bytes.
pub(crate) fn memory() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc/self/status")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1_024)
}

/// The CPU time that this process has used, user and system, in steps of 10 ms.
pub(crate) fn cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat")?;
    // The name, in parentheses, may hold anything.
    let fields = text.rsplit_once(')').map(|(_, fields)| fields.split_ascii_whitespace());
    let ticks: Vec<u32> = fields.into_iter().flatten().skip(11).take(2).flat_map(str::parse).collect();
    Ok(TICK * ticks.iter().sum())
}

/// The bytes that the files in a folder take on the disk.
pub(crate) fn disk(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A queue may remove files while we look.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { disk(&entry.path())? } else { metadata.blocks() * BLOCK };
    }
    Ok(bytes)
}
