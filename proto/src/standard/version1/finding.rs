//! Rules of substances and precursors: what a laboratory must have found, and how.
//!
//! All of them are held against one finding, the best one of the item, so that nothing is pieced together from several.

use std::borrow::Cow;

use super::{
    Outcome,
    denials::{Denials, Stated},
    goods::ItemFacts,
    techniques::{counting, enough},
    words,
};
use crate::{
    catalogue::{
        identity::{Resolution, name_of, resolve, same},
        substances::Class,
    },
    v1::{
        Accreditation, EvidenceKind, EvidenceReference, FindingResult, LaboratoryFinding,
        SubstanceIdentity,
    },
};

/// A finding that identified a substance.
#[derive(Clone, Copy)]
pub(super) struct Examined<'a> {
    finding: &'a LaboratoryFinding,
    pub(super) identity: &'a SubstanceIdentity,
    pub(super) resolution: Resolution,
    /// True if it is the substance that was reported.
    pub(super) as_claimed: bool,
    techniques: bool,
    named: bool,
    reported: bool,
    /// The finding that says of this substance that it was not detected.
    denial: Option<&'a LaboratoryFinding>,
}

impl Examined<'_> {
    /// True if it meets every rule of a finding by itself.
    fn qualifies(&self) -> bool {
        self.techniques && self.named && self.reported
    }

    /// True if it qualifies and nothing speaks against it: the item counts as what it identified.
    pub(super) fn stands(&self) -> bool {
        self.qualifies() && self.denial.is_none()
    }

    /// The greatest is the best. An adulterant names an item only if nothing else was identified in it.
    fn rank(&self) -> (bool, bool, usize, bool, bool) {
        let met = [self.techniques, self.named, self.reported];
        (
            self.stands(),
            self.qualifies(),
            met.into_iter().filter(|met| *met).count(),
            self.as_claimed,
            self.resolution
                .substance()
                .is_none_or(|s| s.class != Class::Adulterant),
        )
    }
}

/// The finding that the rules are held against, the first of the best; and the finding that says that its substance, or the reported one
/// where nothing was identified, was not detected.
pub(super) fn choose<'a>(
    findings: &[(&'a LaboratoryFinding, &'a [EvidenceReference])],
    claimed: Stated<'a>,
) -> (Option<Examined<'a>>, Option<&'a LaboratoryFinding>) {
    let mut denials = Denials::default();
    for (finding, _) in findings {
        if let Some(sought) = denied_by(finding, claimed) {
            denials.add(sought, finding);
        }
    }
    let mut best: Option<Examined<'a>> = None;
    for (finding, evidence) in findings {
        let Some(identity) = identified_by(finding) else {
            continue;
        };
        let resolution = resolve(identity);
        if matches!(resolution, Resolution::Contradictory(..)) {
            continue;
        }
        let substance = (identity, resolution);
        let examined = Examined {
            finding,
            identity,
            resolution,
            as_claimed: same(substance, claimed),
            techniques: enough(finding, Some(substance)),
            named: is_named(finding),
            reported: names_report(finding, evidence),
            denial: denials.of(substance),
        };
        if best.is_none_or(|before| examined.rank() > before.rank()) {
            best = Some(examined);
        }
    }
    let denial = match &best {
        Some(best) => best.denial,
        None => denials.of(claimed),
    };
    (best, denial)
}

pub(super) fn identified(item: &ItemFacts<'_>) -> Outcome {
    match &item.best {
        Some(best) => item.sentences.met(|| {
            format!(
                "{}: {} identified {}",
                item.label(),
                report_of(best.finding, item.clip),
                words::clip_to(name_of(best.identity, best.resolution), item.clip)
            )
        }),
        None => item.sentences.missing(|| unidentified(item)),
    }
}

/// What an item lacks in which no laboratory identified anything.
fn unidentified(item: &ItemFacts<'_>) -> String {
    let label = item.label();
    let contradictory =
        item.findings
            .iter()
            .find_map(|(finding, _)| match resolve(identified_by(finding)?) {
                Resolution::Contradictory(a, b) => Some((finding, a, b)),
                _ => None,
            });
    if let Some((finding, a, b)) = contradictory {
        return format!(
            "{label}: {} names what it identified by a name or number of {} and one of {}: state which of the two it is",
            report_of(finding, item.clip),
            a.name,
            b.name
        );
    }
    match (item.findings.len(), item.detached) {
        (0, false) => format!(
            "{label} has no laboratory finding: send the laboratory's result as soon as there is one"
        ),
        (0, true) => format!(
            "{label} has no laboratory finding since an amendment changed it: send the finding again if it is about these goods"
        ),
        _ => format!(
            "{label} has no laboratory finding with the result IDENTIFIED: send one, or amend what the item is"
        ),
    }
}

pub(super) fn techniques(item: &ItemFacts<'_>) -> Outcome {
    match &item.best {
        Some(best) if best.techniques => item.sentences.met(|| {
            let report = report_of(best.finding, item.clip);
            format!("{}: {report} rests on {}", item.label(), listed(best))
        }),
        best => item
            .sentences
            .missing(|| too_few_techniques(item, best.as_ref())),
    }
}

/// The techniques of a finding that count, with their categories.
fn listed(best: &Examined<'_>) -> String {
    let techniques: Vec<String> = counting(best.finding, Some((best.identity, best.resolution)))
        .map(|(technique, category)| format!("{} ({category})", words::technique(technique)))
        .collect();
    techniques.join(", ")
}

fn too_few_techniques(item: &ItemFacts<'_>, best: Option<&Examined<'_>>) -> String {
    let label = item.label();
    let Some(best) = best else {
        return format!(
            "{label} has no laboratory finding with a category A technique; nor with three techniques of which two are category B"
        );
    };
    let (report, list) = (report_of(best.finding, item.clip), listed(best));
    let has_a = counting(best.finding, None).any(|(_, category)| category == 'A');
    match (has_a, list.is_empty()) {
        (true, _) => format!(
            "{label}: {report} rests on {list} alone: a category A technique needs one more technique of any category beside it"
        ),
        (false, true) => format!(
            "{label} has no laboratory finding with a category A technique; {report} names no technique that counts"
        ),
        (false, false) => format!(
            "{label} has no laboratory finding with a category A technique; {report} rests on {list}, and without category A it takes three techniques of which two are category B"
        ),
    }
}

pub(super) fn named(item: &ItemFacts<'_>) -> Outcome {
    let Some(best) = &item.best else {
        return item.sentences.missing(|| {
            format!(
                "{} has no laboratory finding that names the laboratory and its accreditation",
                item.label()
            )
        });
    };
    let report = || report_of(best.finding, item.clip);
    if best.named {
        return item.sentences.met(|| {
            let accreditation = match best.finding.accreditation() {
                Accreditation::IsoIec17025 => "is accredited to ISO/IEC 17025",
                _ => "states that it has no accreditation",
            };
            format!(
                "{}: {}: the laboratory {accreditation}",
                item.label(),
                report()
            )
        });
    }
    item.sentences.missing(|| {
        format!(
            "{}: {} does not say both which laboratory found it and its accreditation: name it, and state ISO_IEC_17025 or NONE",
            item.label(),
            report()
        )
    })
}

pub(super) fn reported(item: &ItemFacts<'_>) -> Outcome {
    let Some(best) = &item.best else {
        return item.sentences.missing(|| {
            format!(
                "{} has no laboratory finding that names evidence of kind LAB_REPORT",
                item.label()
            )
        });
    };
    let report = || report_of(best.finding, item.clip);
    if best.reported {
        return item
            .sentences
            .met(|| format!("{}: {} is listed as evidence", item.label(), report()));
    }
    item.sentences.missing(|| {
        format!(
            "{}: {} names no evidence of kind LAB_REPORT: list the laboratory's report with its digest and name its id in the finding",
            item.label(),
            report()
        )
    })
}

pub(super) fn agree(item: &ItemFacts<'_>) -> Outcome {
    match item.denial {
        Some(denial) => item.sentences.missing(|| denied(item, denial)),
        None => item.sentences.met(|| undenied(item)),
    }
}

/// What the item counts as, and what was reported.
fn names<'a>(item: &'a ItemFacts<'_>) -> (Cow<'a, str>, Cow<'a, str>) {
    let claimed = item.claimed.map_or("", |(i, r)| name_of(i, r));
    let name = match &item.best {
        Some(best) => name_of(best.identity, best.resolution),
        None => claimed,
    };
    let clip = |text| words::clip_to(text, item.clip);
    (clip(name), clip(claimed))
}

fn denied(item: &ItemFacts<'_>, denial: &LaboratoryFinding) -> String {
    let (label, (name, _)) = (item.label(), names(item));
    let report = report_of(denial, item.clip);
    match &item.best {
        Some(best) => format!(
            "{label}: {report} did not detect {name}, which {} identified: settle with the laboratories which of them holds",
            report_of(best.finding, item.clip)
        ),
        None => format!(
            "{label}: {report} did not detect {name}: amend what the item is, or retract the case"
        ),
    }
}

fn undenied(item: &ItemFacts<'_>) -> String {
    let (label, (name, claimed)) = (item.label(), names(item));
    match &item.best {
        Some(best) if best.stands() && !best.as_claimed => format!(
            "{label}: the laboratory identified {name}, not {claimed} as reported: the item counts as {name}"
        ),
        _ => format!("{label}: no finding speaks against {name}"),
    }
}

fn identified_by(finding: &LaboratoryFinding) -> Option<&SubstanceIdentity> {
    match finding.result() {
        FindingResult::Identified => finding.substance.as_ref(),
        _ => None,
    }
}

/// The substance of which the finding says, on techniques that suffice, that it was not detected. One that does not say what was
/// looked for looked for what was reported.
fn denied_by<'a>(finding: &'a LaboratoryFinding, claimed: Stated<'a>) -> Option<Stated<'a>> {
    if finding.result() != FindingResult::NotDetected {
        return None;
    }
    let sought = match &finding.substance {
        Some(identity) => (identity, resolve(identity)),
        None => claimed,
    };
    enough(finding, Some(sought)).then_some(sought)
}

fn is_named(finding: &LaboratoryFinding) -> bool {
    !finding.laboratory.trim().is_empty() && finding.accreditation() != Accreditation::Unspecified
}

/// True if the finding names a laboratory report that is listed beside it.
fn names_report(finding: &LaboratoryFinding, evidence: &[EvidenceReference]) -> bool {
    let mut reports = evidence
        .iter()
        .filter(|e| e.kind() == EvidenceKind::LabReport);
    reports.any(|report| finding.evidence_ids.contains(&report.id))
}

/// `report 17-0042 of the State Laboratory`.
fn report_of(finding: &LaboratoryFinding, most: usize) -> String {
    let or = |text: &str, other: &'static str| match text.trim() {
        "" => other.to_owned(),
        text => words::clip_to(text, most).into_owned(),
    };
    format!(
        "report {} of {}",
        or(&finding.report_number, "without a number"),
        or(&finding.laboratory, "a laboratory without a name")
    )
}
