//! Numbers with a unit.

/// A unit's name and how many of the smallest unit it is.
pub(super) type Unit = (&'static str, u64);

/// `text` in the smallest unit, fractions of that cut off: a decimal number, then one of `units` in any case, or none for
/// `plain` of the smallest unit each.
pub(super) fn parse(text: &str, units: &[Unit], plain: u64) -> Option<u64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim_start());
    let factor =
        if unit.is_empty() { plain } else { units.iter().find(|(name, _)| unit.eq_ignore_ascii_case(name))?.1 };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "digits and a point are never negative; what is too large saturates, and no range reaches that far"
    )]
    number.parse::<f64>().ok().map(|number| (number * factor as f64) as u64)
}

/// `amount` in the largest of `units` (smallest first) that divides it.
pub(super) fn show(amount: u64, units: &[Unit]) -> String {
    let fitting = units.iter().rev().find(|(_, factor)| amount != 0 && amount.is_multiple_of(*factor));
    fitting.map_or_else(|| amount.to_string(), |(name, factor)| format!("{}{name}", amount / factor))
}
