//! Loading policies, once there are any.

use std::cell::OnceCell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::policy::wasm::{CheckedPolicy, LoadError, Loader, Setup};
use crate::policy::{PolicyLimits, Recorder};

/// Loads policies. Whoever uses none of their own has neither the directory of compiled code nor the thread that interrupts calls.
pub(super) struct LazyLoader {
    limits: PolicyLimits,
    cache: PathBuf,
    recorder: Option<Arc<Recorder>>,
    loader: OnceCell<Loader>,
}

impl LazyLoader {
    /// Compiled code is kept in `cache`, if that can be made.
    pub(super) fn new(limits: PolicyLimits, cache: PathBuf, recorder: Option<Arc<Recorder>>) -> Self {
        Self { limits, cache, recorder, loader: OnceCell::new() }
    }

    /// As [`Loader::load_within`].
    pub(super) fn load_within(
        &self,
        limits: PolicyLimits,
        name: &str,
        bytes: &[u8],
        setup: Setup,
    ) -> Result<CheckedPolicy, LoadError> {
        if self.loader.get().is_none() {
            // Nobody else can have set it meanwhile.
            let _ = self.loader.set(self.loader()?);
        }
        let loader = self.loader.get().ok_or_else(|| LoadError::Host("there is no engine".to_owned()))?;
        loader.load_within(limits, name, bytes, setup)
    }

    fn loader(&self) -> Result<Loader, LoadError> {
        let parent = self.cache.parent().map_or(Ok(()), fs::create_dir_all);
        let kept = parent
            .map_err(|error| LoadError::Host(error.to_string()))
            .and_then(|()| Loader::new(self.limits, Some(&self.cache)));
        let loader = kept.or_else(|error| {
            tracing::warn!("compiled policies are not kept: {error}");
            Loader::new(self.limits, None)
        })?;
        Ok(loader.recording(self.recorder.clone()))
    }
}
