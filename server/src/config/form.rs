//! A value of the wrong type or form, in words: which key, where, and what is accepted.

use std::{ops::Range, path::Path};

use super::{Config, ConfigError, EXAMPLE};

/// What the parser found wrong. If it is a value, with its key and what is accepted there; else in the parser's words, which
/// show line and column.
pub(super) fn explain(text: &str, path: &Path, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map(|span| span.start);
    let found = at.and_then(|at| value_at(text, at));
    let Some((key, span)) = found else {
        return ConfigError::Syntax {
            path: path.into(),
            message: error.to_string().trim_end().to_owned(),
        };
    };
    let before = text.get(..span.start).unwrap_or_default();
    ConfigError::Form {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        value: text.get(span).unwrap_or_default().into(),
        problem: error.message().trim_end().into(),
        accepted: accepted(&key).into(),
        key: key.into(),
    }
}

/// What a key takes: its range, if it has one, and the value in the example.
fn accepted(key: &str) -> String {
    let example = Config::parse(EXAMPLE, Path::new("example.toml")).ok();
    let ranges = example.map(|config| config.ranges()).unwrap_or_default();
    let range = ranges.into_iter().find(|range| range.key == key);
    let value = value_of(EXAMPLE, key);
    match (range, value) {
        (Some(range), Some(value)) => format!("{}, such as `{value}`", range.accepted),
        (Some(range), None) => range.accepted,
        (None, Some(value)) => format!("a value such as `{value}`"),
        (None, None) => "see `casebroker config example`".into(),
    }
}

/// Dotted key and extent of the value that `at` lies in.
fn value_at(text: &str, at: usize) -> Option<(String, Range<usize>)> {
    let document = text.parse::<toml_edit::Document<String>>().ok()?;
    let values = values(document.as_item(), "");
    values.into_iter().find(|(_, span)| span.contains(&at))
}

fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let document = text.parse::<toml_edit::Document<String>>().ok()?;
    let values = values(document.as_item(), "");
    let (_, span) = values.into_iter().find(|(found, _)| found == key)?;
    text.get(span)
}

/// Every value that is no table, by its dotted key.
fn values(item: &toml_edit::Item, prefix: &str) -> Vec<(String, Range<usize>)> {
    let Some(table) = item.as_table_like() else {
        let span = item.span().into_iter();
        return span.map(|span| (prefix.to_owned(), span)).collect();
    };
    let members = table.iter().flat_map(|(key, item)| match prefix {
        "" => values(item, key),
        prefix => values(item, &format!("{prefix}.{key}")),
    });
    members.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str) -> String {
        assert!(EXAMPLE.contains(from), "{from}");
        let text = EXAMPLE.replacen(from, to, 1);
        let line = text.lines().position(|l| l.starts_with(to)).unwrap() + 1;
        let error = Config::parse(&text, Path::new("broker.toml")).unwrap_err();
        let said = error.to_string();
        let place = format!("broker.toml:{line}: `");
        assert!(said.starts_with(&place), "{said}");
        said
    }

    fn example_of(key: &str) -> String {
        let value = value_of(EXAMPLE, key).unwrap();
        format!("{} = {value}", key.rsplit('.').next().unwrap())
    }

    #[test]
    fn a_value_of_another_form_names_key_value_line_and_what_is_accepted() {
        let listen = refused(&example_of("listen"), "listen = \"127.0.0.1\"");
        for words in [
            "`listen = \"127.0.0.1\"`",
            "accepted: a value such as `\"127.0.0.1:",
        ] {
            assert!(listen.contains(words), "{listen}");
        }
        let readers = refused(&example_of("limits.readers"), "readers = \"many\"");
        for words in [
            "`limits.readers = \"many\"`",
            "accepted: 1 to 1024, such as `32`",
        ] {
            assert!(readers.contains(words), "{readers}");
        }
    }

    #[test]
    fn what_is_no_value_stays_in_the_parsers_words() {
        for text in ["listen", "colour = 1", ""] {
            let error = Config::parse(text, Path::new("broker.toml")).unwrap_err();
            assert!(matches!(error, ConfigError::Syntax { .. }), "{error}");
        }
    }
}
