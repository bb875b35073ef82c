//! The calls of a record, made again in fresh instances of a policy.

mod replayed;
mod report;

use std::collections::BTreeMap;
use std::io::{self, BufRead};

use super::error::LoadError;
use super::guest_log::GuestLog;
use super::instance::Instance;
use super::loader::{Loader, is_stateful, sha256};
use super::recorder::line::{Begin, Call, Line, VERSION};
use replayed::{New, Replayed};

pub use report::{CallCounts, Difference, RecordedPolicy, ReplayReport};

/// How a record is replayed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Replay<'a> {
    /// The configuration to use, a JSON object, in place of those recorded.
    pub config: Option<&'a str>,
    /// Only the calls of the policy of that name, in the form of `POLICY`.
    pub policy: Option<&'a str>,
    /// Differences to report in full.
    pub shown: usize,
}

/// Why a record cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The policy cannot be used.
    #[error("the policy cannot be used: {0}")]
    Load(#[from] LoadError),
    /// The record cannot be read.
    #[error("the record cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is none, or one of another version.
    #[error("it is no record of policy calls that this version can read")]
    NoRecord,
    /// A line is not as it should be.
    #[error("line {line} of the record: {reason}")]
    Line {
        /// Which, 1 for the first.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// There is nothing to replay.
    #[error("there is no call {0}in the record")]
    Empty(String),
}

impl Replay<'_> {
    /// Makes the calls of a record again, in fresh instances of the policy in `bytes`, in the order of each instance, and compares the
    /// answers. An instance ends where the recorded one did; where only the new one fails, it is replaced as the balancer would. Each call
    /// has the load deadline, as speed is not compared; a call that missed its deadline when it was recorded is not made.
    ///
    /// Takes as long as all the calls: not for threads that have other things to do.
    pub fn run(
        &self,
        loader: &Loader,
        name: &str,
        bytes: &[u8],
        record: impl BufRead,
    ) -> Result<ReplayReport, ReplayError> {
        let code = loader.compile(bytes)?;
        let limits = loader.limits();
        let log = GuestLog::new(&name.into());
        let info = Instance::new(&code, limits, &log)?.describe()?;
        let new = New { stateful: is_stateful(&code, &info), code, limits, log, config: self.config };
        let mut run = Run {
            asked: self,
            report: ReplayReport::new(name, &info, &sha256(bytes)),
            instances: BTreeMap::new(),
            new,
        };
        let mut lines = Lines { record, number: 0, text: Vec::new() };
        while let Some(line) = lines.next()? {
            let at = lines.number;
            run.line(line, at).map_err(|trouble| match trouble {
                Trouble::Load(error) => error.into(),
                Trouble::Line(reason) => ReplayError::Line { line: at, reason },
            })?;
        }
        run.report.cut_off = !lines.is_whole();
        if run.report.calls == 0 {
            return Err(ReplayError::Empty(self.policy.map(|name| format!("of {name} ")).unwrap_or_default()));
        }
        Ok(run.report)
    }
}

/// The lines of a record, one by one.
struct Lines<R> {
    record: R,
    /// Of the last one read.
    number: u64,
    text: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Line>, ReplayError> {
        self.text.clear();
        self.record.read_until(b'\n', &mut self.text)?;
        // The balancer was ended while it wrote the last one.
        if !self.text.ends_with(b"\n") {
            return if self.number == 0 { Err(ReplayError::NoRecord) } else { Ok(None) };
        }
        self.number += 1;
        let line = serde_json::from_slice(&self.text);
        if self.number == 1 {
            return match line {
                Ok(Line::Record(header)) if header.version == VERSION => Ok(Some(Line::Record(header))),
                _ => Err(ReplayError::NoRecord),
            };
        }
        line.map(Some).map_err(|error| ReplayError::Line { line: self.number, reason: error.to_string() })
    }

    fn is_whole(&self) -> bool {
        self.text.is_empty()
    }
}

/// What stops a replay.
enum Trouble {
    Load(LoadError),
    Line(String),
}

/// A replay under way.
struct Run<'a> {
    asked: &'a Replay<'a>,
    new: New<'a>,
    report: ReplayReport,
    /// Instances that have not ended; `None` for those of other policies.
    instances: BTreeMap<u64, Option<Replayed>>,
}

impl Run<'_> {
    fn line(&mut self, line: Line, at: u64) -> Result<(), Trouble> {
        match line {
            Line::Record(_) if at > 1 => return Err(Trouble::Line("a second record begins".to_owned())),
            Line::Record(_) => {}
            Line::Begin(begin) => self.begin(&begin)?,
            Line::Call(call) => self.call(&call, at)?,
            Line::Lost(lost) => {
                self.report.lost += lost.calls.unwrap_or(0);
                if let Some(Some(replayed)) = self.instances.get_mut(&lost.instance) {
                    replayed.lose(&self.new);
                }
            }
            Line::End(end) => drop(self.instances.remove(&end.instance)),
            Line::Full { .. } => self.report.full = true,
            Line::Close { .. } => self.report.closed = true,
        }
        Ok(())
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), Trouble> {
        self.report.recorded(&begin.policy, &begin.sha256);
        let is_wanted = self.asked.policy.is_none_or(|name| name == begin.policy);
        let replayed = if is_wanted { Some(Replayed::begin(begin, &self.new).map_err(Trouble::Load)?) } else { None };
        match self.instances.insert(begin.instance, replayed) {
            None => Ok(()),
            Some(_) => Err(Trouble::Line(format!("instance {} begins twice", begin.instance))),
        }
    }

    fn call(&mut self, call: &Call, at: u64) -> Result<(), Trouble> {
        let Some(instance) = self.instances.get_mut(&call.instance) else {
            return Err(Trouble::Line(format!("a call of instance {}, which is not there", call.instance)));
        };
        let Some(replayed) = instance else { return Ok(()) };
        self.report.calls += 1;
        let Some(now) = replayed.call(call, &self.new) else {
            self.report.not_compared += 1;
            return Ok(());
        };
        self.report.compared(call, &now, at, self.asked.shown);
        Ok(())
    }
}
