//! The bytes of a log, gaps and all. Nothing here writes.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How much is read at once.
const WINDOW: usize = 1 << 20;
/// What is given up where the disk cannot be read.
const PAGE: usize = 4096;
const SUFFIX: &str = ".wal";

/// A file of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
}

/// The bytes of a log, read in order for the most part.
pub(super) struct LogBytes {
    directory: PathBuf,
    /// How large a whole file is.
    size: u64,
    segments: Vec<Segment>,
    /// Where there are bytes without a gap.
    runs: Vec<Range<u64>>,
    open: Option<(u64, File)>,
    window: Vec<u8>,
    window_at: u64,
}

impl LogBytes {
    /// The log in a directory, of files of that size.
    pub(super) fn open(directory: &Path, size: u64) -> io::Result<Self> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).filter(|digits| digits.len() == 20);
            if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
                segments.push(Segment { number, bytes: entry.metadata()?.len() });
            }
        }
        segments.sort_unstable_by_key(|segment| segment.number);
        let runs = runs(&segments, size);
        let directory = directory.to_owned();
        Ok(Self { directory, size, segments, runs, open: None, window: Vec::new(), window_at: 0 })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The name of a file.
    pub(super) fn name(number: u64) -> String {
        format!("{number:020}{SUFFIX}")
    }

    /// The file, and the place in it, of an offset of the log.
    pub(super) fn file_at(&self, offset: u64) -> (String, u64) {
        let file = self.directory.join(Self::name(offset / self.size));
        (file.display().to_string(), offset % self.size)
    }

    /// What keeps a reader from going on at an offset, if it is the files.
    pub(super) fn gap_at(&self, offset: u64) -> Option<String> {
        let number = offset / self.size;
        match self.segments.iter().find(|segment| segment.number == number) {
            None => Some("the file is missing".to_owned()),
            Some(segment) if offset % self.size >= segment.bytes => {
                Some(format!("the file is {} bytes too short", self.size.saturating_sub(segment.bytes)))
            }
            Some(_) => None,
        }
    }

    /// Where the first byte is.
    pub(super) fn lowest(&self) -> u64 {
        self.runs.first().map_or(0, |run| run.start)
    }

    /// Behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.end)
    }

    /// Where the bytes end that begin at an offset and have no gap; the offset itself if there are none.
    pub(super) fn run_end(&self, offset: u64) -> u64 {
        self.runs.iter().find(|run| run.contains(&offset)).map_or(offset, |run| run.end)
    }

    /// The first offset from this one on that can be read.
    pub(super) fn readable_from(&self, offset: u64) -> Option<u64> {
        self.runs.iter().find(|run| offset < run.end).map(|run| run.start.max(offset))
    }

    /// Up to `most` bytes at an offset, or fewer: at least one if it can be read.
    fn some(&mut self, offset: u64, most: usize) -> io::Result<&[u8]> {
        let held = self.window_at..self.window_at + self.window.len() as u64;
        if !held.contains(&offset) {
            self.fill(offset, WINDOW)?;
        }
        let from = within(offset - self.window_at);
        let to = self.window.len().min(from.saturating_add(most));
        Ok(self.window.get(from..to).unwrap_or_default())
    }

    /// So many bytes at an offset, a window at most; `None` if there are not as many.
    pub(super) fn peek(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        let wanted = offset..offset.saturating_add(length as u64);
        let held = self.window_at..self.window_at + self.window.len() as u64;
        if wanted.start < held.start || wanted.end > held.end {
            self.fill(offset, WINDOW.max(length))?;
        }
        let from = within(offset - self.window_at);
        Ok(self.window.get(from..from + length))
    }

    /// Gives the bytes at an offset to `each`, piece by piece; `false` if there are not as many.
    pub(super) fn pass(&mut self, offset: u64, length: u64, mut each: impl FnMut(&[u8])) -> io::Result<bool> {
        let (mut at, end) = (offset, offset.saturating_add(length));
        if end > self.run_end(offset) && length > 0 {
            return Ok(false);
        }
        while at < end {
            let piece = self.some(at, within(end - at))?;
            if piece.is_empty() {
                return Ok(false);
            }
            each(piece);
            at += piece.len() as u64;
        }
        Ok(true)
    }

    /// The bytes at an offset; `None` if there are not as many.
    pub(super) fn read(&mut self, offset: u64, length: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let whole = self.pass(offset, length, |piece| bytes.extend_from_slice(piece))?;
        Ok(whole.then_some(bytes))
    }

    fn fill(&mut self, offset: u64, most: usize) -> io::Result<()> {
        let end = self.run_end(offset).min(offset + most as u64);
        self.window_at = offset;
        let mut window = std::mem::take(&mut self.window);
        window.resize(within(end - offset), 0);
        let mut done = 0;
        while done < window.len() {
            let at = offset + done as u64;
            let here = (window.len() - done).min(within(self.size - at % self.size));
            self.read_file(at, &mut window[done..done + here])?;
            done += here;
        }
        self.window = window;
        Ok(())
    }

    /// Reads within one file. Where the disk gives nothing back there are zeros, which no checksum fits.
    fn read_file(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let number = offset / self.size;
        let file = match &self.open {
            Some((open, file)) if *open == number => file,
            _ => &self.open.insert((number, File::open(self.directory.join(Self::name(number)))?)).1,
        };
        let at = offset % self.size;
        if file.read_exact_at(buffer, at).is_ok() {
            return Ok(());
        }
        for (n, page) in buffer.chunks_mut(PAGE).enumerate() {
            if file.read_exact_at(page, at + (n * PAGE) as u64).is_err() {
                page.fill(0);
            }
        }
        Ok(())
    }
}

fn runs(segments: &[Segment], size: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for segment in segments.iter().filter(|segment| segment.bytes > 0) {
        let start = segment.number.saturating_mul(size);
        let end = start.saturating_add(segment.bytes.min(size));
        match runs.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// A length that is within a window, or as long as memory goes.
fn within(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
