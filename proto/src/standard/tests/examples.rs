//! Each rule with examples that meet it and examples that do not; `docs/confirmation-standard.md` shows them.

use super::*;

/// What is changed in the usual case, in words and in fact, and whether the rule is then met.
pub(super) struct Example {
    pub(super) rule: &'static str,
    /// Number of the item, 0 for the case.
    pub(super) item: i32,
    pub(super) met: bool,
    pub(super) words: &'static str,
    pub(super) case: Case,
}

impl Example {
    fn met(
        rule: &'static str,
        item: i32,
        words: &'static str,
        change: impl FnOnce(&mut Case, &mut CaseReport),
    ) -> Self {
        Self {
            rule,
            item,
            met: true,
            words,
            case: changed(change),
        }
    }

    fn missing(
        rule: &'static str,
        item: i32,
        words: &'static str,
        change: impl FnOnce(&mut Case, &mut CaseReport),
    ) -> Self {
        Self {
            met: false,
            ..Self::met(rule, item, words, change)
        }
    }
}

pub(super) fn all() -> Vec<Example> {
    let mut all = incident();
    all.extend(laboratory());
    all.extend(techniques());
    all.extend(agreement());
    all.extend(equipment());
    all.extend(attribution());
    all
}

fn incident() -> Vec<Example> {
    vec![
        Example::met("incident-date", 0, "Only the year is known.", |_, r| {
            r.incident_date.as_mut().unwrap().month = 0;
            r.incident_date.as_mut().unwrap().day = 0;
        }),
        Example::missing("incident-date", 0, "No date is given.", |_, r| {
            r.incident_date = None;
        }),
        Example::met("incident-country", 0, "The place is in Canada.", |_, _| {}),
        Example::missing(
            "incident-country",
            0,
            "The place has a locality and no country.",
            |_, r| {
                r.place = Some(Place {
                    locality: "a port".into(),
                    ..Place::default()
                });
            },
        ),
        Example::met(
            "incident-record",
            0,
            "The custody record is listed, not the seizure record.",
            |_, r| r.evidence[0] = evidence("custody-1", EvidenceKind::CustodyRecord),
        ),
        Example::missing(
            "incident-record",
            0,
            "A photograph is listed, and no record.",
            |_, r| r.evidence[0] = evidence("photo-1", EvidenceKind::Image),
        ),
    ]
}

fn laboratory() -> Vec<Example> {
    vec![
        Example::met(
            "laboratory-finding",
            1,
            "The result arrives after the report, as a statement of its own.",
            |c, r| c.late_findings = vec![late(1, r.items[0].findings.remove(0))],
        ),
        Example::missing(
            "laboratory-finding",
            1,
            "No laboratory has been asked.",
            |_, r| {
                r.items[0].findings.clear();
            },
        ),
        Example::missing(
            "laboratory-finding",
            1,
            "The only finding is inconclusive.",
            |_, r| r.items[0].findings[0].result = FindingResult::Inconclusive.into(),
        ),
        Example::missing(
            "laboratory-finding",
            1,
            "The finding came late, and an amendment changed the item since.",
            |c, r| {
                c.late_findings = vec![late(1, r.items[0].findings.remove(0))];
                c.late_findings[0].detached = true;
            },
        ),
        Example::missing(
            "laboratory-finding",
            1,
            "The finding names carfentanil with the CAS number of fentanyl.",
            |_, r| {
                let found = r.items[0].findings[0].substance.as_mut().unwrap();
                found.cas_number = "437-38-7".into();
            },
        ),
        Example::met(
            "laboratory-named",
            1,
            "The laboratory states that it has no accreditation.",
            |_, r| r.items[0].findings[0].accreditation = Accreditation::None.into(),
        ),
        Example::missing(
            "laboratory-named",
            1,
            "Nothing is said of the accreditation.",
            |_, r| r.items[0].findings[0].accreditation = Accreditation::Unspecified.into(),
        ),
        Example::missing(
            "laboratory-named",
            1,
            "The laboratory is not named.",
            |_, r| {
                r.items[0].findings[0].laboratory.clear();
            },
        ),
        Example::met(
            "laboratory-report",
            1,
            "The finding names the report, and the case lists it.",
            |_, _| {},
        ),
        Example::missing(
            "laboratory-report",
            1,
            "The report is listed, and the finding does not name it.",
            |_, r| r.items[0].findings[0].evidence_ids.clear(),
        ),
        Example::missing(
            "laboratory-report",
            1,
            "The finding names a photograph of the bottles.",
            |_, r| r.evidence[1] = evidence("lab-1", EvidenceKind::Image),
        ),
    ]
}

fn techniques() -> Vec<Example> {
    use Technique::*;
    let with = |met: bool, words: &'static str, substance: &'static str, list: &[Technique]| {
        let list: Vec<i32> = list.iter().map(|t| i32::from(*t)).collect();
        Example {
            met,
            ..Example::met("laboratory-techniques", 1, words, |_, r| {
                r.items = vec![item(substance, "bottles of printer ink", "1")];
                r.items[0].findings[0].techniques = list;
            })
        }
    };
    let carfentanil = "carfentanil";
    vec![
        with(
            true,
            "GC-MS with both its results: a hyphenated technique is two.",
            carfentanil,
            &[GasChromatography, MassSpectrometry],
        ),
        with(
            true,
            "Infrared spectroscopy with a colour test.",
            carfentanil,
            &[InfraredSpectroscopy, ColourTest],
        ),
        with(
            true,
            "Without category A: two of category B and one of category C.",
            carfentanil,
            &[ThinLayerChromatography, MicrocrystallineTest, ColourTest],
        ),
        with(
            true,
            "Cannabis by its look, thin layer chromatography and a colour test.",
            "cannabis",
            &[
                MacroscopicMicroscopicExamination,
                ThinLayerChromatography,
                ColourTest,
            ],
        ),
        with(
            false,
            "Mass spectrometry alone.",
            carfentanil,
            &[MassSpectrometry],
        ),
        with(
            false,
            "The same technique stated twice.",
            carfentanil,
            &[MassSpectrometry, MassSpectrometry],
        ),
        with(
            false,
            "Two techniques of category B.",
            carfentanil,
            &[GasChromatography, ThinLayerChromatography],
        ),
        with(
            false,
            "One technique of category B and two of category C.",
            carfentanil,
            &[GasChromatography, ColourTest, Immunoassay],
        ),
        with(
            false,
            "The botanical examination for something that is no plant: it does not count.",
            carfentanil,
            &[
                MacroscopicMicroscopicExamination,
                ThinLayerChromatography,
                ColourTest,
            ],
        ),
        Example::missing(
            "laboratory-techniques",
            1,
            "Two findings of one technique each: they do not add up.",
            |_, r| {
                let mut other = finding(carfentanil);
                r.items[0].findings[0].techniques = vec![GasChromatography.into()];
                other.techniques = vec![MassSpectrometry.into()];
                r.items[0].findings.push(other);
            },
        ),
        Example::missing(
            "laboratory-techniques",
            1,
            "There is no finding.",
            |_, r| {
                r.items[0].findings.clear();
            },
        ),
    ]
}

fn agreement() -> Vec<Example> {
    vec![
        Example::met("findings-agree", 1, "There is one finding.", |_, _| {}),
        Example::met(
            "findings-agree",
            1,
            "Announced as fentanyl; the laboratory identifies carfentanil.",
            |_, r| r.items[0].goods = Some(item::Goods::Substance(identity("Fentanyl"))),
        ),
        Example::met(
            "findings-agree",
            1,
            "Fentanyl was looked for too, and not detected.",
            |_, r| r.items[0].findings.push(denial("fentanyl")),
        ),
        Example::met(
            "findings-agree",
            1,
            "A second laboratory did not detect it, by a colour test alone.",
            |_, r| {
                let mut weak = denial("carfentanil");
                weak.techniques = vec![Technique::ColourTest.into()];
                r.items[0].findings.push(weak);
            },
        ),
        Example::missing(
            "findings-agree",
            1,
            "A second laboratory did not detect it, by GC-MS.",
            |c, _| c.late_findings = vec![late(1, denial("carfentanil"))],
        ),
        Example::missing(
            "findings-agree",
            1,
            "Announced as fentanyl; the only laboratory did not detect it.",
            |_, r| {
                r.items = vec![Item {
                    findings: vec![denial("fentanyl")],
                    ..item("fentanyl", "sacks of white powder", "2500")
                }]
            },
        ),
    ]
}

fn equipment() -> Vec<Example> {
    vec![
        Example::met(
            "equipment-examination",
            2,
            "A tablet press with the record of its examination.",
            |_, r| {
                r.items.push(press());
                let record = evidence("exam-1", EvidenceKind::ExaminationRecord);
                r.evidence.push(record);
            },
        ),
        Example::missing(
            "equipment-examination",
            2,
            "A tablet press with a photograph.",
            |_, r| {
                r.items.push(press());
                r.evidence.push(evidence("photo-1", EvidenceKind::Image));
            },
        ),
    ]
}

fn attribution() -> Vec<Example> {
    let set = |r: &mut CaseReport, origin: Option<Location>| {
        r.route.as_mut().unwrap().origin = origin;
    };
    vec![
        Example::met(
            "origin-basis",
            0,
            "The waybill is named, and listed as a shipping document.",
            |_, _| {},
        ),
        Example::met(
            "origin-basis",
            0,
            "Another agency names another country.",
            |c, _| {
                c.contested_origins = vec![
                    claim("agencies/us-cbp", "CN"),
                    claim("agencies/mx-fgr", "MX"),
                ];
            },
        ),
        Example::missing("origin-basis", 0, "Only the departure is known.", |_, r| {
            set(r, None)
        }),
        Example::missing("origin-basis", 0, "The agency says so.", |_, r| {
            set(
                r,
                Some(origin(AttributionBasis::AgencyStatement, "waybill-1")),
            )
        }),
        Example::missing(
            "origin-basis",
            0,
            "A shipping document is the basis, and none is named.",
            |_, r| set(r, Some(origin(AttributionBasis::ShippingDocument, ""))),
        ),
        Example::missing(
            "origin-basis",
            0,
            "A court finding is the basis, and the evidence named is a waybill.",
            |_, r| set(r, Some(origin(AttributionBasis::CourtFinding, "waybill-1"))),
        ),
    ]
}

fn claim(agency: &str, country: &str) -> OriginClaim {
    OriginClaim {
        agency: agency.into(),
        country: country.into(),
        ..OriginClaim::default()
    }
}

#[test]
fn the_usual_case_is_attributed() {
    let assessment = assess(&usual());
    assert_eq!(assessment.status(), CaseStatus::Attributed);
    assert_eq!(assessment.confirmed_items, [1]);
    assert_eq!(assessment.attributed_origin, "CN");
    assert!(assessment.rules.iter().all(|rule| rule.met));
    assert_eq!(assess_under(1, &usual()), Ok(assessment));
    assert_eq!(assess_under(2, &usual()), Err(UnknownVersion(2)));
}

#[test]
fn every_example_comes_out_as_it_says() {
    for example in all() {
        let Example {
            rule, item, met, ..
        } = example;
        let found = outcome(&example.case, rule, item);
        assert_eq!(found.met, met, "{rule}: {}: {found:?}", example.words);
        let status = assess(&example.case).status();
        let expected = match (met, rule) {
            (true, _) => CaseStatus::Attributed,
            // One item without its own record leaves the others confirmed.
            (false, "equipment-examination") => CaseStatus::Attributed,
            (false, "origin-basis") => CaseStatus::Confirmed,
            (false, _) => CaseStatus::Reported,
        };
        assert_eq!(status, expected, "{rule}: {}", example.words);
    }
}

#[test]
fn every_rule_has_an_example_that_meets_it_and_one_that_does_not() {
    let all = all();
    for rule in rules(1).unwrap() {
        for met in [true, false] {
            let found = all.iter().any(|e| e.rule == rule.id && e.met == met);
            assert!(found, "{} {met}", rule.id);
        }
    }
}

#[test]
fn unconfirmed_items_are_not_counted_beside_confirmed_ones() {
    let case = changed(|_, r| {
        let mut second = item("fentanyl", "white powder", "1.2");
        second.findings.clear();
        r.items.push(second);
    });
    let assessment = assess(&case);
    assert_eq!(assessment.status(), CaseStatus::Attributed);
    assert_eq!(assessment.confirmed_items, [1]);
    assert_eq!(
        outcome(&case, "laboratory-techniques", 2).message,
        "item 2 'white powder, 1.2 kg' has no laboratory finding with a category A technique; nor with three techniques of which two are category B"
    );
}

#[test]
fn no_item_is_confirmed_in_a_case_without_record() {
    let case = changed(|_, r| {
        r.evidence.remove(0);
    });
    let assessment = assess(&case);
    assert_eq!(assessment.status(), CaseStatus::Reported);
    assert!(assessment.confirmed_items.is_empty());
    assert!(assessment.attributed_origin.is_empty());
    assert!(counted_substances(&case).iter().all(|c| !c.confirmed));
}

#[test]
fn a_retracted_case_and_an_empty_one_are_judged_too() {
    let retracted = changed(|c, _| c.retracted = true);
    assert_eq!(assess(&retracted), assess(&usual()));
    let empty = assess(&Case::default());
    assert_eq!(empty.status(), CaseStatus::Reported);
    let ids: Vec<_> = empty.rules.iter().map(|r| r.rule.as_str()).collect();
    assert_eq!(
        ids,
        [
            "incident-date",
            "incident-country",
            "incident-record",
            "origin-basis"
        ]
    );
}

#[test]
fn a_finding_is_held_against_the_evidence_of_its_own_statement() {
    // The late finding names `lab-1`; its statement lists that id as a photograph, the report lists it as a laboratory report.
    let case = changed(|c, r| {
        c.late_findings = vec![late(1, r.items[0].findings.remove(0))];
        c.late_findings[0].evidence = vec![evidence("lab-1", EvidenceKind::Image)];
    });
    assert!(!outcome(&case, "laboratory-report", 1).met);
}

#[test]
fn long_and_broken_texts_are_cut_to_one_line() {
    let case = changed(|_, r| {
        r.items[0].description = format!("first line\nsecond {}", "x".repeat(400));
    });
    let message = outcome(&case, "laboratory-finding", 1).message;
    assert!(
        message.starts_with("item 1 'first line second xxx"),
        "{message}"
    );
    assert!(
        message.chars().count() < 250 && message.contains('…'),
        "{message}"
    );
}
