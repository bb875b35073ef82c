//! Memory of processes, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

use crate::cpu::with_children;

/// What is resident of a process and its children of now, in kilobytes.
pub(crate) fn resident_kb(id: u32) -> Result<f64> {
    with_children(id)?.into_iter().map(of_one).sum()
}

fn of_one(id: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let figure = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    figure.and_then(|kb| kb.parse().ok()).with_context(|| format!("/proc/{id}/status does not tell VmRSS"))
}
