//! Splits a stream into JSON values without holding more than one, and says on which line each begins.
//!
//! Taken are values one after another (JSONL, or indented ones) and the elements of one array around them all. Lines that
//! begin with `//` are left out, inside a value too. Where each line is a value, a broken line costs only itself; elsewhere
//! what follows a break cannot be trusted, and reading stops there.

use std::io::{self, BufRead};

/// Longest value, in bytes: four times the largest signed statement, since JSON is longer than what is signed.
pub const MAX_VALUE_BYTES: usize = 4 * casebroker_proto::MAX_MESSAGE_BYTES;

/// One value's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawValue {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// Its text, line breaks and all.
    pub text: String,
}

/// Something that is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line on which it begins, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
    /// Its text, as far as it was kept; empty if it was too long.
    pub text: String,
}

/// Values of a stream. As an iterator it gives each in turn; a failure to read ends it.
#[derive(Debug)]
pub struct Values<R> {
    input: R,
    /// Line being read.
    line: u64,
    /// Bytes taken so far.
    offset: u64,
    /// Each line is a value: known from the name, or seen from the first value.
    lines: bool,
    /// Whether the first value has been looked at for that.
    looked: bool,
    in_array: bool,
    ended: bool,
}

/// What comes next.
pub type Item = io::Result<Result<RawValue, Problem>>;

impl<R: BufRead> Values<R> {
    /// Reads `input`; `lines` if it is known that each line is a value.
    pub fn new(input: R, lines: bool) -> Self {
        Self {
            input,
            line: 1,
            offset: 0,
            lines,
            looked: lines,
            in_array: false,
            ended: false,
        }
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn next_item(&mut self) -> io::Result<Option<Result<RawValue, Problem>>> {
        while let Some(byte) = self.peek()? {
            match byte {
                b'{' => return self.value().map(Some),
                b' ' | b'\t' | b'\r' | b'\n' => self.advance(byte),
                b',' if self.in_array => self.advance(byte),
                b'[' if !self.in_array && !self.lines => {
                    self.in_array = true;
                    self.advance(byte);
                }
                b']' if self.in_array => {
                    self.in_array = false;
                    self.advance(byte);
                }
                // The byte order mark that some editors write.
                0xef | 0xbb | 0xbf if self.offset < 3 => self.advance(byte),
                _ => {
                    let line = self.line;
                    let text = self.rest_of_line()?;
                    if text.trim_start().starts_with("//") {
                        continue;
                    }
                    self.ended = !self.lines;
                    return Ok(Some(Err(self.problem(
                        line,
                        "here a JSON object must begin",
                        text,
                    ))));
                }
            }
        }
        self.ended = true;
        if self.in_array {
            let what = "the array that holds the statements does not end";
            return Ok(Some(Err(self.problem(self.line, what, String::new()))));
        }
        Ok(None)
    }

    /// A value from its opening brace to its closing one.
    fn value(&mut self) -> io::Result<Result<RawValue, Problem>> {
        let first = self.line;
        let mut kept = Kept::default();
        let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
        loop {
            let Some(byte) = self.peek()? else {
                self.ended = true;
                let what = "the JSON object does not end";
                return Ok(Err(self.problem(first, what, kept.lossy())));
            };
            if byte == b'/' && !in_string {
                // A comment, or nothing that JSON knows: then its parser says so.
                let rest = self.rest_of_line()?;
                if !rest.starts_with("//") {
                    rest.bytes().for_each(|b| kept.push(b));
                }
                continue;
            }
            self.advance(byte);
            kept.push(byte);
            match byte {
                b'\n' if self.lines && self.peek()?.is_none_or(|next| next == b'{') => {
                    let what = "the JSON object does not end on its line";
                    return Ok(Err(self.problem(first, what, kept.lossy())));
                }
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && !in_string {
                break;
            }
        }
        if let Some(problem) = self.after_value(first, &kept)? {
            return Ok(Err(problem));
        }
        if kept.too_long {
            let what = format!("the JSON object is longer than {MAX_VALUE_BYTES} bytes");
            return Ok(Err(self.problem(first, what, String::new())));
        }
        Ok(match String::from_utf8(kept.bytes) {
            Ok(text) => Ok(RawValue { line: first, text }),
            Err(e) => Err(self.problem(first, "the text is not UTF-8", lossy(e.into_bytes()))),
        })
    }

    /// Where each line is a value nothing may follow on the line. Looks, after the first value, whether that is so.
    fn after_value(&mut self, first: u64, kept: &Kept) -> io::Result<Option<Problem>> {
        while let Some(byte @ (b' ' | b'\t' | b'\r')) = self.peek()? {
            self.advance(byte);
        }
        let ends_line = matches!(self.peek()?, None | Some(b'\n'));
        if !self.looked {
            self.looked = true;
            self.lines = !self.in_array && first == self.line && ends_line;
        }
        if self.lines && !ends_line {
            let rest = self.rest_of_line()?;
            let what = "something follows the JSON object on its line";
            let text = format!("{}{rest}", String::from_utf8_lossy(&kept.bytes));
            return Ok(Some(self.problem(first, what, text)));
        }
        Ok(None)
    }

    /// Text up to the line's end, which is left; empty if it is too long.
    fn rest_of_line(&mut self) -> io::Result<String> {
        let mut kept = Kept::default();
        while let Some(byte) = self.peek()? {
            if byte == b'\n' {
                break;
            }
            self.advance(byte);
            kept.push(byte);
        }
        Ok(kept.lossy())
    }

    fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.input.fill_buf() {
                Ok(available) => return Ok(available.first().copied()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn advance(&mut self, byte: u8) {
        self.input.consume(1);
        self.offset += 1;
        if byte == b'\n' {
            self.line += 1;
        }
    }

    fn problem(&self, line: u64, what: impl Into<String>, text: String) -> Problem {
        Problem {
            line,
            what: what.into(),
            text,
        }
    }
}

impl<R: BufRead> Iterator for Values<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.ended {
            return None;
        }
        match self.next_item() {
            Ok(item) => item.map(Ok),
            Err(e) => {
                self.ended = true;
                Some(Err(e))
            }
        }
    }
}

/// Bytes of a value, as long as it is not too long.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Kept {
    fn push(&mut self, byte: u8) {
        if self.bytes.len() >= MAX_VALUE_BYTES {
            self.too_long = true;
            self.bytes = Vec::new();
        }
        if !self.too_long {
            self.bytes.push(byte);
        }
    }

    fn lossy(self) -> String {
        lossy(self.bytes)
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each item as its line and its text without spaces, or the problem.
    fn read(text: &str, lines: bool) -> Vec<(u64, String)> {
        // A tiny buffer, so that every boundary falls somewhere.
        let input = io::BufReader::with_capacity(3, text.as_bytes());
        Values::new(input, lines)
            .map(|item| match item.unwrap() {
                Ok(value) => (value.line, value.text.replace([' ', '\n'], "")),
                Err(problem) => (problem.line, format!("! {}", problem.what)),
            })
            .collect()
    }

    fn values(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected
            .iter()
            .map(|(l, t)| (*l, (*t).to_owned()))
            .collect()
    }

    #[test]
    fn lines_indented_values_and_an_array_are_all_taken() {
        let expected =
            |lines: [u64; 2]| values(&[(lines[0], "{\"a\":1}"), (lines[1], "{\"b\":[{}]}")]);
        assert_eq!(read("{\"a\":1}\n\n{\"b\":[{}]}\n", false), expected([1, 3]));
        assert_eq!(
            read("{\n \"a\": 1\n}\n{\n \"b\": [{}]\n}", false),
            expected([1, 4])
        );
        assert_eq!(read("[{\"a\":1},{\"b\":[{}]}]", false), expected([1, 1]));
        assert_eq!(
            read("\u{feff}[\n {\"a\":1},\n {\"b\":[{}]}\n]\n", false),
            expected([2, 3])
        );
        assert_eq!(read("{\"a\":1} {\"b\":[{}]}", false), expected([1, 1]));
        assert_eq!(read("", false), []);
    }

    #[test]
    fn braces_and_comments_in_strings_are_text() {
        let text = r#"{"a":"}{\"//x","b":"http://x"}"#;
        assert_eq!(read(text, false), values(&[(1, text)]));
    }

    #[test]
    fn comments_are_left_out_and_lines_still_count() {
        let text = "// head\n{\n // one\n  // two\n\"a\": 1 // three\n}\n// four\n{}";
        assert_eq!(read(text, false), values(&[(2, "{\"a\":1}"), (8, "{}")]));
        let value = Values::new(text.as_bytes(), false)
            .next()
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(value.text.lines().nth(3), Some("\"a\": 1 "));
    }

    #[test]
    fn a_broken_line_costs_only_itself() {
        for broken in [
            "{\"a\": [1}",
            "{\"a\": \"x}",
            "{\"a\":1",
            "nonsense",
            "{}}",
            "{} {}",
        ] {
            let text = format!("{{}}\n{broken}\n{{\"b\":2}}\n");
            let found = read(&text, false);
            assert_eq!(found.len(), 3, "{broken}: {found:?}");
            assert!(found[1].0 == 2 && found[1].1.starts_with("! "), "{found:?}");
            assert_eq!(found[2], (3, "{\"b\":2}".to_owned()));
            assert_eq!(
                read(&format!("{broken}\n{{}}\n"), true)[1],
                (2, "{}".to_owned())
            );
        }
    }

    #[test]
    fn what_follows_a_break_elsewhere_is_not_trusted() {
        let text = "{\n \"a\": {\n}\n{\n}\n";
        let found = read(text, false);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("does not end"), "{found:?}");
        assert!(read("[{}", false)[1].1.contains("array"));
    }

    #[test]
    fn a_value_that_is_too_long_is_passed_over_in_bounded_memory() {
        let long = format!("{{\"a\":\"{}\"}}\n{{}}", "x".repeat(MAX_VALUE_BYTES));
        let found: Vec<_> = Values::new(long.as_bytes(), true)
            .map(Result::unwrap)
            .collect();
        assert!(found[0].as_ref().unwrap_err().what.contains("longer than"));
        assert_eq!(found[1].as_ref().unwrap().line, 2);
    }

    proptest! {
        #[test]
        fn whatever_is_written_a_line_each_is_read_back(texts in prop::collection::vec("[ -~\u{4e00}-\u{4e10}]{0,20}", 0..8)) {
            let lines: Vec<_> = texts.iter().map(|t| serde_json::json!({"t": t}).to_string()).collect();
            let read: Vec<_> = Values::new(lines.join("\n").as_bytes(), false)
                .map(|item| item.unwrap().unwrap())
                .collect();
            prop_assert_eq!(read.iter().map(|v| v.text.clone()).collect::<Vec<_>>(), lines);
            prop_assert!(read.iter().enumerate().all(|(i, v)| v.line == i as u64 + 1));
        }

        #[test]
        fn any_bytes_end_somehow(bytes: Vec<u8>, lines: bool) {
            prop_assert!(Values::new(&bytes[..], lines).count() <= bytes.len() + 1);
        }
    }
}
