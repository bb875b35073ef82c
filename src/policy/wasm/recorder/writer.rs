//! The thread that writes a record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use super::Link;
use super::line::{Begin, Call, End, Header, Line, Lost, VERSION};
use crate::task::Clock;

/// Kept for the lines that say what is missing.
const RESERVE: u64 = 4_096;

/// What the writer is told.
pub(super) enum Message {
    /// An instance is there; it counts its calls here.
    Begin(Begin, Arc<AtomicU64>),
    /// A call, and how much it weighs.
    Call(Box<Call>, usize),
    End(End),
    Stop,
}

/// Writes lines, and marks what is missing.
pub(super) struct Writer {
    output: BufWriter<File>,
    written: u64,
    limit: u64,
    /// Instances that have not ended.
    open: BTreeMap<u64, Open>,
    link: Arc<Link>,
    line: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Writing,
    Full,
    Failed,
}

struct Open {
    /// Number of the call that comes next.
    next: u64,
    /// Calls it has made.
    made: Arc<AtomicU64>,
}

impl Writer {
    /// Writes the first line.
    pub(super) fn new(output: File, limit: u64, link: Arc<Link>) -> io::Result<Self> {
        let mut writer = Self {
            output: BufWriter::with_capacity(64 << 10, output),
            written: 0,
            limit,
            open: BTreeMap::new(),
            link,
            line: Vec::new(),
            state: State::Writing,
        };
        let balancer = Cow::Borrowed(env!("CARGO_PKG_VERSION"));
        let began_ms = Clock::system().now().as_millis();
        writer.put(&Line::Record(Header { version: VERSION, balancer, began_ms }), 0)?;
        writer.output.flush()?;
        Ok(writer)
    }

    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        loop {
            let message = match inbox.try_recv() {
                Err(TryRecvError::Empty) => {
                    let flushed = self.output.flush();
                    self.look_at(flushed);
                    inbox.recv().ok()
                }
                message => message.ok(),
            };
            let stop = matches!(message, None | Some(Message::Stop));
            if let Some(Message::Call(_, weight)) = &message {
                self.link.waiting.fetch_sub(*weight, Ordering::Relaxed);
            }
            if self.state == State::Writing {
                let written = message.map_or(Ok(()), |message| self.write(message));
                self.look_at(written);
            }
            if stop {
                return;
            }
        }
    }

    fn write(&mut self, message: Message) -> io::Result<()> {
        match message {
            Message::Begin(begin, made) => {
                self.open.insert(begin.instance, Open { next: 1, made });
                self.put(&Line::Begin(begin), RESERVE)
            }
            Message::Call(call, _) => {
                let Some(open) = self.open.get_mut(&call.instance) else { return Ok(()) };
                let expected = std::mem::replace(&mut open.next, call.number + 1);
                self.mark(call.instance, expected, call.number - 1)?;
                self.put(&Line::Call(call), RESERVE)
            }
            Message::End(end) => {
                let expected = self.open.remove(&end.instance).map_or(1, |open| open.next);
                self.mark(end.instance, expected, end.calls)?;
                self.put(&Line::End(end), RESERVE)
            }
            Message::Stop => self.close(),
        }
    }

    /// Marks calls that are missing, if there are any.
    fn mark(&mut self, instance: u64, from: u64, to: u64) -> io::Result<()> {
        let calls = (to + 1).saturating_sub(from);
        if calls == 0 {
            return Ok(());
        }
        self.put(&Line::Lost(Lost { instance, from, calls: Some(calls) }), RESERVE)
    }

    fn close(&mut self) -> io::Result<()> {
        for (instance, open) in std::mem::take(&mut self.open) {
            self.mark(instance, open.next, open.made.load(Ordering::Relaxed))?;
        }
        self.put(&Line::Close { lost: self.link.lost.load(Ordering::Relaxed) }, 0)?;
        self.output.flush()
    }

    /// Writes a line if so much room is left behind it, else the last ones there will be.
    fn put(&mut self, line: &Line, reserve: u64) -> io::Result<()> {
        if self.state != State::Writing {
            return Ok(());
        }
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        let bytes = self.line.len() as u64;
        if self.written + bytes + reserve <= self.limit {
            self.written += bytes;
            return self.output.write_all(&self.line);
        }
        if reserve == 0 {
            return Ok(());
        }
        let mut missing: BTreeMap<u64, u64> =
            std::mem::take(&mut self.open).into_iter().map(|(instance, open)| (instance, open.next)).collect();
        // What this line was to say is missing as well.
        match line {
            Line::Call(call) => drop(missing.insert(call.instance, call.number)),
            Line::Lost(lost) => drop(missing.insert(lost.instance, lost.from)),
            _ => {}
        }
        for (instance, from) in missing {
            self.put(&Line::Lost(Lost { instance, from, calls: None }), 0)?;
        }
        self.put(&Line::Full { limit: self.limit }, 0)?;
        self.output.flush()?;
        self.state = State::Full;
        self.link.is_over.store(true, Ordering::Release);
        tracing::warn!(
            limit = self.limit,
            "the record of policy calls has reached its limit: nothing more is recorded"
        );
        Ok(())
    }

    fn look_at(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && self.state == State::Writing
        {
            self.state = State::Failed;
            self.link.is_over.store(true, Ordering::Release);
            tracing::error!("policy calls cannot be recorded any more: {error}");
        }
    }
}
