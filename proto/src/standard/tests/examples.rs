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
