//! Runs the stores one after another, round after round, and prints medians.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::one::Figures;
use crate::{crash, full, store};

const ROUNDS: usize = 3;

/// Everything.
pub fn all(directory: &Path) -> Result<()> {
    println!("{}", machine());
    speed(directory, "0", "system", "64", ROUNDS)?;
    speed(directory, "0", "system", "8", ROUNDS)?;
    speed(directory, "0", "disk", "64", ROUNDS)?;
    speed(directory, "100000", "system", "64", ROUNDS)?;
    speed(directory, "1000000", "system", "64", ROUNDS)?;
    crash::all(directory, 5)?;
    crash::damage_all(directory)?;
    full::all(directory)
}

fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name")).unwrap_or("model name : ?");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} x {}, load {}", model.split(": ").nth(1).unwrap_or("?"), load.trim())
}

/// This program again, in a process of its own.
pub fn child(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

/// Measures all stores, interleaved; each store's folder lives through the rounds.
pub fn speed(directory: &Path, backlog: &str, durability: &str, producers: &str, rounds: usize) -> Result<()> {
    println!("\n## {backlog} queued, durable on {durability}, {producers} producers\n");
    let names = store::names();
    let folder = |name: &str| directory.join(format!("{name}-{backlog}-{durability}"));
    if backlog.parse::<usize>()? >= 1_000_000 {
        for name in names.iter().filter(|name| **name != "none") {
            let status = child(&["fill", name, &folder(name).to_string_lossy(), backlog])?.status()?;
            ensure!(status.success(), "{name} could not be filled");
        }
        println!();
    }
    let mut figures: Vec<Vec<Figures>> = names.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        // Each round begins with another store, so that none always meets the same state of the page cache.
        for index in (0..names.len()).map(|index| (index + round) % names.len()) {
            let (name, figures) = (names[index], &mut figures[index]);
            let output =
                child(&["one", name, &folder(name).to_string_lossy(), backlog, durability, producers])?.output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let problem = String::from_utf8_lossy(&output.stderr);
            figures.push(serde_json::from_str(&text).with_context(|| format!("{name}: {text}{problem}"))?);
        }
    }
    print(&mut figures);
    for name in names {
        let _ = std::fs::remove_dir_all(folder(name));
    }
    Ok(())
}

fn print(figures: &mut [Vec<Figures>]) {
    println!(
        "| store | tasks/s (min – max) | p50 ms | p99 ms | max ms | CPU us/task | writes/group | open s | found | memory MB | peak MB | disk MB | threads |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for rounds in figures {
        let median = |value: fn(&Figures) -> f64| {
            let mut values: Vec<_> = rounds.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            (values[values.len() / 2], values[0], values[values.len() - 1])
        };
        let (tasks, least, most) = median(|figures| figures.tasks_per_second);
        let last = rounds.last().map_or(0, |figures| figures.found);
        println!(
            "| {} | {tasks:.0} ({least:.0} – {most:.0}) | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {:.2} | {last} | {:.0} | {:.0} | {:.0} | {:.0} |",
            rounds[0].store,
            median(|figures| figures.p50_ms).0,
            median(|figures| figures.p99_ms).0,
            median(|figures| figures.max_ms).0,
            median(|figures| figures.cpu_us_per_task).0,
            median(|figures| figures.writes_per_group).0,
            median(|figures| figures.open_seconds).0,
            median(|figures| figures.memory_mb).0,
            median(|figures| figures.peak_memory_mb).0,
            median(|figures| figures.disk_mb).0,
            median(|figures| figures.threads as f64).0,
        );
    }
}
