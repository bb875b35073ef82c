//! The file `.env`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Read};

use super::Problem;

/// Stands for `$` while dotenvy reads: it would expand variables, and cut a key like `pa$word` without a word. The original
/// takes `$` as it is. No text may hold this code point.
const DOLLAR: &str = "\u{fdd0}";

/// The values of a `.env` file (the last one of a name counts), and a problem for each entry that cannot be read. No problem
/// quotes the file: a broken line may hold a secret.
pub(super) fn parse(text: &str) -> (BTreeMap<String, String>, Vec<Problem>) {
    // dotenvy wants no byte order mark, and a newline after a value with spaces behind it.
    let text = format!("{}\n", text.trim_start_matches('\u{feff}')).replace("\\$", "$").replace('$', DOLLAR);
    let line = Cell::new(0);
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for entry in dotenvy::from_read_iter(Lines { rest: text.as_bytes(), line: &line }) {
        if let Ok((name, value)) = entry {
            values.insert(name, value.replace(DOLLAR, "$"));
        } else if let Some((name, value)) = text.lines().nth(line.get().saturating_sub(1)).and_then(bare_words) {
            values.insert(name.to_owned(), value.replace(DOLLAR, "$"));
        } else {
            let text = format!(
                "cannot be read at line {}: each entry must be NAME=value, with quotes around a value that has spaces",
                line.get().min(text.lines().count())
            );
            problems.push(Problem::new(".env", text));
        }
    }
    (values, problems)
}

/// A value of several words without quotes, which dotenvy refuses and the original takes.
fn bare_words(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim().strip_prefix("export ").unwrap_or(name.trim());
    let value = value.split_once(" #").map_or(value, |(value, _)| value).trim();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    (plain && !value.contains(['\'', '"', '`', '\\'])).then_some((name, value))
}

/// Hands out a line at a time, so that `line` is the one that is being parsed.
struct Lines<'a> {
    rest: &'a [u8],
    line: &'a Cell<usize>,
}

impl Read for Lines<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.iter().position(|byte| *byte == b'\n').map_or(self.rest.len(), |end| end + 1);
        let length = line.min(buffer.len());
        let (now, later) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.rest = later;
        if now.ends_with(b"\n") {
            self.line.set(self.line.get() + 1);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> String {
        let (values, problems) = parse(text);
        assert_eq!(problems, []);
        values["NAME"].clone()
    }

    #[test]
    fn understands_quotes_comments_exports_and_windows_files() {
        assert_eq!(value("NAME=plain"), "plain");
        assert_eq!(value("NAME=plain   "), "plain");
        assert_eq!(value("\u{feff}NAME=plain\r\n"), "plain");
        assert_eq!(value("# it's a comment\nexport NAME = \"two words\" # why\n"), "two words");
        assert_eq!(value("NAME='two words'"), "two words");
        assert_eq!(value("NAME=a#b"), "a#b");
        assert_eq!(value("NAME=two words # why"), "two words");
        assert_eq!(value("NAME= # nothing\n"), "");
        assert_eq!(value("NAME=first\nNAME=last\n"), "last");
    }

    #[test]
    fn a_dollar_is_a_dollar() {
        assert_eq!(value("NAME=pa$HOME$x"), "pa$HOME$x");
        assert_eq!(value("NAME=\"${HOME}\\$\""), "${HOME}$");
    }

    #[test]
    fn a_broken_line_is_named_by_number_and_not_shown() {
        let (values, problems) = parse("A=1\n\nSE CRET=two words\nB=2\n=3\n");
        assert_eq!(values.len(), 2);
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 2);
        assert!(shown[0].starts_with(".env: cannot be read at line 3:"), "{}", shown[0]);
        assert!(shown[1].contains("at line 5:"), "{}", shown[1]);
        assert!(!shown.concat().contains("two"));
    }

    #[test]
    fn an_open_quote_is_a_problem_and_no_endless_loop() {
        let (values, problems) = parse("A=1\nNAME=\"open\nB=2\n");
        assert_eq!(values.len(), 1);
        assert_eq!(problems.len(), 1);
    }
}
