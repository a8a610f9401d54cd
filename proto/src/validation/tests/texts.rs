//! Rules of a report: texts, dates and times.

use super::{edit::*, *};

type TextField = fn(&mut CaseReport) -> &mut String;

#[test]
fn texts_are_held_to_their_length_in_characters() {
    // Two bytes a character: the limit counts characters.
    fn long(n: usize) -> String {
        "é".repeat(n)
    }
    let table: [(&str, usize, TextField); 21] = [
        ("title", 200, |r| &mut r.title),
        ("reporting_unit", 200, |r| &mut r.reporting_unit),
        ("concealment", 1_000, |r| &mut r.concealment),
        ("narrative", 20_000, |r| &mut r.narrative),
        ("place.locality", 200, |r| &mut place(r).locality),
        ("route.origin.locality", 200, |r| &mut origin(r).locality),
        ("route.origin.attributions[0].note", 1_000, |r| {
            &mut origin(r).attributions[0].note
        }),
        ("items[0].description", 500, |r| &mut r.items[0].description),
        ("items[0].substance.name", 300, |r| &mut substance(r).name),
        ("items[0].findings[0].laboratory", 200, |r| {
            &mut lab(r).laboratory
        }),
        ("items[0].findings[0].report_number", 100, |r| {
            &mut lab(r).report_number
        }),
        ("evidence[0].custodian", 200, |r| {
            &mut r.evidence[0].custodian
        }),
        ("evidence[0].description", 1_000, |r| {
            &mut r.evidence[0].description
        }),
        ("identifiers[0].value", 200, |r| &mut r.identifiers[0].value),
        ("identifiers[0].issuer", 200, |r| {
            &mut r.identifiers[0].issuer
        }),
        ("organizations[0].name", 300, |r| {
            &mut r.organizations[0].name
        }),
        ("sources[0].title", 300, |r| &mut r.sources[0].title),
        ("sources[0].publisher", 200, |r| &mut r.sources[0].publisher),
        ("handling.caveats[0]", 200, |r| &mut handling(r).caveats[0]),
        ("items[0].equipment.name", 300, |r| &mut equipment(r).name),
        ("items[0].equipment.marking", 300, |r| {
            &mut equipment(r).marking
        }),
    ];
    for (path, max, field) in table {
        accepts(|r| *field(r) = long(max));
        refuses(path, &format!("at most {max}"), |r| {
            *field(r) = long(max + 1)
        });
        refuses(path, "blank", |r| *field(r) = " \u{3000} ".into());
        refuses(path, "U+0007", |r| *field(r) = "bell\u{7}".into());
    }
}

#[test]
fn control_and_bidirectional_characters_are_refused_and_prose_keeps_its_lines() {
    for c in [
        "\0", "\r", "\u{1b}", "\u{7f}", "\u{85}", "\u{202a}", "\u{202e}", "\u{2066}", "\u{2069}",
    ] {
        refuses("narrative", "not allowed", |r| {
            r.narrative = format!("a{c}b")
        });
        refuses("title", "one line", |r| r.title = format!("a{c}b"));
    }
    for c in ["\n", "\t", "\u{2028}", "\u{2029}"] {
        accepts(|r| r.narrative = format!("a{c}b"));
        refuses("title", "one line", |r| r.title = format!("a{c}b"));
    }
    // Scripts written from right to left need no formatting characters to be read.
    accepts(|r| r.title = "فنتانيل 芬太尼 фентанил 🙂".into());
}

#[test]
fn dates_must_exist_have_a_year_and_not_be_in_the_future() {
    for (y, m, d, words) in [
        (2015, 2, 29, "no such day"),
        (1900, 2, 29, "no such day"),
        (2016, 4, 31, "no such day"),
        (2016, 13, 1, "month must be"),
        (2016, -1, 0, "month must be"),
        (2016, 1, 32, "no such day"),
        (2016, 1, -1, "no such day"),
        (2016, 0, 5, "needs its month"),
        (0, 1, 1, "year is required"),
        (0, 0, 0, "year is required"),
        (-1, 1, 1, "year is required"),
        (10_000, 1, 1, "year is required"),
        (2026, 11, 26, "future"),
        (2026, 12, 0, "future"),
        (2027, 0, 0, "future"),
    ] {
        refuses("incident_date", words, |r| {
            r.incident_date = Some(date(y, m, d))
        });
        refuses("items[0].findings[0].report_date", words, |r| {
            lab(r).report_date = Some(date(y, m, d))
        });
        refuses("sources[0].publish_date", words, |r| {
            r.sources[0].publish_date = Some(date(y, m, d))
        });
    }
    for (y, m, d) in [
        (2016, 2, 29),
        (2000, 2, 29),
        (1, 1, 1),
        (2016, 6, 0),
        (2026, 0, 0),
        (2026, 11, 0),
        (2026, 11, 24),
        (2026, 11, 25),
    ] {
        accepts(|r| r.incident_date = Some(date(y, m, d)));
    }
}

#[test]
fn collect_times_must_be_times_and_not_in_the_future() {
    let path = "evidence[0].collect_time";
    let at = |seconds, nanos| Some(Timestamp { seconds, nanos });
    refuses(path, "ahead", |r| {
        r.evidence[0].collect_time = at(CLOCK.now + 301, 0)
    });
    refuses(path, "not a time", |r| {
        r.evidence[0].collect_time = at(CLOCK.now, -1)
    });
    refuses(path, "not a time", |r| {
        r.evidence[0].collect_time = at(CLOCK.now, 1_000_000_000)
    });
    refuses(path, "not a time", |r| {
        r.evidence[0].collect_time = at(-62_135_596_801, 0)
    });
    refuses(path, "not a time", |r| {
        r.evidence[0].collect_time = at(i64::MAX, 0)
    });
    accepts(|r| r.evidence[0].collect_time = at(CLOCK.now + 300, 0));
    accepts(|r| r.evidence[0].collect_time = None);
}
