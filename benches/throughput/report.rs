//! The report.

use std::fmt::Write;

use crate::arguments::Plan;
use crate::contests::Section;
use crate::goals::{Goal, Goals};

/// What was found out so far.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    plan: &'a Plan,
    is_smoke: bool,
    sections: Vec<String>,
    found: Vec<(Goal, f64)>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(plan: &'a Plan, is_smoke: bool) -> Self {
        Self { plan, is_smoke, sections: Vec::new(), found: Vec::new() }
    }

    pub(crate) fn add(&mut self, section: Section) {
        self.sections.push(section.text);
        self.found.extend(section.found);
    }

    /// The whole report, as Markdown.
    pub(crate) fn text(&self, machine: &str) -> String {
        let mut text = format!("# Figures\n\n{machine}");
        if self.is_smoke {
            text += "**The short form: everything is smaller than it says, and the figures mean nothing.**\n";
        }
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\nMeasured in turns, {} rounds of {} s each; medians, and of the ratios the median of each round's own. Every client has one\n\
             connection and one task at a time. CPU is user and system time, in microseconds a task (which is milliseconds per 1,000 tasks);\n\
             the proxy is nginx or the balancer, its memory what is resident.",
            self.plan.rounds,
            self.plan.measured.as_secs_f64(),
        );
        for section in &self.sections {
            let _ = write!(text, "\n{section}");
        }
        if !self.found.is_empty() {
            let _ = write!(text, "\n## Goals\n\n{}", Goals(&self.found));
        }
        text
    }
}
