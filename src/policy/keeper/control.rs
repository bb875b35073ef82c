//! Changing policies on demand.

use std::fs;
use std::io;

use bytes::Bytes;

use super::PolicyKeeper;
use super::catalogue::PolicySummary;
use super::reloader::{Loaded, Reloader};
use crate::config::PolicyChoice;
use crate::policy::wasm::FILE_BYTES;
use crate::policy::{LoadError, native};

/// The largest file of a policy, in bytes.
pub const FILE_LIMIT: usize = FILE_BYTES;

/// Why a policy was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Such a name no policy can have.
    #[error("{0:?} is no name for a policy: letters, digits, dots, hyphens and underscores, at most 100")]
    Name(String),
    /// There is none of that name.
    #[error("there is no policy {0:?}")]
    Unknown(String),
    /// It cannot be used.
    #[error("the policy cannot be used: {0}")]
    Refused(#[from] LoadError),
    /// There is none to go back to.
    #[error("no version of {0:?} was in use before the present one")]
    NoEarlierVersion(String),
    /// Nothing to undo.
    #[error("{0:?} is not activated")]
    NotActivated(String),
    /// The directory of the balancer's own files failed.
    #[error("the policy cannot be kept: {0}")]
    Storage(#[from] io::Error),
    /// The process is ending.
    #[error("the balancer is shutting down")]
    Closing,
}

impl PolicyKeeper {
    /// Keeps the file of a policy, once it has been checked. Where the policy is in force, this version takes over.
    pub async fn upload(&self, name: String, file: Bytes) -> Result<PolicySummary, ControlError> {
        self.control(move |reloader| reloader.upload(&name, &file)).await
    }

    /// Forgets what was uploaded: what is in `POLICIES_DIR` under that name counts again.
    pub async fn remove(&self, name: String) -> Result<(), ControlError> {
        self.control(move |reloader| reloader.remove(&name)).await
    }

    /// Puts a policy in force for all lanes for which no rule chooses one, until further notice. `name` is `native:<name>`, `wasm:<name>`
    /// or the bare name of one of the user's.
    pub async fn activate(&self, name: String) -> Result<(), ControlError> {
        self.control(move |reloader| reloader.activate(&name)).await
    }

    /// Undoes [`activate`](Self::activate): rules and settings choose again.
    pub async fn deactivate(&self, name: String) -> Result<(), ControlError> {
        self.control(move |reloader| reloader.deactivate(&name)).await
    }

    /// Goes back to the version of a policy that was in use before the present one.
    pub async fn roll_back(&self, name: String) -> Result<PolicySummary, ControlError> {
        self.control(move |reloader| reloader.roll_back(&name)).await
    }

    async fn control<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Reloader) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, ControlError> {
        self.blocking(work).await.unwrap_or(Err(ControlError::Closing))
    }
}

impl Reloader {
    fn upload(&mut self, name: &str, file: &[u8]) -> Result<PolicySummary, ControlError> {
        let name = bare(name)?;
        let wanted = self.wanted(PolicyChoice::Wasm(name.to_owned()));
        let loaded = self.load_bytes(&wanted, file.to_vec())?;
        let summary = self.keep(name, &loaded)?;
        self.note("uploaded", &self.wanted(wanted.choice.clone()), None, None);
        self.reload();
        Ok(summary)
    }

    fn remove(&mut self, name: &str) -> Result<(), ControlError> {
        let name = bare(name)?;
        if !self.is_uploaded(name) {
            return Err(ControlError::Unknown(name.to_owned()));
        }
        let wanted = self.wanted(PolicyChoice::Wasm(name.to_owned()));
        fs::remove_file(self.uploaded_path(name))?;
        self.note("removed", &wanted, None, None);
        self.look(true);
        Ok(())
    }

    fn activate(&mut self, name: &str) -> Result<(), ControlError> {
        let choice = self.choice(name)?;
        let wanted = self.wanted(choice.clone());
        if matches!(choice, PolicyChoice::Wasm(_)) {
            let loaded = self.load(&wanted)?;
            self.note_checked(&loaded.policy);
        }
        self.versions.set_activated(Some(choice.to_string()))?;
        tracing::info!(policy = %choice, "the policy is activated");
        self.note("activated", &wanted, None, None);
        self.reload();
        Ok(())
    }

    fn deactivate(&mut self, name: &str) -> Result<(), ControlError> {
        // Its file may be gone.
        let choice = named(name)?;
        if self.versions.activated() != Some(choice.to_string().as_str()) {
            self.choice(name)?;
            return Err(ControlError::NotActivated(name.to_owned()));
        }
        self.versions.set_activated(None)?;
        tracing::info!(policy = %choice, "rules and settings choose the policy again");
        self.note("deactivated", &self.wanted(choice), None, None);
        self.reload();
        Ok(())
    }

    fn roll_back(&mut self, name: &str) -> Result<PolicySummary, ControlError> {
        let name = bare(name)?;
        let present = self.hash_of(name).ok_or_else(|| ControlError::Unknown(name.to_owned()))?;
        let earlier = self.versions.before(name, present);
        let earlier = earlier.ok_or_else(|| ControlError::NoEarlierVersion(name.to_owned()))?;
        let wanted = self.wanted(PolicyChoice::Wasm(name.to_owned()));
        let loaded = self.load_bytes(&wanted, self.versions.read(&earlier.sha256)?)?;
        let summary = self.keep(name, &loaded)?;
        tracing::info!(policy = %wanted.choice, sha256 = %summary.sha256, "back to an earlier version of the policy");
        self.note("rolled_back", &self.wanted(wanted.choice.clone()), None, None);
        self.reload();
        Ok(summary)
    }

    /// Writes the file to where uploaded policies are.
    fn keep(&mut self, name: &str, Loaded { policy, bytes }: &Loaded) -> Result<PolicySummary, ControlError> {
        self.versions.write(&self.uploaded_path(name), bytes)?;
        self.versions.used(name, policy.sha256(), bytes, self.now())?;
        self.note_checked(policy);
        self.refresh_files();
        Ok(super::reloader::summary(policy))
    }

    /// The policy that is meant; there is one.
    fn choice(&self, name: &str) -> Result<PolicyChoice, ControlError> {
        let choice = named(name)?;
        let is_there = match &choice {
            PolicyChoice::Native(name) => native(name).is_ok(),
            PolicyChoice::Wasm(name) => self.hash_of(name).is_some(),
            PolicyChoice::Unset => false,
        };
        if is_there { Ok(choice) } else { Err(ControlError::Unknown(name.to_owned())) }
    }
}

/// The policy that is meant, whether or not there is one.
fn named(name: &str) -> Result<PolicyChoice, ControlError> {
    match name.strip_prefix("native:") {
        Some(name) => Ok(PolicyChoice::Native(name.to_owned())),
        None => Ok(PolicyChoice::Wasm(bare(name)?.to_owned())),
    }
}

fn bare(name: &str) -> Result<&str, ControlError> {
    let bare = name.strip_prefix("wasm:").unwrap_or(name);
    if PolicyChoice::is_name(bare) { Ok(bare) } else { Err(ControlError::Name(name.to_owned())) }
}
