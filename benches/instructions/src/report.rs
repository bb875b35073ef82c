//! What is told.

use std::fmt;

use crate::baseline::Baseline;

/// Counts beside those of a baseline.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) old: Option<&'a Baseline>,
    pub(crate) new: &'a Baseline,
    /// How many per cent a count may be above the baseline.
    pub(crate) limit: f64,
}

impl Report<'_> {
    /// Whether a count is further above the baseline than it may be.
    pub(crate) fn is_above(&self) -> bool {
        self.new.instructions.iter().any(|(name, &count)| self.change(name, count).is_some_and(|it| it > self.limit))
    }

    /// The difference to the baseline in per cent.
    fn change(&self, name: &str, count: u64) -> Option<f64> {
        let old = *self.old?.instructions.get(name)?;
        Some((float(count) / float(old) - 1.0) * 100.0)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<44}{:>14}{:>10}", "", "instructions", "change")?;
        for (name, &count) in &self.new.instructions {
            write!(f, "{name:<44}{count:>14}")?;
            match self.change(name, count) {
                Some(change) if change > self.limit => writeln!(f, "{change:>+9.1} %  above the limit")?,
                Some(change) => writeln!(f, "{change:>+9.1} %")?,
                None if self.old.is_some() => writeln!(f, "{:>10}", "new")?,
                None => writeln!(f)?,
            }
        }
        let Some(old) = self.old else { return Ok(()) };
        for name in old.instructions.keys().filter(|name| !self.new.instructions.contains_key(*name)) {
            writeln!(f, "{name:<44}{:>14}{:>10}", "", "gone")?;
        }
        for (name, was) in &old.made_with {
            let is = self.new.made_with.get(name).map_or("unknown", String::as_str);
            if was != is {
                writeln!(f, "\nThe baseline is of another {name}: {was}; this is {is}.")?;
            }
        }
        if self.is_above() {
            writeln!(f, "\nA count is more than {} % above the baseline.", self.limit)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count here needs more than 52 bits")]
fn float(number: u64) -> f64 {
    number as f64
}
