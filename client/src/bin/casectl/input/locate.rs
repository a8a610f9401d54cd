//! On which line of a file a field stands.

use super::RawValue;

/// Line of a field in the file, from 1: that of its key, or of the element of a list. Where it is missing, the line on which
/// what it is missing from begins. `path` is as violations give it, such as `items[0].quantity.value`; keys may be written
/// as in the contract or as proto JSON writes them.
pub fn line_of(raw: &RawValue, path: &str) -> u64 {
    let text = raw.text.as_bytes();
    let found = find(text, path);
    // A case alone becomes the report of a statement, and what the broker says begins at the statement.
    let found = match path.strip_prefix("report.report.") {
        Some(rest) if found == Some(0) => find(text, rest),
        _ => found,
    };
    let before = text.get(..found.unwrap_or(0)).unwrap_or_default();
    let breaks = before.iter().filter(|byte| **byte == b'\n').count();
    raw.line + breaks as u64
}

/// Offset of the field, or of the innermost thing around it that is there.
fn find(text: &[u8], path: &str) -> Option<usize> {
    let mut value = skip_blanks(text, 0);
    let mut found = 0;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let next = match step.strip_suffix(']').map(str::parse) {
            Some(Ok(index)) => element(text, value, index).map(|at| (at, at)),
            Some(Err(_)) => None,
            None => member(text, value, step),
        };
        let Some((at, inner)) = next else { break };
        (found, value) = (at, inner);
    }
    Some(found)
}

/// Offsets of a key in the object that begins at `at`, and of its value.
fn member(text: &[u8], at: usize, key: &str) -> Option<(usize, usize)> {
    let other = lower_camel(key);
    let mut at = enter(text, at, b'{')?;
    while text.get(at) == Some(&b'"') {
        let end = skip_string(text, at);
        let name = text.get(at + 1..end.checked_sub(1)?)?;
        let colon = skip_blanks(text, end);
        if text.get(colon) != Some(&b':') {
            return None;
        }
        let value = skip_blanks(text, colon + 1);
        if name == key.as_bytes() || name == other.as_bytes() {
            return Some((at, value));
        }
        at = next_item(text, value);
    }
    None
}

/// Offset of an element of the list that begins at `at`.
fn element(text: &[u8], at: usize, index: usize) -> Option<usize> {
    let mut at = enter(text, at, b'[')?;
    for _ in 0..index {
        if matches!(text.get(at), None | Some(b']')) {
            return None;
        }
        at = next_item(text, at);
    }
    (!matches!(text.get(at), None | Some(b']'))).then_some(at)
}

fn enter(text: &[u8], at: usize, opening: u8) -> Option<usize> {
    (text.get(at) == Some(&opening)).then(|| skip_blanks(text, at + 1))
}

/// From a value to what follows the comma after it.
fn next_item(text: &[u8], value: usize) -> usize {
    let at = skip_blanks(text, skip_value(text, value));
    match text.get(at) {
        Some(b',') => skip_blanks(text, at + 1),
        _ => at,
    }
}

fn skip_value(text: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at = skip_string(text, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at + depth,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

/// To after the closing quotation mark.
fn skip_string(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn skip_blanks(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The name of a field in proto JSON.
fn lower_camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CASE: &str = r#"{
  "name": "a, \"items\": [",
  "incidentDate": {"year": 2016},
  "items": [
    {"form": "X", "quantity": {}},
    {
      "quantity": {
        "value": "1,0",
        "unit": "G"
      }
    }
  ],
  "place": {
    "country": "XX"
  }
}"#;

    fn line(path: &str) -> u64 {
        let text = CASE.into();
        line_of(&RawValue { line: 10, text }, path) - 9
    }

    #[test]
    fn a_field_is_found_on_its_own_line() {
        for (path, expected) in [
            ("name", 2),
            ("incident_date", 3),
            ("incident_date.year", 3),
            ("items", 4),
            ("items[0].form", 5),
            ("items[1]", 6),
            ("items[1].quantity.value", 8),
            ("items[1].quantity.unit", 9),
            ("place.country", 14),
            ("report.report.place.country", 14),
        ] {
            assert_eq!(line(path), expected, "{path}");
        }
    }

    #[test]
    fn a_missing_field_is_on_the_line_of_what_lacks_it() {
        for (path, expected) in [
            ("title", 1),
            ("", 1),
            ("items[2].form", 4),
            ("items[1].quantity.normalized.value", 7),
            ("place.subdivision", 13),
            ("items[x]", 4),
        ] {
            assert_eq!(line(path), expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_and_path_end_within_the_text(text in "[\\[\\]{}\",:\\\\ a\n]{0,40}", path in "[a\\[\\].0]{0,8}") {
            let breaks = text.matches('\n').count() as u64;
            let line = line_of(&RawValue { line: 1, text }, &path);
            prop_assert!((1..=breaks + 1).contains(&line));
        }
    }
}
