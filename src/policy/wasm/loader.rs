//! From bytes to a policy that has been set up and tried out.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ring::digest;

use super::component::PolicyCode;
use super::error::{LoadError, Trouble, sentence};
use super::golden;
use super::guest_log::GuestLog;
use super::instance::{Instance, PolicyInfo};
use super::limits::PolicyLimits;
use super::recorder::{Recorder, Recording};
use super::runtime::Runtime;
use crate::policy::{Admission, Candidates, Directory, Outcome, RankContext, SubmissionView};

/// Makes policies of files. One for the process: all it loads share an engine and its clock, and the cache of compiled code.
pub struct Loader {
    runtime: Arc<Runtime>,
    limits: PolicyLimits,
    recorder: Option<Arc<Recorder>>,
    /// Code by the hash of its file, as long as anybody uses it.
    in_use: Mutex<HashMap<Arc<str>, Weak<PolicyCode>>>,
}

/// With what a policy is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its own configuration, a JSON object.
    pub config: String,
    /// What there is.
    pub directory: Arc<Directory>,
}

impl Default for Setup {
    fn default() -> Self {
        Self { config: "{}".to_owned(), directory: Arc::default() }
    }
}

/// A policy that has been compiled, set up and tried out, and is not in use yet.
pub struct CheckedPolicy {
    pub(super) name: Arc<str>,
    pub(super) code: Arc<PolicyCode>,
    pub(super) limits: PolicyLimits,
    pub(super) setup: Setup,
    pub(super) log: Arc<GuestLog>,
    pub(super) recording: Option<Recording>,
    /// Fresh: nothing of the trial is in its memory.
    pub(super) instance: Instance,
    pub(super) info: PolicyInfo,
    pub(super) sha256: Arc<str>,
    /// Whether it ranks fast enough to do so on the thread that wants to know.
    pub(super) swift: bool,
    /// How long it took to compile, or to find compiled.
    pub(super) compiled_in: Duration,
    /// How long a new instance takes.
    pub(super) starts_in: Duration,
}

impl Loader {
    /// A loader for policies with these limits. Compiled code is kept in `cache`, a directory that nobody else may write to.
    pub fn new(limits: PolicyLimits, cache: Option<&Path>) -> Result<Self, LoadError> {
        let runtime = Runtime::new(limits.deadline, cache).map_err(|error| LoadError::Host(sentence(&error)))?;
        Ok(Self { runtime: Arc::new(runtime), limits, recorder: None, in_use: Mutex::default() })
    }

    /// Has the calls of the policies it loads recorded there, those of the trial left out.
    #[must_use]
    pub fn recording(mut self, recorder: Option<Arc<Recorder>>) -> Self {
        self.recorder = recorder;
        self
    }

    /// Compiles a policy, and no more.
    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Arc<PolicyCode>, LoadError> {
        self.compile_once(&sha256(bytes), bytes)
    }

    /// The code of the file with that hash: whoever uses the same file shares it.
    fn compile_once(&self, sha256: &Arc<str>, bytes: &[u8]) -> Result<Arc<PolicyCode>, LoadError> {
        if let Some(code) = self.in_use.lock().get(sha256).and_then(Weak::upgrade) {
            return Ok(code);
        }
        // Without the lock: it takes long. Two at once make it twice, and the later one is shared.
        let code = Arc::new(PolicyCode::compile(Arc::clone(&self.runtime), bytes)?);
        let mut in_use = self.in_use.lock();
        in_use.retain(|_, code| code.strong_count() > 0);
        in_use.insert(Arc::clone(sha256), Arc::downgrade(&code));
        Ok(code)
    }

    /// Of the policies it loads.
    pub(super) fn limits(&self) -> PolicyLimits {
        self.limits
    }

    /// Compiles a policy (a component, or a core module that describes one), sets it up and makes a call of each kind. `name` is what it
    /// goes by, in the form of `POLICY`.
    ///
    /// Takes seconds for a large file, and at most the load deadline for each call: not for threads that have other things to do.
    pub fn load(&self, name: &str, bytes: &[u8], setup: Setup) -> Result<CheckedPolicy, LoadError> {
        self.load_within(self.limits, name, bytes, setup)
    }

    /// The same with limits of its own.
    pub fn load_within(
        &self,
        limits: PolicyLimits,
        name: &str,
        bytes: &[u8],
        setup: Setup,
    ) -> Result<CheckedPolicy, LoadError> {
        let began = Instant::now();
        let sha256 = sha256(bytes);
        let code = self.compile_once(&sha256, bytes)?;
        let compiled_in = began.elapsed();
        let name = Arc::<str>::from(name);
        let log = GuestLog::new(&name);

        let mut trial = Instance::new(&code, limits, &log)?;
        let info = trial.describe()?;
        trial.configure(&setup.config)?;
        trial.topology(&setup.directory)?;
        let swift = golden::try_out(&code, &mut trial, &limits)?;
        drop(trial);

        let recording = self.recorder.as_ref().map(|recorder| Recording {
            recorder: Arc::clone(recorder),
            policy: Arc::clone(&name),
            sha256: Arc::clone(&sha256),
            stateful: is_stateful(&code, &info),
        });
        let began = Instant::now();
        let instance = fresh(&code, limits, &log, &setup, recording.as_ref())?;
        let starts_in = began.elapsed();
        Ok(CheckedPolicy {
            name,
            code,
            limits,
            setup,
            log,
            recording,
            instance,
            info,
            sha256,
            swift,
            compiled_in,
            starts_in,
        })
    }
}

/// A new instance, set up, all its calls recorded.
pub(super) fn fresh(
    code: &Arc<PolicyCode>,
    limits: PolicyLimits,
    log: &Arc<GuestLog>,
    setup: &Setup,
    recording: Option<&Recording>,
) -> Result<Instance, LoadError> {
    let mut instance = Instance::new(code, limits, log)?;
    if let Some(recording) = recording {
        instance.record(recording);
    }
    instance.configure(&setup.config)?;
    instance.topology(&setup.directory)?;
    Ok(instance)
}

impl CheckedPolicy {
    /// What it goes by, in the form of `POLICY`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How long it took to compile, or to find compiled.
    pub fn compiled_in(&self) -> Duration {
        self.compiled_in
    }

    /// Writes rows that exist, each once, to `rows`, best first: for those who look at a policy that is not in use.
    pub fn rank(&mut self, context: &RankContext, candidates: &Candidates, rows: &mut Vec<u32>) -> Result<(), Trouble> {
        self.instance.rank(context, candidates, rows, self.limits.deadline)
    }

    /// What is to become of a submission: for those who look at a policy that is not in use.
    pub fn prioritize(&mut self, submission: &SubmissionView<'_>) -> Result<Admission, Trouble> {
        self.instance.prioritize(submission, self.limits.deadline)
    }

    /// Tells what became of attempts: for those who look at a policy that is not in use.
    pub fn observe(&mut self, outcomes: &[Outcome]) -> Result<(), Trouble> {
        self.instance.observe(outcomes, self.limits.deadline)
    }

    /// Bytes of memory of its instance.
    pub fn memory(&self) -> usize {
        self.instance.memory()
    }

    /// What it says of itself.
    pub fn info(&self) -> &PolicyInfo {
        &self.info
    }

    /// SHA-256 of its file, in hex.
    pub fn sha256(&self) -> &Arc<str> {
        &self.sha256
    }

    /// Whether it has exactly one instance, called by one thread.
    pub fn is_stateful(&self) -> bool {
        is_stateful(&self.code, &self.info)
    }

    /// How long a new instance takes, set up.
    pub fn starts_in(&self) -> Duration {
        self.starts_in
    }

    /// What it imports, by the full names.
    pub fn imports(&self) -> Vec<String> {
        let component = self.code.pre.component();
        component.component_type().imports(self.code.runtime.engine()).map(|(name, _)| name.to_owned()).collect()
    }

    /// The interfaces it exports.
    pub fn exports(&self) -> Vec<&'static str> {
        let code = &self.code;
        [
            ("ranking", code.ranking.is_some()),
            ("priority", code.priority.is_some()),
            ("feedback", code.feedback.is_some()),
            ("setup", code.setup.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_there)| is_there.then_some(name))
        .collect()
    }
}

pub(super) fn is_stateful(code: &PolicyCode, info: &PolicyInfo) -> bool {
    info.stateful || code.feedback.is_some()
}

/// SHA-256 of a policy's file, in hex.
pub fn sha256(bytes: &[u8]) -> Arc<str> {
    let digest = digest::digest(&digest::SHA256, bytes);
    let mut text = String::with_capacity(2 * digest.as_ref().len());
    for byte in digest.as_ref() {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.into()
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for CheckedPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckedPolicy").field("name", &self.name).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}
