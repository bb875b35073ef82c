//! Where in the log anything of use lies.

use std::collections::BTreeMap;

use super::sizes::Sizes;
use crate::queue::ledger::Place;

/// How many bytes of each file of the log are of use. A file counts from the first group that begins in it: that is where the log may
/// be cut.
#[derive(Debug)]
pub(super) struct Space {
    sizes: Sizes,
    files: BTreeMap<u64, u64>,
    end: u64,
}

impl Space {
    pub(super) const fn new(sizes: Sizes) -> Self {
        Self { sizes, files: BTreeMap::new(), end: 0 }
    }

    /// A group was added that begins at `start`; nothing of it is of use yet.
    pub(super) fn group(&mut self, start: u64, end: u64) {
        let newest = self.files.last_key_value().map(|(first, _)| first / self.sizes.segment);
        if newest.is_none_or(|newest| newest < start / self.sizes.segment) {
            self.files.insert(start, 0);
        }
        self.end = end;
    }

    /// That place is of use.
    pub(super) fn used(&mut self, place: Place) {
        if let Some((_, bytes)) = self.files.range_mut(..=place.offset).next_back() {
            *bytes += u64::from(place.length);
        }
    }

    /// That place is of no use any more.
    pub(super) fn useless(&mut self, place: Place) {
        if let Some((_, bytes)) = self.files.range_mut(..=place.offset).next_back() {
            *bytes = bytes.saturating_sub(u64::from(place.length));
        }
    }

    /// Takes out the files at the beginning that hold nothing of use; says where the log may begin then.
    pub(super) fn cut(&mut self) -> Option<u64> {
        let mut cut = None;
        while self.can_be_cut() {
            self.files.pop_first();
            cut = self.files.first_key_value().map(|(start, _)| *start);
        }
        cut
    }

    /// Whether there are files at the beginning that hold nothing of use.
    pub(super) fn can_be_cut(&self) -> bool {
        self.files.len() > 1 && self.files.first_key_value().is_some_and(|(_, bytes)| *bytes == 0)
    }

    /// The oldest file, from its first group to that of the next one, if the log is much larger than what is of use in it.
    pub(super) fn wasteful(&self) -> Option<(u64, u64)> {
        let mut starts = self.files.keys();
        let (first, second) = (*starts.next()?, *starts.next()?);
        (self.size() > 2 * self.live() + self.sizes.slack).then_some((first, second))
    }

    /// Bytes from the beginning of the log to its end.
    pub(super) fn size(&self) -> u64 {
        self.end - self.files.first_key_value().map_or(self.end, |(first, _)| *first)
    }

    /// Bytes of use.
    pub(super) fn live(&self) -> u64 {
        self.files.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 1_000;

    fn space() -> Space {
        Space::new(Sizes { segment: SEGMENT, slack: 4 * SEGMENT, ..Sizes::default() })
    }

    fn place(offset: u64) -> Place {
        Place { offset, length: 100 }
    }

    #[test]
    fn a_group_that_spans_two_files_belongs_to_the_first() {
        let mut space = space();
        space.group(0, SEGMENT + 500);
        space.used(place(SEGMENT + 100));
        space.group(SEGMENT + 500, SEGMENT + 900);
        assert_eq!(space.cut(), None, "the end of the first group is of use, and it begins in the first file");
        space.useless(place(SEGMENT + 100));
        assert_eq!(space.cut(), Some(SEGMENT + 500));
    }

    #[test]
    fn nothing_is_cut_behind_what_is_of_use_nor_the_last_file() {
        let mut space = space();
        for file in 0..4 {
            space.group(file * SEGMENT, (file + 1) * SEGMENT);
        }
        space.used(place(SEGMENT));
        assert_eq!(space.cut(), Some(SEGMENT));
        assert_eq!(space.size(), 3 * SEGMENT);
        space.useless(place(SEGMENT));
        assert_eq!(space.cut(), Some(3 * SEGMENT));
        assert_eq!(space.cut(), None);
    }

    #[test]
    fn a_log_of_waste_is_worth_copying_once_it_is_large() {
        let mut space = space();
        for file in 0..5 {
            space.group(file * SEGMENT, (file + 1) * SEGMENT);
        }
        space.used(place(10));
        assert_eq!(space.wasteful(), Some((0, SEGMENT)));
        for file in 1..2 {
            space.used(Place { offset: file * SEGMENT, length: u32::try_from(SEGMENT).unwrap() });
        }
        assert_eq!(space.wasteful(), None);
    }
}
