//! A filter as the broker understood it, in one or two lines.

use casebroker_proto::v1::{FilterTerm, FilterValue};

use crate::table::{clean, cut, wrap};

/// Most lines.
const LINES: usize = 2;
/// Most values of one field that are named.
const VALUES: usize = 4;

/// `origin China (CN); substance Carfentanil`, in at most two lines of `width` columns; none if nothing was asked for.
pub fn understood(terms: &[FilterTerm], width: Option<usize>) -> Vec<String> {
    if terms.is_empty() {
        return Vec::new();
    }
    let terms: Vec<_> = terms.iter().map(term).collect();
    let text = clean(&format!("which: {}", terms.join("; ")));
    let Some(width) = width else {
        return vec![text];
    };
    let mut lines = wrap(&text, width);
    if lines.len() > LINES {
        let rest = lines.split_off(LINES - 1).join(" ");
        lines.push(cut(&rest, width));
    }
    lines
}

fn term(term: &FilterTerm) -> String {
    let mut values: Vec<_> = term.values.iter().take(VALUES).map(value).collect();
    match term.values.len().saturating_sub(VALUES) {
        0 => {}
        more => values.push(format!("{more} more")),
    }
    format!("{} {}", label(&term.field), values.join(", "))
}

fn value(value: &FilterValue) -> String {
    let FilterValue {
        value,
        display_name,
    } = value;
    match display_name.as_str() {
        "" => value.clone(),
        name if name.eq_ignore_ascii_case(value) => name.to_owned(),
        name => format!("{name} ({value})"),
    }
}

/// A field in the words of the flags.
fn label(field: &str) -> String {
    match field {
        "agencies" => "agency".into(),
        "reporting_units" => "unit".into(),
        "countries" => "country".into(),
        "bases" => "basis".into(),
        "statuses" => "status".into(),
        "substance_classes" => "class".into(),
        "incident_start_date" => "from".into(),
        "incident_end_date" => "to".into(),
        "record_start_time" => "recorded from".into(),
        "record_end_time" => "recorded before".into(),
        "min_mass_micrograms" => "at least".into(),
        "evidence_digests" => "digest".into(),
        other => other.strip_suffix('s').unwrap_or(other).replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    fn made(field: &str, values: &[(&str, &str)]) -> FilterTerm {
        let value = |(value, name): &(&str, &str)| FilterValue {
            value: (*value).into(),
            display_name: (*name).into(),
        };
        FilterTerm {
            field: field.into(),
            values: values.iter().map(value).collect(),
        }
    }

    #[test]
    fn names_stand_before_the_form_that_was_asked_for() {
        let terms = [
            made("origins", &[("CN", "China"), ("MX", "Mexico")]),
            made("substances", &[("carfentanil", "Carfentanil")]),
            made("text", &[("printer ink", "")]),
        ];
        assert_eq!(
            understood(&terms, None),
            ["which: origin China (CN), Mexico (MX); substance Carfentanil; text printer ink"]
        );
        assert!(understood(&[], Some(80)).is_empty());
    }

    #[test]
    fn a_long_filter_takes_two_lines_and_no_more() {
        let names: Vec<_> = (0..30).map(|n| format!("芬太尼类物质{n}")).collect();
        let values: Vec<_> = names.iter().map(|n| (n.as_str(), "")).collect();
        let terms = [
            made("substances", &values),
            made("organizations", &values),
            made("identifiers", &values),
        ];
        let lines = understood(&terms, Some(80));
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.width() <= 80), "{lines:?}");
        assert!(
            lines.join(" ").contains("26 more") && lines[1].ends_with('…'),
            "{lines:?}"
        );
    }
}
