//! Puts in force what files, rules and settings ask for.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::catalogue::{AvailablePolicy, Catalogue, History, PolicyEvent, PolicySummary};
use super::lazy_loader::LazyLoader;
use super::library::{Files, Library};
use super::plan::{Sources, Wanted, WantedShadow};
use super::refusals::Refusals;
use super::rules_file::{RulesFile, RulesLook};
use super::versions::Versions;
use crate::config::{PolicyChoice, PolicySettings};
use crate::policy::assigned::Assigned;
use crate::policy::shadow::Shadow;
use crate::policy::table::Table;
use crate::policy::wasm::{CheckedPolicy, LoadError, Setup, WasmPolicy};
use crate::policy::{PolicyEngine, PolicyLimits, Scope, native};
use crate::task::{Clock, Timestamp};

const RULES_FILE: &str = "policies.json";

/// Puts in force what files, rules and settings ask for. Everything here may block, for seconds where policies are compiled.
pub(super) struct Reloader {
    engine: PolicyEngine,
    loader: LazyLoader,
    clock: Clock,
    setting: PolicyChoice,
    limits: PolicyLimits,
    library: Library,
    pub(super) versions: Versions,
    files: Files,
    rules: RulesFile,
    in_force: BTreeMap<Scope, InForce>,
    refused: Refusals,
    /// What is known of files, by hash.
    checked: HashMap<Arc<str>, Result<PolicySummary, String>>,
    pub(super) history: History,
}

/// What some lanes have.
struct InForce {
    /// `None` if what they should have could not be loaded, and there is nothing else.
    policy: Option<Wanted>,
    shadow: Option<WantedShadow>,
    assigned: Arc<Assigned>,
    trouble: Option<String>,
}

/// A policy that can be put in force, and its file.
pub(super) struct Loaded {
    pub(super) policy: CheckedPolicy,
    pub(super) bytes: Vec<u8>,
}

impl Reloader {
    pub(super) fn new(
        engine: PolicyEngine,
        loader: LazyLoader,
        clock: Clock,
        settings: &PolicySettings,
        uploaded: PathBuf,
    ) -> Self {
        Self {
            engine,
            loader,
            clock,
            setting: settings.choice.clone(),
            limits: PolicyLimits::from(settings),
            library: Library::new(uploaded.clone(), settings.directory.clone()),
            versions: Versions::open(uploaded),
            files: Files::default(),
            rules: RulesFile::new(settings.directory.join(RULES_FILE)),
            in_force: BTreeMap::new(),
            refused: Refusals::default(),
            checked: HashMap::new(),
            history: History::default(),
        }
    }

    /// Looks whether anything has changed, and puts it in force. Whether files may still be in the middle of being written; those are
    /// left alone for the moment, unless `at_once`.
    pub(super) fn look(&mut self, at_once: bool) -> bool {
        let files = self.library.look();
        let unsettled = files.unsettled && files.by_name != self.files.by_name;
        if unsettled && !at_once {
            return true;
        }
        let changed = self.set_files(files);
        let new_rules = self.read_rules();
        self.refused.forgive();
        if changed || new_rules || self.has_trouble_to_retry() {
            self.reload();
        }
        false
    }

    /// Looks at the files alone.
    pub(super) fn refresh_files(&mut self) {
        let files = self.library.look();
        self.set_files(files);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn set_files(&mut self, files: Files) -> bool {
        for (name, file) in files.by_name.iter().filter(|(_, file)| file.hides_another) {
            if self.files.by_name.get(name) != Some(file) {
                tracing::warn!(policy = %name, "an uploaded policy hides the file of that name in POLICIES_DIR");
            }
        }
        let changed = files.by_name != self.files.by_name;
        self.files = files;
        changed
    }

    /// Puts in force what there should be.
    pub(super) fn reload(&mut self) {
        let plans = self.sources().plans();
        let mut changed = self.in_force.len() != plans.len();
        self.refused.keep(|wanted| plans.values().any(|plan| plan.policy == *wanted));
        self.in_force.retain(|scope, _| plans.contains_key(scope));
        for (scope, plan) in &plans {
            changed |= self.settle(scope, &plan.policy);
        }
        if changed && let Some(default) = self.in_force.get(&Scope::Default) {
            let mut table = Table::new(Arc::clone(&default.assigned));
            for (scope, in_force) in &self.in_force {
                table.set(scope.clone(), Arc::clone(&in_force.assigned));
            }
            self.engine.put_in_force(table);
        }
        for (scope, plan) in plans {
            self.settle_shadow(&scope, plan.shadow);
        }
    }

    /// Looks at one file that nobody has looked at, to say whether it could be used. False if there is none left.
    pub(super) fn check_next(&mut self) -> bool {
        let next = self.files.by_name.iter().find(|(_, file)| !self.checked.contains_key(&file.sha256));
        let Some((name, sha256)) = next.map(|(name, file)| (name.clone(), Arc::clone(&file.sha256))) else {
            let known: Vec<_> = self.files.by_name.values().map(|file| Arc::clone(&file.sha256)).collect();
            self.checked.retain(|hash, _| known.contains(hash));
            return false;
        };
        let found = self.load(&self.wanted(PolicyChoice::Wasm(name.clone())));
        let check = found.map(|loaded| summary(&loaded.policy)).map_err(|error| error.to_string());
        if let Err(error) = &check {
            tracing::warn!(policy = %format!("wasm:{name}"), "the policy could not be used: {error}");
        }
        self.checked.insert(sha256, check);
        true
    }

    /// A policy as it is loaded where no rule says otherwise.
    pub(super) fn wanted(&self, choice: PolicyChoice) -> Wanted {
        self.sources().wanted(choice)
    }

    fn sources(&self) -> Sources<'_> {
        Sources {
            activated: self.versions.activated(),
            rules: self.rules.rules(),
            setting: &self.setting,
            limits: self.limits,
            files: &self.files,
        }
    }

    /// Loads the file of a policy, or another one in its place.
    pub(super) fn load(&self, wanted: &Wanted) -> Result<Loaded, LoadError> {
        let PolicyChoice::Wasm(name) = &wanted.choice else {
            return Err(LoadError::Host("a native policy has no file".to_owned()));
        };
        let file = self.files.by_name.get(name);
        let file = file.ok_or_else(|| LoadError::NoFile(self.library.directory_path(name).display().to_string()))?;
        let unreadable = |error: io::Error| LoadError::Host(format!("{}: {error}", file.path.display()));
        self.load_bytes(wanted, fs::read(&file.path).map_err(unreadable)?)
    }

    pub(super) fn load_bytes(&self, wanted: &Wanted, bytes: Vec<u8>) -> Result<Loaded, LoadError> {
        let setup = Setup { config: wanted.terms.config.clone(), directory: self.engine.directory() };
        let policy = self.loader.load_within(wanted.terms.limits, &wanted.choice.to_string(), &bytes, setup)?;
        Ok(Loaded { policy, bytes })
    }

    /// What is known of a file from here on.
    pub(super) fn note_checked(&mut self, policy: &CheckedPolicy) {
        self.checked.insert(Arc::clone(policy.sha256()), Ok(summary(policy)));
    }

    /// The present file of a policy.
    pub(super) fn hash_of(&self, name: &str) -> Option<&Arc<str>> {
        self.files.by_name.get(name).map(|file| &file.sha256)
    }

    pub(super) fn is_uploaded(&self, name: &str) -> bool {
        self.files.by_name.get(name).is_some_and(|file| file.is_uploaded)
    }

    pub(super) fn uploaded_path(&self, name: &str) -> PathBuf {
        self.library.uploaded_path(name)
    }

    pub(super) fn catalogue(&self) -> Catalogue {
        let is_in_force = |hash: &Arc<str>| {
            self.in_force.values().any(|it| it.policy.as_ref().is_some_and(|it| it.sha256.as_ref() == Some(hash)))
        };
        let available = self.files.by_name.iter().map(|(name, file)| AvailablePolicy {
            name: name.clone(),
            is_uploaded: file.is_uploaded,
            hides_another: file.hides_another,
            sha256: Arc::clone(&file.sha256),
            bytes: file.bytes,
            check: self.checked.get(&file.sha256).cloned(),
            is_in_force: is_in_force(&file.sha256),
            versions: self.versions.of(name).to_vec(),
        });
        let trouble = |(scope, it): (&Scope, &InForce)| Some((scope.clone(), it.trouble.clone()?));
        Catalogue {
            activated: self.versions.activated().map(str::to_owned),
            rules_error: self.rules.error().map(str::to_owned),
            troubles: self.in_force.iter().filter_map(trouble).collect(),
            available: available.collect(),
            history: self.history.events(),
        }
    }

    /// Something has happened.
    pub(super) fn note(&mut self, what: &'static str, wanted: &Wanted, scope: Option<&Scope>, detail: Option<String>) {
        self.history.add(PolicyEvent {
            at: self.clock.now(),
            what,
            policy: wanted.choice.to_string(),
            scope: scope.cloned(),
            sha256: wanted.sha256.clone(),
            detail,
        });
    }

    /// Reads the rules if they have changed. True if there are other ones in force now.
    fn read_rules(&mut self) -> bool {
        match self.rules.look() {
            RulesLook::Same => false,
            RulesLook::Changed => true,
            RulesLook::Broken(error) => {
                self.history.add(PolicyEvent {
                    at: self.clock.now(),
                    what: "rules_refused",
                    policy: String::new(),
                    scope: None,
                    sha256: None,
                    detail: Some(error),
                });
                false
            }
        }
    }

    fn has_trouble_to_retry(&self) -> bool {
        self.in_force.values().any(|it| it.trouble.is_some())
            && self.sources().plans().iter().any(|(scope, plan)| {
                let has = self.in_force.get(scope).and_then(|it| it.policy.as_ref());
                has != Some(&plan.policy) && self.refused.of(&plan.policy).is_none()
            })
    }

    /// Sees to it that these lanes have that policy. True if they have another one than before.
    fn settle(&mut self, scope: &Scope, wanted: &Wanted) -> bool {
        let before = self.in_force.get_mut(scope);
        if let Some(before) = before
            && before.policy.as_ref() == Some(wanted)
        {
            before.trouble = None;
            return false;
        }
        let error = match self.assign(scope, wanted) {
            Ok(assigned) => {
                let in_force = InForce { policy: Some(wanted.clone()), shadow: None, assigned, trouble: None };
                self.in_force.insert(scope.clone(), in_force);
                self.note("in_force", wanted, Some(scope), None);
                return true;
            }
            Err(error) => error,
        };
        if let Some(before) = self.in_force.get_mut(scope) {
            before.trouble = Some(error);
            return false;
        }
        let (policy, assigned) = self.stand_in(scope, wanted, &error);
        self.in_force.insert(scope.clone(), InForce { policy, shadow: None, assigned, trouble: Some(error) });
        true
    }

    /// A policy ready to be put in force, or why there is none.
    fn assign(&mut self, scope: &Scope, wanted: &Wanted) -> Result<Arc<Assigned>, String> {
        if let Some(error) = self.refused.of(wanted) {
            return Err(error.to_owned());
        }
        let assigned = match &wanted.choice {
            PolicyChoice::Native(name) => {
                native(name).map(Assigned::native).map_err(|error| LoadError::Host(error.to_string()))
            }
            PolicyChoice::Wasm(_) | PolicyChoice::Unset => self.load(wanted).and_then(|loaded| {
                self.loaded(scope, &loaded);
                Assigned::wasm(loaded.policy)
            }),
        };
        assigned.map(Arc::new).map_err(|error| {
            self.refuse(scope, wanted, &error);
            error.to_string()
        })
    }

    fn loaded(&mut self, scope: &Scope, Loaded { policy, bytes }: &Loaded) {
        self.note_checked(policy);
        let (info, compiled_ms) = (policy.info(), u64::try_from(policy.compiled_in().as_millis()).unwrap_or(u64::MAX));
        tracing::info!(
            policy = %policy.name(), lanes = %scope, name = info.name, version = info.version, sha256 = %policy.sha256(),
            exports = policy.exports().join(","), stateful = policy.is_stateful(), compiled_ms, "policy loaded"
        );
        let name = policy.name().strip_prefix("wasm:").unwrap_or(policy.name());
        if let Err(error) = self.versions.used(name, policy.sha256(), bytes, self.clock.now()) {
            tracing::warn!(policy = %policy.name(), "there will be no way back to this version: {error}");
        }
    }

    fn refuse(&mut self, scope: &Scope, wanted: &Wanted, error: &LoadError) {
        let (policy, error_text) = (wanted.choice.to_string(), error.to_string());
        if let Some(before) = self.in_force.get(scope) {
            let (in_force, version) = (before.assigned.choice(), before.assigned.version());
            tracing::error!(
                %policy, lanes = %scope, %in_force, %version,
                "the policy cannot be used, the last good one stays in force: {error}"
            );
        } else {
            tracing::error!(%policy, lanes = %scope, "the policy cannot be used: {error}");
        }
        self.note("refused", wanted, Some(scope), Some(error_text.clone()));
        if let Some(sha256) = &wanted.sha256 {
            self.checked.insert(Arc::clone(sha256), Err(error_text));
        }
        self.refused.add(wanted, error);
    }

    fn settle_shadow(&mut self, scope: &Scope, wanted: Option<WantedShadow>) {
        let Some(in_force) = self.in_force.get(scope) else { return };
        if in_force.shadow == wanted {
            return;
        }
        let shadow = wanted.as_ref().map(|wanted| self.shadow(scope, wanted));
        let assigned = Arc::clone(&in_force.assigned);
        self.engine.retire(assigned.set_shadow(shadow).into_iter());
        if let Some(in_force) = self.in_force.get_mut(scope) {
            in_force.shadow = wanted;
        }
    }

    fn shadow(&self, scope: &Scope, WantedShadow { policy, sample }: &WantedShadow) -> Shadow {
        let choice: Arc<str> = policy.choice.to_string().into();
        let made = match &policy.choice {
            PolicyChoice::Native(name) => match native(name) {
                Ok(native) => return Shadow::native(native, *sample),
                Err(error) => Err(LoadError::Host(error.to_string())),
            },
            PolicyChoice::Wasm(_) | PolicyChoice::Unset => {
                self.load(policy).and_then(|loaded| WasmPolicy::start_aside(loaded.policy))
            }
        };
        match made {
            Ok(guest) => Shadow::wasm(choice, guest, *sample),
            Err(error) => {
                tracing::error!(policy = %choice, lanes = %scope, "the shadow cannot be used: {error}");
                Shadow::missing(choice, error.to_string(), *sample)
            }
        }
    }
}

pub(super) fn summary(policy: &CheckedPolicy) -> PolicySummary {
    let info = policy.info();
    PolicySummary {
        sha256: Arc::clone(policy.sha256()),
        name: info.name.clone(),
        version: info.version.clone(),
        exports: policy.exports(),
        stateful: policy.is_stateful(),
    }
}
