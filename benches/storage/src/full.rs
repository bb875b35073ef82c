//! A disk that runs full.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::driver::child;
use crate::load::{Source, record};
use crate::store::{self, Durability, Id, Op, State, Store};

const DISK: &str = "size=300m";
const BALLAST: usize = 80_000_000;
const GROUP: usize = 100;
/// A store that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets each store fill a small disk. Needs the right to mount.
pub fn all(directory: &Path) -> Result<()> {
    println!("\n## disk full ({DISK}), then room is made\n");
    for name in store::names().into_iter().filter(|name| *name != "none") {
        let mount = directory.join("small-disk");
        std::fs::create_dir_all(&mount)?;
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(&mount).status()?;
        ensure!(status.success(), "cannot mount a small disk");
        let mut process = child(&["fill-up", name, &mount.to_string_lossy()])?.stderr(Stdio::inherit()).spawn()?;
        let start = Instant::now();
        while process.try_wait()?.is_none() {
            if start.elapsed() > PATIENCE {
                println!("{name}: hangs, killed");
                process.kill()?;
                process.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Command::new("umount").arg(&mount).status()?;
    }
    Ok(())
}

struct Written {
    acknowledged: Vec<(Id, u64)>,
    source: Source,
}

impl Written {
    /// Enqueues groups until one fails or `most` are in.
    fn enqueue(&mut self, store: &mut dyn Store, most: usize) -> Result<()> {
        let mut places = Vec::new();
        for _ in 0..most {
            let tasks: Vec<_> = (0..GROUP).map(|_| self.source.next()).collect();
            let ops: Vec<_> = tasks.iter().map(|(id, meta, payload)| Op::Enqueue { id: *id, meta, payload }).collect();
            store.write(&ops, &mut places)?;
            self.acknowledged.extend(tasks.iter().map(|task| task.0).zip(places.iter().copied()));
        }
        Ok(())
    }
}

fn say(name: &str, what: &str, result: &Result<()>) {
    match result {
        Ok(()) => println!("{name}: {what}: works"),
        Err(error) => println!("{name}: {what}: {error:#}"),
    }
}

/// Fills the disk, makes room, and tries to go on.
pub fn fill_up(name: &str, mount: &Path) -> Result<()> {
    let ballast = mount.join("ballast");
    std::fs::write(&ballast, vec![1; BALLAST])?;
    let folder = mount.join("store");
    let mut store = store::open(name, &folder, Durability::System)?;
    let mut written = Written { acknowledged: Vec::new(), source: Source::new() };
    let result = written.enqueue(store.as_mut(), usize::MAX);
    println!("{name}: after {} tasks", written.acknowledged.len());
    say(name, "disk full", &result);
    let (id, place) = written.acknowledged[0];
    let record = record();
    let mut places = Vec::new();
    say(name, "settle on the full disk", &store.write(&[Op::Settle { id, place, record: &record }], &mut places));
    say(name, "read on the full disk", &store.payload(&written.acknowledged[1].0, written.acknowledged[1].1).map(drop));
    std::fs::remove_file(&ballast)?;
    let again = written.enqueue(store.as_mut(), 10);
    say(name, "enqueue after room was made", &again);
    let start = Instant::now();
    drop(store);
    println!("{name}: closed in {:.1} s", start.elapsed().as_secs_f64());
    let mut store = store::open(name, &folder, Durability::System)?;
    let mut found = std::collections::HashMap::new();
    store.recover(&mut |id, _, state, _| {
        found.insert(id, state);
    })?;
    let lost = written.acknowledged.iter().filter(|(id, _)| !found.contains_key(id)).count();
    let queued = found.values().filter(|state| **state == State::Queued).count();
    println!("{name}: reopened in the same process: {lost} of {} lost, {queued} queued", written.acknowledged.len());
    if again.is_err() {
        say(name, "enqueue after reopening", &written.enqueue(store.as_mut(), 10));
    }
    Ok(())
}
