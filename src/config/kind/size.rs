//! Sizes in bytes.

use std::ops::RangeInclusive;

use super::Kind;
use super::measure::{self, Unit};

/// Bytes of a kilobyte.
pub(in crate::config) const KB: u64 = 1024;
/// Bytes of a megabyte.
const MB: u64 = 1024 * KB;
/// Bytes of a gigabyte.
pub(in crate::config) const GB: u64 = 1024 * MB;

const UNITS: [Unit; 4] = [("b", 1), ("kb", KB), ("mb", MB), ("gb", GB)];

/// A size within a range: a number of bytes, or of the unit behind it.
pub(in crate::config) struct Size(pub(in crate::config) RangeInclusive<u64>);

impl<T: TryFrom<u64>> Kind<T> for Size {
    fn parse(&self, text: &str) -> Option<T> {
        let bytes = measure::parse(text, &UNITS, 1).filter(|bytes| self.0.contains(bytes))?;
        T::try_from(bytes).ok()
    }

    fn accepted(&self) -> String {
        let (from, to) = (measure::show(*self.0.start(), &UNITS), measure::show(*self.0.end(), &UNITS));
        format!("a size from {from} to {to}, in bytes or with b, kb, mb or gb")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<u64> {
        Size(0..=1024 * GB).parse(text)
    }

    #[test]
    fn units_are_powers_of_1024_in_any_case() {
        assert_eq!(parse("10mb"), Some(10 * 1024 * 1024));
        assert_eq!(parse("1KB"), Some(1024));
        assert_eq!(parse("2 Gb"), Some(2 * 1024 * 1024 * 1024));
        assert_eq!(parse("7b"), Some(7));
        assert_eq!(parse("100"), Some(100));
    }

    #[test]
    fn fractions_are_fine_with_a_unit() {
        assert_eq!(parse("1.5mb"), Some(1_572_864));
        assert_eq!(parse(".5kb"), Some(512));
    }

    #[test]
    fn what_is_no_size_or_out_of_range_is_refused() {
        for refused in ["", "mb", "-1mb", "1tb", "1.2.3kb", "1e3", "inf", "NaN", "1 000", ".", "2000gb"] {
            assert_eq!(parse(refused), None, "{refused}");
        }
        assert_eq!(parse("99999999999999999999999gb"), None);
    }

    #[test]
    fn says_its_range_in_units() {
        let text = Kind::<u64>::accepted(&Size(1..=GB));
        assert!(text.starts_with("a size from 1b to 1gb"), "{text}");
    }
}
