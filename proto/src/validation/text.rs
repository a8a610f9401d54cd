//! Texts: length in characters, and no character that hides or reorders what a reader sees.

use super::checker::{Checker, Path};

/// How a text is laid out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One line: no newline, no tab.
    Line,
    /// Newlines and tabs are allowed.
    Prose,
}

impl Checker {
    /// A name, title or number on one line, required.
    pub(crate) fn required_line(&mut self, at: &Path<'_>, text: &str, max: usize) {
        self.required_text(at, text, max, Layout::Line);
    }

    /// A name, title or number on one line, if given.
    pub(super) fn optional_line(&mut self, at: &Path<'_>, text: &str, max: usize) {
        self.optional_text(at, text, max, Layout::Line);
    }

    /// A text of several lines, required.
    pub(super) fn required_prose(&mut self, at: &Path<'_>, text: &str, max: usize) {
        self.required_text(at, text, max, Layout::Prose);
    }

    /// A text of several lines, if given.
    pub(crate) fn optional_prose(&mut self, at: &Path<'_>, text: &str, max: usize) {
        self.optional_text(at, text, max, Layout::Prose);
    }

    fn required_text(&mut self, at: &Path<'_>, text: &str, max: usize, layout: Layout) {
        if text.is_empty() {
            self.missing(at);
        } else {
            self.optional_text(at, text, max, layout);
        }
    }

    fn optional_text(&mut self, at: &Path<'_>, text: &str, max: usize, layout: Layout) {
        if text.is_empty() {
            return;
        }
        // A text has at most as many characters as bytes, so most need no counting.
        if text.len() > max {
            let count = text.chars().count();
            if count > max {
                self.refuse(at, || {
                    format!("has {count} characters; at most {max} are allowed")
                });
            }
        }
        if text.trim().is_empty() {
            self.refuse(at, || {
                "is blank; it must say something, or be left out where it is optional".into()
            });
        } else if !is_plain_ascii(text)
            && let Some(bad) = text.chars().find(|c| is_refused(*c, layout))
        {
            let rule = match layout {
                Layout::Line => {
                    "it must be one line without control or bidirectional formatting characters"
                }
                Layout::Prose => {
                    "control characters other than newline and tab, and bidirectional formatting characters, are not allowed"
                }
            };
            self.refuse(at, || format!("contains U+{:04X}; {rule}", u32::from(bad)));
        }
    }
}

/// The usual case, told without decoding.
fn is_plain_ascii(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

fn is_refused(c: char, layout: Layout) -> bool {
    match c {
        '\n' | '\t' => layout == Layout::Line,
        // Line and paragraph separators break a line just as a newline does.
        '\u{2028}' | '\u{2029}' => layout == Layout::Line,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        c => c.is_control(),
    }
}
