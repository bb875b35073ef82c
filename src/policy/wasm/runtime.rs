//! The WebAssembly engine, and the clock by which calls are interrupted.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use wasmtime::{Cache, CacheConfig, Config, Engine, EngineWeak};

use super::limits::STACK_BYTES;

const FASTEST_TICK: Duration = Duration::from_millis(1);
const SLOWEST_TICK: Duration = Duration::from_millis(10);
/// Compiled policies on the disk, before the oldest go.
const CACHE_BYTES: u64 = 1 << 30;

/// The engine that all policies of a process share. Its clock stops when it is dropped.
#[derive(Debug)]
pub(super) struct Runtime {
    engine: Engine,
    tick: Duration,
    stop: Arc<(Mutex<bool>, Condvar)>,
    clock: Option<JoinHandle<()>>,
}

impl Runtime {
    /// An engine. Deadlines of about `deadline` are kept well, longer ones better. Compiled code is kept in `cache`, which nobody else
    /// may write to: what is in there is run.
    pub(super) fn new(deadline: Duration, cache: Option<&Path>) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config
            .concurrency_support(false)
            .epoch_interruption(true)
            .max_wasm_stack(STACK_BYTES)
            // Calls must replay exactly, on every machine.
            .cranelift_nan_canonicalization(true)
            .relaxed_simd_deterministic(true);
        if let Some(directory) = cache {
            config.cache(Some(open_cache(directory)?));
        }
        let engine = Engine::new(&config)?;
        let tick = (deadline / 5).clamp(FASTEST_TICK, SLOWEST_TICK);
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (weak, stopped) = (engine.weak(), Arc::clone(&stop));
        // Thread `policy-clock`: ends with the runtime.
        let clock = thread::Builder::new().name("policy-clock".to_owned()).spawn(move || run(&weak, tick, &stopped))?;
        Ok(Self { engine, tick, stop, clock: Some(clock) })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// How exactly deadlines are kept.
    pub(super) fn tick(&self) -> Duration {
        self.tick
    }

    /// Ticks after which at least so much time has passed.
    pub(super) fn ticks(&self, time: Duration) -> u64 {
        let ticks = time.as_nanos().div_ceil(self.tick.as_nanos());
        // The first tick may come at once.
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(clock) = self.clock.take() {
            // It wakes up at once and does nothing more.
            let _ = clock.join();
        }
    }
}

fn run(engine: &EngineWeak, tick: Duration, (stopped, changed): &(Mutex<bool>, Condvar)) {
    let mut stopped = stopped.lock();
    while !*stopped {
        changed.wait_for(&mut stopped, tick);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

/// The cache of compiled code in a directory that only we may enter. Its entries belong to one build of the engine with its settings:
/// another one does not find them.
fn open_cache(directory: &Path) -> wasmtime::Result<Cache> {
    let exists = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
    if let Err(error) = fs::DirBuilder::new().recursive(false).mode(0o700).create(directory)
        && !exists(&error)
    {
        return Err(error.into());
    }
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    let mut config = CacheConfig::new();
    config.with_directory(fs::canonicalize(directory)?).with_files_total_size_soft_limit(CACHE_BYTES);
    Cache::new(config)
}
