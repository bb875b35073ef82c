//! Killed and damaged stores.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::driver::child;
use crate::load::{self, Source};
use crate::machine;
use crate::store::{self, Durability, Id, State};
use crate::writer::Writer;

fn stores() -> impl Iterator<Item = &'static str> {
    store::names().into_iter().filter(|name| *name != "none")
}

/// Kills each store in the middle of the load, again and again, and looks for what was acknowledged.
pub fn all(directory: &Path, rounds: u32) -> Result<()> {
    println!("\n## kill -9 in the middle, {rounds} times each\n");
    for name in stores() {
        let folder = directory.join(format!("{name}-crash"));
        let ledger = directory.join(format!("{name}-ledger"));
        let (folder_name, ledger_name) = (folder.to_string_lossy(), ledger.to_string_lossy());
        for round in 0..rounds {
            let mut hammer = child(&["hammer", name, &folder_name, &ledger_name])?.spawn()?;
            std::thread::sleep(Duration::from_millis(u64::from(round) * 377 + 900));
            hammer.kill()?;
            hammer.wait()?;
        }
        child(&["verify", name, &folder_name, &ledger_name])?.status()?;
        std::fs::remove_dir_all(folder)?;
        std::fs::remove_file(ledger)?;
    }
    Ok(())
}

/// Runs the load and writes each acknowledgement down, until killed.
pub fn hammer(name: &str, directory: &Path, ledger: &Path) -> Result<()> {
    let ledger = OpenOptions::new().create(true).append(true).open(ledger)?;
    let (writer, ..) = Writer::recover(store::open(name, directory, Durability::System)?, usize::MAX)?;
    let note = Arc::new(move |kind: u8, id: &Id| {
        let mut line = [kind; 17];
        line[1..].copy_from_slice(id);
        // A full disk would show up as a lost record, which is the point.
        let _ = (&ledger).write_all(&line);
    });
    load::run(writer, Arc::new(Source::new()), 64, Duration::ZERO, Duration::from_secs(60), Some(note))?;
    Ok(())
}

/// Compares a store with the ledger.
pub fn verify(name: &str, directory: &Path, ledger: &Path) -> Result<()> {
    let mut expected: HashMap<Id, u8> = HashMap::new();
    for line in std::fs::read(ledger)?.chunks_exact(17) {
        // An enqueue is noted under the id that was claimed; with an empty queue that may be another's, so only settles are strict.
        let note = expected.entry(line[1..].try_into()?).or_insert(b'E');
        if line[0] == b'S' {
            *note = b'S';
        }
    }
    let start = std::time::Instant::now();
    let mut store = store::open(name, directory, Durability::System)?;
    let mut found = HashMap::new();
    store.recover(&mut |id, _, state, _| {
        found.insert(id, state);
    })?;
    let time = start.elapsed();
    let lost = expected.keys().filter(|id| !found.contains_key(*id)).count();
    let undone = expected.iter().filter(|(id, note)| **note == b'S' && found.get(*id) == Some(&State::Queued)).count();
    println!(
        "{name}: {} acknowledged, {} found, {lost} lost, {undone} endings lost, opened in {:.2} s",
        expected.len(),
        found.len(),
        time.as_secs_f64()
    );
    Ok(())
}

/// Says what a store holds.
pub fn count(name: &str, directory: &Path) -> Result<()> {
    let (mut queued, mut ended) = (0, 0);
    let mut store = match store::open(name, directory, Durability::System) {
        Ok(store) => store,
        Err(error) => {
            println!("refused: {error:#}");
            return Ok(());
        }
    };
    let read = store.recover(&mut |_, _, state, _| match state {
        State::Queued => queued += 1,
        State::Ended => ended += 1,
    });
    match read {
        Ok(()) => println!("opened: {queued} queued, {ended} ended"),
        Err(error) => println!("refused: {error:#}"),
    }
    machine::die()
}

/// Damages each store in three ways.
pub fn damage_all(directory: &Path) -> Result<()> {
    println!("\n## damage to the newest file of 6,000 tasks, after a kill\n");
    for name in stores() {
        for way in ["none", "last 100 bytes gone", "one byte changed in the middle", "16 bytes zeroed in the middle"] {
            let folder = directory.join(format!("{name}-damage"));
            let folder_name = folder.to_string_lossy();
            child(&["fill", name, &folder_name, "6000"])?.stdout(std::process::Stdio::null()).status()?;
            let path = newest(&folder)?;
            damage(&path, way)?;
            let output = child(&["count", name, &folder_name])?.output()?;
            let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let errors = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " / ");
            let file = path.strip_prefix(&folder)?.display();
            println!("{name}, {file}, {way}: {said} {errors}");
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(())
}

/// The file that was written to last.
fn newest(folder: &Path) -> Result<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)?.flatten() {
            let data = entry.metadata()?;
            if data.is_dir() {
                folders.push(entry.path());
            } else if data.len() > 4_096 && !entry.file_name().to_string_lossy().ends_with("-shm") {
                files.push((data.modified()?, entry.path()));
            }
        }
    }
    files.into_iter().max().map(|(_, path)| path).context("no file")
}

fn damage(path: &Path, way: &str) -> Result<()> {
    let bytes = std::fs::read(path)?;
    // A preallocated journal ends in zeroes.
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let file: File = OpenOptions::new().write(true).open(path)?;
    match way {
        "last 100 bytes gone" if used == bytes.len() => file.set_len(used as u64 - 100)?,
        "last 100 bytes gone" => file.write_all_at(&[0; 100], used as u64 - 100)?,
        "one byte changed in the middle" => file.write_all_at(&[bytes[used / 2] ^ 0x20], used as u64 / 2)?,
        "16 bytes zeroed in the middle" => file.write_all_at(&[0; 16], used as u64 / 2)?,
        _ => {}
    }
    Ok(())
}
