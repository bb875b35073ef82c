//! The text of one log line.

use std::fmt::{self, Debug, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

use super::OWN_CRATE;
use crate::task::Timestamp;

/// The most bytes of a line.
const LIMIT: usize = 4096;
/// What a cut line ends with.
const CUT: &str = "…";

/// `[ISO time] [LEVEL] [TAG] text key=value …`, without line breaks and other control characters, at most 4 KiB.
pub(super) fn format(event: &Event<'_>, time: Timestamp) -> String {
    let mut line = Line::default();
    let _ = write_event(&mut line, event, time);
    line.finish()
}

/// Fails once the line is full: what would be cut is not even formatted.
fn write_event(line: &mut Line, event: &Event<'_>, time: Timestamp) -> fmt::Result {
    let metadata = event.metadata();
    write!(line, "[{}] [{}] [{}]", time.to_rfc3339(), metadata.level(), tag(metadata))?;
    event.record(&mut Message(line));
    event.record(&mut Fields(line));
    Ok(())
}

/// The room of an event of ours, `LB` outside of any, else the crate it comes from.
fn tag(metadata: &Metadata<'_>) -> String {
    let mut path = metadata.target().split("::");
    let name = match path.next() {
        Some(OWN_CRATE) => path.next().unwrap_or("lb"),
        Some(other) => other,
        None => "",
    };
    name.to_ascii_uppercase()
}

/// Text that grows up to the limit, with control characters escaped.
#[derive(Default)]
struct Line {
    text: String,
    is_cut: bool,
}

impl Line {
    fn finish(mut self) -> String {
        if self.is_cut {
            self.text.push_str(CUT);
        }
        self.text
    }

    fn push(&mut self, piece: &str) -> fmt::Result {
        if self.is_cut || self.text.len() + piece.len() > LIMIT - CUT.len() {
            self.is_cut = true;
            return Err(fmt::Error);
        }
        self.text.push_str(piece);
        Ok(())
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        // The two separators break lines as a newline does.
        if !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}') {
            return self.push(c.encode_utf8(&mut [0; 4]));
        }
        // Longest: \u{2028}. An escape is not cut in the middle.
        let mut escape = String::with_capacity(8);
        escape.extend(c.escape_default());
        self.push(&escape)
    }
}

/// Writes the message, which comes first wherever it stands among the fields.
struct Message<'a>(&'a mut Line);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, " {value:?}");
        }
    }
}

/// Writes everything but the message.
struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Quotes only where the end of the value would be unclear.
        if value.is_empty() || value.contains([' ', '"', '=']) {
            self.record_debug(field, &value);
        } else {
            self.record_debug(field, &format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = field.name();
        if name != "message" {
            let name = name.strip_prefix("r#").unwrap_or(name);
            let _ = write!(self.0, " {name}={value:?}");
        }
    }
}
