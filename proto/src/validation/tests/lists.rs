//! Rules of a report: references, handling, and how many of each.

use super::{edit::*, *};

type Fill = fn(&mut CaseReport, usize);

#[test]
fn evidence_ids_are_well_formed_unique_and_listed() {
    all_refused(&[
        ("evidence[2].id", "beginning and ending", |r| {
            r.evidence.push(reference("-x"))
        }),
        ("evidence[2].id", "1 to 63", |r| {
            r.evidence.push(reference(&"a".repeat(64)))
        }),
        ("evidence[2].id", "required", |r| {
            r.evidence.push(reference(""))
        }),
        ("evidence[2].id", "a-z", |r| {
            r.evidence.push(reference("Lab"))
        }),
        ("evidence[2].id", "id of evidence[1]", |r| {
            r.evidence.push(reference("waybill"))
        }),
        (
            "items[0].findings[0].evidence_ids[0]",
            "not the id of evidence",
            |r| lab(r).evidence_ids[0] = "lab-report-2".into(),
        ),
        (
            "items[0].findings[0].evidence_ids[1]",
            "repeats evidence_ids[0]",
            |r| lab(r).evidence_ids.push("lab-report-1".into()),
        ),
        (
            "route.transit[0].attributions[0].evidence_ids[1]",
            "not the id",
            |r| {
                r.route.as_mut().unwrap().transit[0].attributions[0]
                    .evidence_ids
                    .push("x".into());
            },
        ),
        ("evidence[0].size_bytes", "-1", |r| {
            r.evidence[0].size_bytes = -1
        }),
    ]);
    accepts(|r| r.evidence.push(reference(&"a".repeat(63))));
    // Beyond a few, both are found by sorting.
    accepts(|r| {
        r.evidence
            .extend((0..100).map(|i| reference(&format!("e{i}"))))
    });
    refuses("evidence[102].id", "id of evidence[52]", |r| {
        r.evidence
            .extend((0..100).map(|i| reference(&format!("e{i}"))));
        r.evidence.push(reference("e50"));
    });
    refuses("items[0].findings[0].evidence_ids[0]", "not the id", |r| {
        r.evidence
            .extend((0..100).map(|i| reference(&format!("e{i}"))));
        lab(r).evidence_ids[0] = "e100".into();
    });
}

#[test]
fn techniques_are_listed_once() {
    refuses(
        "items[0].findings[0].techniques[2]",
        "repeats techniques[0]",
        |r| {
            let first = lab(r).techniques[0];
            lab(r).techniques.push(first);
        },
    );
}

#[test]
fn markings_that_name_recipients_need_an_audience() {
    for tlp in [Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
        refuses("handling.audience", "required under TLP:", |r| {
            *handling(r) = Handling {
                tlp: tlp.into(),
                ..Handling::default()
            };
        });
        accepts(|r| handling(r).tlp = tlp.into());
    }
    for tlp in [Tlp::Clear, Tlp::Green] {
        accepts(|r| {
            *handling(r) = Handling {
                tlp: tlp.into(),
                ..Handling::default()
            }
        });
        accepts(|r| handling(r).tlp = tlp.into());
    }
    all_refused(&[
        ("handling.audience[1]", "agencies/{agency}", |r| {
            handling(r).audience[1] = "ca-rcmp".into()
        }),
        ("handling.audience[1]", "agencies/{agency}", |r| {
            handling(r).audience[1] = "agencies/CA".into()
        }),
        ("handling.audience[1]", "agencies/{agency}", |r| {
            handling(r).audience[1] = "agencies/a/cases/b".into()
        }),
        ("handling.audience[1]", "groups/{group}", |r| {
            handling(r).audience[1] = "groups/Five".into()
        }),
        ("handling.audience[1]", "required", |r| {
            handling(r).audience[1].clear()
        }),
        ("handling.audience[2]", "repeats audience[0]", |r| {
            handling(r).audience.push("agencies/cn-nncc".into())
        }),
    ]);
}

#[test]
fn repeated_fields_are_held_to_their_count() {
    fn fill<T: Clone>(list: &mut Vec<T>, n: usize) {
        let first = list[0].clone();
        list.resize(n, first);
    }
    let table: [(&str, usize, Fill); 10] = [
        ("items", 200, |r, n| fill(&mut r.items, n)),
        ("identifiers", 200, |r, n| fill(&mut r.identifiers, n)),
        ("organizations", 100, |r, n| fill(&mut r.organizations, n)),
        ("sources", 50, |r, n| fill(&mut r.sources, n)),
        ("route.transit", 20, |r, n| {
            fill(&mut r.route.as_mut().unwrap().transit, n)
        }),
        ("route.origin.attributions", 20, |r, n| {
            fill(&mut origin(r).attributions, n)
        }),
        ("items[0].findings", 50, |r, n| {
            fill(&mut r.items[0].findings, n)
        }),
        ("handling.caveats", 20, |r, n| {
            fill(&mut handling(r).caveats, n)
        }),
        ("evidence", 500, |r, n| {
            r.evidence
                .extend((2..n).map(|i| reference(&format!("e{i}"))))
        }),
        ("handling.audience", 200, |r, n| {
            handling(r).audience = (0..n).map(|i| format!("agencies/a{i}")).collect()
        }),
    ];
    for (path, max, set) in table {
        accepts(|r| set(r, max));
        refuses(path, &format!("at most {max}"), |r| set(r, max + 1));
    }
    refuses("items[0].findings[0].evidence_ids", "at most 50", |r| {
        r.evidence
            .extend((0..51).map(|i| reference(&format!("e{i}"))));
        lab(r).evidence_ids = (0..51).map(|i| format!("e{i}")).collect();
    });
    // Only nineteen techniques exist, so more than twenty repeat some too.
    let found = refused(|r| lab(r).techniques = vec![Technique::Immunoassay.into(); 21]);
    assert_eq!(
        found
            .iter()
            .filter(|(path, d)| path.ends_with(".techniques") && d.contains("at most 20"))
            .count(),
        1
    );
}
