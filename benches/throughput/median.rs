//! Medians.

/// The median; of none, not a number.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.as_slice() {
        [] => f64::NAN,
        figures if figures.len().is_multiple_of(2) => f64::midpoint(figures[middle - 1], figures[middle]),
        figures => figures[middle],
    }
}
