//! Measures storage crates on the load of the durable queue.
//!
//! `storage-bench all DIR` runs everything, interleaved, and prints tables; the other commands are its steps, each in a process of its
//! own. See docs/decisions/0001-storage.md.

mod crash;
mod driver;
mod full;
mod load;
mod machine;
mod one;
mod store;
mod stores;
mod writer;

use std::path::Path;

use anyhow::{Result, bail};

use crate::store::Durability;

fn durability(name: &str) -> Result<Durability> {
    Ok(match name {
        "system" => Durability::System,
        "disk" => Durability::Disk,
        other => bail!("{other:?} is not `system` or `disk`"),
    })
}

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["all", directory] => driver::all(Path::new(directory)),
        ["speed", directory, backlog, durability_name, producers, rounds] => {
            durability(durability_name)?;
            driver::speed(Path::new(directory), backlog, durability_name, producers, rounds.parse()?)
        }
        ["one", store, directory, backlog, name, producers] => {
            one::run(store, Path::new(directory), backlog.parse()?, durability(name)?, producers.parse()?)
        }
        ["fill", store, directory, backlog] => one::fill(store, Path::new(directory), backlog.parse()?),
        ["crash", directory, rounds] => crash::all(Path::new(directory), rounds.parse()?),
        ["hammer", store, directory, ledger] => crash::hammer(store, Path::new(directory), Path::new(ledger)),
        ["verify", store, directory, ledger] => crash::verify(store, Path::new(directory), Path::new(ledger)),
        ["damage", directory] => crash::damage_all(Path::new(directory)),
        ["count", store, directory] => crash::count(store, Path::new(directory)),
        ["full", directory] => full::all(Path::new(directory)),
        ["fill-up", store, directory] => full::fill_up(store, Path::new(directory)),
        _ => bail!(
            "usage: storage-bench all DIR | speed DIR BACKLOG system|disk PRODUCERS ROUNDS | crash DIR ROUNDS | damage DIR | full DIR\n\
             stores: {:?}",
            store::names()
        ),
    }
}
