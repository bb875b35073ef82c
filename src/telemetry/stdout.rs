//! Lines on their way to stdout: whoever logs never waits for whoever reads.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::Telemetry;
use crate::task::Clock;

/// Lines that may wait to be written.
const CAPACITY: usize = 1024;

/// The sending end.
#[derive(Clone, Debug)]
pub(super) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// `waiting` has changed in a way that the other side waits for.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<Arc<str>>,
    /// Lines that found no room since the last batch.
    dropped: u64,
    /// Nothing is taken any more.
    is_closed: bool,
    /// Everything has been written.
    is_done: bool,
}

impl Lines {
    /// Hands a line over. If too many wait already it is dropped and counted, which the output will tell.
    pub(super) fn push(&self, line: Arc<str>) {
        let mut waiting = self.0.waiting.lock();
        if waiting.is_closed {
            return;
        }
        if waiting.lines.len() >= CAPACITY {
            waiting.dropped += 1;
            return;
        }
        waiting.lines.push(line);
        // The thread sleeps only while nothing waits.
        let is_first = waiting.lines.len() == 1;
        drop(waiting);
        if is_first {
            self.0.changed.notify_all();
        }
    }
}

/// The thread that writes. Dropping it writes what waits, for a limited time.
#[derive(Debug)]
pub(super) struct LineWriter {
    lines: Lines,
    thread: Option<JoinHandle<()>>,
}

impl LineWriter {
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Lines(Arc::default());
        let shared = Arc::clone(&lines.0);
        let thread = thread::Builder::new().name("log-writer".to_owned()).spawn(move || write_all(&shared, output))?;
        Ok(Self { lines, thread: Some(thread) })
    }

    pub(super) fn lines(&self) -> Lines {
        self.lines.clone()
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        let shared = &self.lines.0;
        let mut waiting = shared.waiting.lock();
        waiting.is_closed = true;
        shared.changed.notify_all();
        let is_late =
            shared.changed.wait_while_for(&mut waiting, |waiting| !waiting.is_done, Telemetry::FLUSH_LIMIT).timed_out();
        drop(waiting);
        // A thread that stdout holds up is left behind: the process is about to end anyway.
        if let (false, Some(thread)) = (is_late, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn write_all(shared: &Shared, mut output: impl Write) {
    let mut batch = Vec::new();
    let mut text = String::new();
    loop {
        let mut waiting = shared.waiting.lock();
        shared.changed.wait_while(&mut waiting, |waiting| waiting.lines.is_empty() && !waiting.is_closed);
        std::mem::swap(&mut waiting.lines, &mut batch);
        let dropped = std::mem::take(&mut waiting.dropped);
        drop(waiting);
        if batch.is_empty() {
            break;
        }
        for line in batch.drain(..) {
            text.push_str(&line);
            text.push('\n');
        }
        if dropped > 0 {
            text.push_str(&note_of_dropped(dropped));
        }
        // Nobody is left to tell if stdout is gone; the ring has the lines.
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        text.clear();
    }
    shared.waiting.lock().is_done = true;
    shared.changed.notify_all();
}

fn note_of_dropped(dropped: u64) -> String {
    let time = Clock::system().now().to_rfc3339();
    format!("[{time}] [WARN] [TELEMETRY] lines left out because stdout is too slow dropped={dropped}\n")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    /// An output that says what it was given, and takes it only when told to.
    struct Gate {
        given: mpsc::Sender<String>,
        open: mpsc::Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.given.send(String::from_utf8_lossy(bytes).into_owned());
            let _ = self.open.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (LineWriter, mpsc::Receiver<String>, mpsc::Sender<()>) {
        let (given, was_given) = mpsc::channel();
        let (opener, open) = mpsc::channel();
        (LineWriter::start(Gate { given, open }).unwrap(), was_given, opener)
    }

    fn next(given: &mpsc::Receiver<String>) -> String {
        given.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    #[test]
    fn a_slow_output_costs_lines_and_no_time_and_says_how_many() {
        let (writer, given, opener) = gated();
        let lines = writer.lines();
        lines.push("first".into());
        assert_eq!(next(&given), "first\n");

        for n in 0..CAPACITY + 7 {
            lines.push(n.to_string().into());
        }
        drop(opener);
        let rest = next(&given);
        assert_eq!(rest.lines().count(), CAPACITY + 1);
        assert!(rest.ends_with("dropped=7\n"), "{}", rest.lines().last().unwrap());
    }

    #[test]
    fn dropping_it_writes_what_waits() {
        let (writer, given, opener) = gated();
        drop(opener);
        (0..100).for_each(|n| writer.lines().push(n.to_string().into()));
        drop(writer);
        let written: String = given.try_iter().collect();
        assert_eq!(written.lines().count(), 100);
    }

    #[test]
    fn dropping_it_does_not_wait_for_ever_for_a_stuck_output() {
        let (writer, given, opener) = gated();
        writer.lines().push("stuck".into());
        next(&given);
        let started = Instant::now();
        drop(writer);
        assert!(started.elapsed() >= Telemetry::FLUSH_LIMIT);
        drop(opener);
    }

    #[test]
    fn lines_after_the_end_are_ignored() {
        let (writer, _given, opener) = gated();
        drop(opener);
        let lines = writer.lines();
        drop(writer);
        lines.push("late".into());
        assert!(lines.0.waiting.lock().lines.is_empty());
    }
}
