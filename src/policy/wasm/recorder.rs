//! The calls of policies, written to a file as they are made, for [`replay`](super::replay).
//!
//! Whoever makes a call never waits for the file: what there is no room for is lost, and its place marked. The file holds what policies are
//! told, `options.key` and `options.tenant` of submissions included, and nothing else of tasks.

pub(super) mod line;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::error::{LoadError, Trouble};
use super::submission::OwnedSubmission;
use crate::policy::{Admission, Candidates, Directory, Outcome, RankContext, SubmissionView};
use line::{Answer, Ask, Begin, Call, End};
use writer::{Message, Writer};

/// Messages that may wait for the writer, and bytes of them.
const QUEUE: usize = 4_096;
const QUEUED_BYTES: usize = 32 << 20;

/// Writes the calls of all policies of a balancer to one file. Stops when it is closed or dropped.
pub struct Recorder {
    link: Arc<Link>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Between those who make calls and the writer.
struct Link {
    sender: SyncSender<Message>,
    instances: AtomicU64,
    /// Bytes that wait for the writer.
    waiting: AtomicUsize,
    /// Nothing more is written.
    is_over: AtomicBool,
    /// Calls that were made and are not in the file.
    lost: AtomicU64,
}

/// What the record says of the instances of one policy.
#[derive(Clone)]
pub(super) struct Recording {
    pub(super) recorder: Arc<Recorder>,
    pub(super) policy: Arc<str>,
    pub(super) sha256: Arc<str>,
    pub(super) stateful: bool,
}

/// The recorded calls of one instance.
pub(super) struct InstanceRecorder {
    link: Arc<Link>,
    instance: u64,
    stateful: bool,
    /// Calls made, whether they are in the file or not.
    calls: Arc<AtomicU64>,
    /// Later calls mean nothing without those that are lost.
    is_broken: bool,
    failed: bool,
}

impl Recorder {
    /// Begins a record of at most `limit` bytes in a new file that only we may read. A record that is there already is kept beside it as
    /// `<file>.old`, in the place of the one before.
    ///
    /// # Errors
    /// If the file cannot be made, or is there and is no record.
    pub fn start(file: &Path, limit: u64) -> io::Result<Arc<Self>> {
        let output = open(file)?;
        let (sender, inbox) = mpsc::sync_channel(QUEUE);
        let link = Arc::new(Link {
            sender,
            instances: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        });
        let writer = Writer::new(output, limit, Arc::clone(&link))?;
        // Thread `policy-record`: ends when the recorder is closed, and is joined there.
        let thread = thread::Builder::new().name("policy-record".to_owned()).spawn(move || writer.run(&inbox))?;
        tracing::info!(file = %file.display(), limit, "policy calls are recorded");
        Ok(Arc::new(Self { link, thread: Mutex::new(Some(thread)) }))
    }

    /// Writes what has been recorded, and ends the record. Takes as long as the disk does: not for threads that have other things to do.
    pub fn close(&self) {
        let Some(thread) = self.thread.lock().take() else { return };
        self.link.is_over.store(true, Ordering::Release);
        // Waits for room. The writer is there until it gets this, and does not panic.
        let _ = self.link.sender.send(Message::Stop);
        let _ = thread.join();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.close();
    }
}

impl Recording {
    /// For a new instance, of which no call has been made yet.
    pub(super) fn begin(&self) -> InstanceRecorder {
        let link = Arc::clone(&self.recorder.link);
        let instance = link.instances.fetch_add(1, Ordering::Relaxed) + 1;
        let calls = Arc::new(AtomicU64::new(0));
        let begin = Begin {
            instance,
            policy: self.policy.as_ref().to_owned(),
            sha256: self.sha256.as_ref().to_owned(),
            stateful: self.stateful,
        };
        let is_broken = !link.send(Message::Begin(begin, Arc::clone(&calls)), 0);
        InstanceRecorder { link, instance, stateful: self.stateful, calls, is_broken, failed: false }
    }
}

impl InstanceRecorder {
    pub(super) fn configured(&mut self, json: &str, outcome: &Result<(), LoadError>) {
        self.called(|| Ask::Configure(json.to_owned()), Answer::of_setup(outcome));
    }

    pub(super) fn told(&mut self, directory: &Directory, outcome: &Result<(), LoadError>) {
        self.called(|| Ask::Topology(directory.clone()), Answer::of_setup(outcome));
    }

    pub(super) fn ranked(
        &mut self,
        context: &RankContext,
        candidates: &Candidates,
        outcome: &Result<(), Trouble>,
        rows: &[u32],
    ) {
        let ask = || Ask::Rank { context: context.clone(), candidates: candidates.clone() };
        self.called(ask, Answer::of_rank(outcome, rows));
    }

    pub(super) fn prioritized(&mut self, submission: &SubmissionView<'_>, outcome: &Result<Admission, Trouble>) {
        self.called(|| Ask::Prioritize(OwnedSubmission::of(submission)), Answer::of_prioritize(outcome));
    }

    pub(super) fn observed(&mut self, outcomes: &[Outcome], outcome: &Result<(), Trouble>) {
        self.called(|| Ask::Observe(outcomes.to_owned()), Answer::of_observe(outcome));
    }

    fn called(&mut self, ask: impl FnOnce() -> Ask, answer: Answer) {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.failed = answer.is_the_end();
        if self.is_broken || self.link.is_over.load(Ordering::Acquire) {
            self.link.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let ask = ask();
        let (sets_up, weight) = (ask.sets_up(), ask.weight());
        let call = Message::Call(Box::new(Call { instance: self.instance, number, ask, answer }), weight);
        if !self.link.send(call, weight) {
            self.link.lost.fetch_add(1, Ordering::Relaxed);
            self.is_broken = self.stateful || sets_up;
        }
    }
}

impl Drop for InstanceRecorder {
    fn drop(&mut self) {
        let calls = self.calls.load(Ordering::Relaxed);
        // If there is no room for it, the record just does not say.
        self.link.send(Message::End(End { instance: self.instance, calls, failed: self.failed }), 0);
    }
}

impl Link {
    /// Whether there was room for it.
    fn send(&self, message: Message, weight: usize) -> bool {
        if self.is_over.load(Ordering::Acquire) {
            return false;
        }
        let waiting = self.waiting.fetch_add(weight, Ordering::Relaxed) + weight;
        if waiting <= QUEUED_BYTES && self.sender.try_send(message).is_ok() {
            return true;
        }
        self.waiting.fetch_sub(weight, Ordering::Relaxed);
        if self.lost.load(Ordering::Relaxed) == 0 {
            tracing::warn!("policy calls are made faster than they can be recorded: some are missing in the record");
        }
        false
    }
}

/// A new file, in the place of an old record.
fn open(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() && is_record(path)? => {
            let mut old = path.as_os_str().to_owned();
            old.push(".old");
            fs::rename(path, old)?;
        }
        Ok(_) => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there and is no record of policy calls"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether a file begins as records do; an empty one may have been to become one.
fn is_record(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    File::open(path)?.take(line::BEGINNING.len() as u64).read_to_end(&mut beginning)?;
    Ok(beginning.is_empty() || beginning == line::BEGINNING)
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}
