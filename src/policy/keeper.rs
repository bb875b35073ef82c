//! Keeps the policies in force as files, rules and settings have them, and changes them on demand.
//!
//! | file | what it does |
//! |---|---|
//! | `library` | which files there are, and whether they have changed |
//! | `rules`, `rules_file` | `policies.json` |
//! | `plan` | which policy each lane should have by all that |
//! | `reloader`, `refusals` | puts in force what these ask for; keeps the last good policy where that fails |
//! | `lazy_loader` | compiles policies once there are any |
//! | `stand_in` | what takes the place of a policy that cannot be used at a start |
//! | `versions` | what outlives a restart: versions to go back to, the policy that was activated |
//! | `control` | uploading, activating, going back |
//! | `catalogue` | what people are shown |

mod catalogue;
mod control;
mod lazy_loader;
mod library;
mod plan;
mod refusals;
mod reloader;
mod rules;
mod rules_file;
mod stand_in;
mod versions;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use catalogue::{AvailablePolicy, Catalogue, PolicyEvent, PolicySummary};
pub use control::{ControlError, FILE_LIMIT};
pub use versions::KeptVersion;

use self::lazy_loader::LazyLoader;
use self::reloader::Reloader;
use super::{NATIVE_NAMES, PolicyEngine, PolicyLimits, Recorder, native};
use crate::config::PolicySettings;
use crate::task::Clock;

/// Uploaded policies, and what is kept of others.
const UPLOADED: &str = "policies";
/// Compiled policies.
const CACHE: &str = "policies-cache";
/// Editors write in several steps; this joins them into one change.
const SETTLE_TIME: Duration = Duration::from_millis(50);
/// While a file has changed too lately to be read.
const UNSETTLED_TIME: Duration = Duration::from_millis(100);
/// In case the directory cannot be watched.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Keeps the policies in force as files, rules and settings have them. Clones share it.
#[derive(Clone)]
pub struct PolicyKeeper(Arc<Shared>);

struct Shared {
    engine: PolicyEngine,
    directory: PathBuf,
    catalogue: ArcSwap<Catalogue>,
    /// Locked on threads that may block, and held while policies are compiled.
    reloader: Mutex<Reloader>,
}

impl PolicyKeeper {
    /// Puts in force what there should be. A policy that cannot be used is no reason not to start: the version that was in use last takes
    /// its place, or the native order, visibly. Compiling takes seconds for a large policy; the first decision is to be its own, so this waits for it.
    ///
    /// `data_dir` is made when there is something to keep. What policies are asked and answer goes to `recorder`.
    pub async fn start(
        settings: &PolicySettings,
        data_dir: &Path,
        clock: Clock,
        recorder: Option<Arc<Recorder>>,
    ) -> anyhow::Result<Self> {
        let engine = PolicyEngine::with_failures(native(NATIVE_NAMES[0])?, settings.on_failure);
        let (settings, data_dir, started) = (settings.clone(), data_dir.to_owned(), engine.clone());
        let open = move || {
            let loader = LazyLoader::new(PolicyLimits::from(&settings), data_dir.join(CACHE), recorder);
            let mut reloader = Reloader::new(started, loader, clock, &settings, data_dir.join(UPLOADED));
            reloader.look(true);
            reloader.reload();
            (settings.directory, reloader)
        };
        let (directory, reloader) = tokio::task::spawn_blocking(open).await?;
        let catalogue = ArcSwap::from_pointee(reloader.catalogue());
        Ok(Self(Arc::new(Shared { engine, directory, catalogue, reloader: Mutex::new(reloader) })))
    }

    /// Whether there is a file for a policy of that name.
    pub fn has_file(name: &str, directory: &Path, data_dir: Option<&Path>) -> bool {
        let file = format!("{name}.wasm");
        directory.join(&file).is_file() || data_dir.is_some_and(|data| data.join(UPLOADED).join(&file).is_file())
    }

    /// The policies in force.
    pub fn engine(&self) -> &PolicyEngine {
        &self.0.engine
    }

    /// The policies there are.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.0.catalogue.load_full()
    }

    /// Follows the files until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let touched = Arc::new(Notify::new());
        let _watcher = watch::watch(self.0.directory.clone(), Arc::clone(&touched)).await;
        let mut unchecked = true;
        let mut unsettled = false;
        loop {
            // One at a time, so that a change need not wait for all.
            unchecked = unchecked && self.blocking(Reloader::check_next).await.unwrap_or(false);
            if unchecked && !stop.is_cancelled() {
                continue;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = touched.notified(), if !unsettled => sleep(SETTLE_TIME).await,
                () = sleep(if unsettled { UNSETTLED_TIME } else { POLL_INTERVAL }) => {}
            }
            unsettled = self.blocking(|reloader| reloader.look(false)).await.unwrap_or(false);
            unchecked = !unsettled;
        }
    }

    /// Does something that may take long; then what people see is up to date. `None` if the process is ending.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&mut Reloader) -> T + Send + 'static) -> Option<T> {
        let shared = Arc::clone(&self.0);
        let work = move || {
            let mut reloader = shared.reloader.lock();
            let done = work(&mut reloader);
            shared.catalogue.store(Arc::new(reloader.catalogue()));
            done
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

impl std::fmt::Debug for PolicyKeeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyKeeper").finish_non_exhaustive()
    }
}
