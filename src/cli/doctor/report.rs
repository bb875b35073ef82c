//! What was found, for people.

use std::io::{self, Write};

use crate::queue::{Findings, Repaired};

/// More damages than that are only counted.
const SHOWN: usize = 100;

/// Writes what was found.
pub(super) fn write(output: &mut dyn Write, found: &Findings) -> io::Result<()> {
    writeln!(output, "{}", found.directory)?;
    for file in &found.files {
        writeln!(output, "  {}  {} bytes", file.name, file.bytes)?;
    }
    writeln!(output, "The log begins at {} and ends at {}.", found.beginning, found.end)?;
    writeln!(
        output,
        "Readable: {} groups, {} entries, {} bytes of use.",
        found.groups, found.entries, found.live_bytes
    )?;
    let states: Vec<String> = found.tasks.iter().map(|(state, count)| format!("{count} {state}")).collect();
    writeln!(output, "Tasks: {} ({}).", found.task_count(), states.join(", "))?;
    if let Some(tail) = found.torn_tail {
        writeln!(
            output,
            "The last {} bytes are torn: what was being written when the balancer ended. The next start cuts them off.",
            tail.bytes
        )?;
        if tail.entries > 0 {
            writeln!(output, "{} entries in them are whole; they count here, and --repair keeps them.", tail.entries)?;
        }
    }
    if found.is_sound() {
        return writeln!(output, "The log is sound.");
    }
    writeln!(output, "The log is DAMAGED in {} places:", found.damages.len())?;
    for damage in found.damages.iter().take(SHOWN) {
        writeln!(
            output,
            "  {} at byte {}: {}; {} bytes to where it can be read again",
            damage.file, damage.offset, damage.reason, damage.bytes
        )?;
    }
    if let Some(more) = found.damages.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(output, "  and {more} more")?;
    }
    losses(output, found)
}

/// Writes what is lost, as far as that can be known.
fn losses(output: &mut dyn Write, found: &Findings) -> io::Result<()> {
    writeln!(
        output,
        "Lost: {} tasks of which only later changes can be read, and those of which nothing can. {} tasks lack attempts or a result.",
        found.lost_tasks, found.incomplete_tasks
    )?;
    writeln!(output, "A task whose ending was in what cannot be read appears as it was before, and would run again.")
}

/// Writes what a repair did.
pub(super) fn repaired(output: &mut dyn Write, found: &Findings, repaired: &Repaired) -> io::Result<()> {
    writeln!(
        output,
        "Repaired: {} has a new log of {} tasks. The damaged one is {}.",
        found.directory,
        repaired.tasks,
        repaired.damaged.display()
    )?;
    if found.is_sound() { Ok(()) } else { losses(output, found) }
}
