//! The best rows of a scan.

use super::MAX_ROWS;

/// The rows with the lowest keys of a scan, at most [`MAX_ROWS`], in order; among equal keys the one offered first. It lives on
/// the stack, so that a scan allocates nothing.
#[derive(Debug)]
pub(super) struct BestRows<K> {
    kept: [(K, u32); MAX_ROWS],
    len: usize,
}

impl<K: Ord + Copy + Default> BestRows<K> {
    pub(super) fn new() -> Self {
        Self { kept: [(K::default(), 0); MAX_ROWS], len: 0 }
    }

    /// The highest key kept, once no further row fits without pushing one out.
    pub(super) fn worst(&self) -> Option<K> {
        (self.len == MAX_ROWS).then(|| self.kept[MAX_ROWS - 1].0)
    }

    pub(super) fn offer(&mut self, key: K, row: u32) {
        if self.worst().is_some_and(|worst| worst <= key) {
            return;
        }
        let mut at = self.len.min(MAX_ROWS - 1);
        self.len = (self.len + 1).min(MAX_ROWS);
        while at > 0 && key < self.kept[at - 1].0 {
            self.kept[at] = self.kept[at - 1];
            at -= 1;
        }
        self.kept[at] = (key, row);
    }

    pub(super) fn write_to(&self, rows: &mut Vec<u32>) {
        rows.extend(self.kept[..self.len].iter().map(|&(_, row)| row));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeps_what_a_stable_sort_would_put_first(keys in prop::collection::vec(0_u8..20, 0..60)) {
            let mut best = BestRows::new();
            for (row, &key) in (0..).zip(&keys) {
                best.offer(key, row);
            }
            let mut rows = Vec::new();
            best.write_to(&mut rows);

            let mut sorted: Vec<(u8, u32)> = keys.iter().copied().zip(0..).collect();
            sorted.sort_by_key(|&(key, _)| key);
            let expected: Vec<u32> = sorted.iter().take(MAX_ROWS).map(|&(_, row)| row).collect();
            prop_assert_eq!(rows, expected);
        }
    }
}
