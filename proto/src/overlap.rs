//! By what two cases can be known as one incident (deconfliction): the marks that a statement brings to its case, each with
//! a key of fixed length to look others up by.
//!
//! Marks are compared in a normal form, so that one number written in two ways is one mark: letters without regard to case,
//! full-width characters as their common ones, spaces, hyphens and other separators left out. A number without a digit, such
//! as `n/a`, is no mark: it would join what has nothing in common. A key is a hash: who finds two equal ones still compares
//! the marks.

pub(crate) mod forms;

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};

use crate::{
    names::AgencyName,
    v1::{
        Case, CaseReport, EvidenceReference, Identifier, IdentifierKind, Item, LaboratoryFinding,
        OverlapBasis, Statement, item::Goods, statement::Kind,
    },
};

/// Most marks of one statement, and of one case as it stands. What a report has most room for comes last.
pub const MAX_MARKS: usize = 1_000;

/// Begin of what a key hashes, so that no other hash of this project can be one.
const KEY_DOMAIN: &[u8] = b"casebroker.v1 overlap key\0";

/// Something that other cases may have too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// What kind of thing.
    pub basis: OverlapBasis,
    /// Its normal form: equal for what counts as equal.
    form: Vec<u8>,
    /// The thing as the statement has it: digest in hexadecimal, number as written, circumstances in words.
    pub shown: String,
}

/// What marks are looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// What kind of thing.
    pub basis: OverlapBasis,
    /// SHA-256 over kind and normal form.
    pub bytes: [u8; 32],
}

impl Mark {
    fn new(basis: OverlapBasis, parts: &[&[u8]], shown: String) -> Self {
        let mut form = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
        for part in parts {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            form.extend_from_slice(&length.to_be_bytes());
            form.extend_from_slice(part);
        }
        Self { basis, form, shown }
    }

    /// Equal for the same thing, and for nothing else.
    pub fn identity(&self) -> (OverlapBasis, &[u8]) {
        (self.basis, &self.form)
    }

    /// Whether both are the same thing, however each is written.
    pub fn is_same(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    /// What it is looked up by.
    pub fn key(&self) -> Key {
        let basis = u8::try_from(self.basis as i32).unwrap_or(0);
        let hashed = digest(&SHA256, &[KEY_DOMAIN, &[basis], &self.form].concat());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hashed.as_ref());
        Key {
            basis: self.basis,
            bytes,
        }
    }
}

/// The keys of a statement that `maker` makes: those of [`marks`].
pub fn keys(maker: &AgencyName, statement: &Statement) -> Vec<Key> {
    marks(maker, statement).iter().map(Mark::key).collect()
}

/// What a statement that `maker` makes brings to its case, each once; at most [`MAX_MARKS`].
///
/// A report and an amendment bring everything in them, a finding its report numbers and evidence, whoever makes it, as it is
/// about the goods of this case. An answer to a request for evidence counts if the owner gives it. What others add by
/// corroboration or dispute is theirs: they report it as a case of their own, or name that case.
pub fn marks(maker: &AgencyName, statement: &Statement) -> Vec<Mark> {
    match &statement.kind {
        Some(Kind::Report(said)) => each_once(said.report.iter().flat_map(of_report)),
        Some(Kind::Amendment(said)) => each_once(said.report.iter().flat_map(of_report)),
        Some(Kind::Finding(said)) => {
            let findings = said.findings.iter().filter_map(|f| f.finding.as_ref());
            each_once(findings.flat_map(|finding| of_late_finding(finding, &said.evidence)))
        }
        Some(Kind::EvidenceResponse(response)) => {
            let owner = statement.case.split("/cases/").next();
            match owner == Some(&maker.to_string()) {
                true => each_once(response.evidence.iter().filter_map(of_evidence)),
                false => Vec::new(),
            }
        }
        _ => Vec::new(),
    }
}

/// What a case has as it stands, each once; at most [`MAX_MARKS`]: what its report in force brings, findings that no amendment
/// detached, and the owner's answers. What statements brought before, and the case has no more, is not among them.
pub fn of_case(case: &Case) -> Vec<Mark> {
    let report = case.report.iter().flat_map(of_report);
    let findings = case.late_findings.iter().filter(|late| !late.detached);
    let findings = findings
        .filter_map(|late| Some((late.finding.as_ref()?, &late.evidence)))
        .flat_map(|(finding, evidence)| of_late_finding(finding, evidence));
    let requests = case.evidence_requests.iter();
    let answers = requests
        .filter(|request| request.addressee == case.owner)
        .flat_map(|request| &request.answers)
        .flat_map(|answer| &answer.evidence)
        .filter_map(of_evidence);
    each_once(report.chain(findings).chain(answers))
}

fn of_report(report: &CaseReport) -> Vec<Mark> {
    let evidence = report.evidence.iter().filter_map(of_evidence);
    let identifiers = report.identifiers.iter().filter_map(of_identifier);
    let items = report.items.iter();
    let circumstances = items.clone();
    let circumstances = circumstances.flat_map(|item| of_circumstances(report, item));
    let findings = items.flat_map(|item| &item.findings);
    let findings = findings.filter_map(of_laboratory_finding);
    let marks = evidence.chain(identifiers).chain(circumstances);
    marks.chain(findings).collect()
}

/// The number of a laboratory's report, and the evidence that the finding names.
fn of_late_finding(finding: &LaboratoryFinding, evidence: &[EvidenceReference]) -> Vec<Mark> {
    let named = evidence
        .iter()
        .filter(|e| finding.evidence_ids.contains(&e.id));
    let evidence = named.filter_map(of_evidence);
    evidence.chain(of_laboratory_finding(finding)).collect()
}

fn each_once(marks: impl IntoIterator<Item = Mark>) -> Vec<Mark> {
    let mut seen = HashSet::new();
    let new = |mark: &Mark| seen.insert((mark.basis, mark.form.clone()));
    marks.into_iter().filter(new).take(MAX_MARKS).collect()
}

fn of_evidence(evidence: &EvidenceReference) -> Option<Mark> {
    let digest = evidence.digest.as_ref()?;
    let algorithm = digest.algorithm.to_be_bytes();
    let parts: [&[u8]; 2] = [&algorithm, &digest.value];
    let shown = forms::hex(&digest.value);
    (!digest.value.is_empty()).then(|| Mark::new(OverlapBasis::EvidenceDigest, &parts, shown))
}

fn of_identifier(identifier: &Identifier) -> Option<Mark> {
    let value = identifier.value.trim();
    match identifier.kind() {
        IdentifierKind::TrackingNumber => {
            let form = forms::tracking_number(value)?;
            let parts = [form.as_bytes()];
            Some(Mark::new(
                OverlapBasis::TrackingNumber,
                &parts,
                value.to_owned(),
            ))
        }
        IdentifierKind::LaboratoryReportNumber => report_number(&identifier.issuer, value),
        _ => None,
    }
}

fn of_laboratory_finding(finding: &LaboratoryFinding) -> Option<Mark> {
    report_number(&finding.laboratory, finding.report_number.trim())
}

/// Numbers of reports are unique within a laboratory only.
fn report_number(laboratory: &str, number: &str) -> Option<Mark> {
    let form = forms::number(number)?;
    let laboratory = forms::words(laboratory);
    let parts = [laboratory.as_bytes(), form.as_bytes()];
    let basis = OverlapBasis::LaboratoryReportNumber;
    Some(Mark::new(basis, &parts, number.to_owned()))
}

/// Day, place, substance and quantity, by the subdivision and by the locality: where one report has both and the other only
/// one of them, that one counts.
fn of_circumstances(report: &CaseReport, item: &Item) -> Vec<Mark> {
    let parts = || {
        let date = report.incident_date.as_ref()?;
        let day = forms::day(date)?;
        let place = report.place.as_ref()?;
        let (Goods::Substance(substance) | Goods::Precursor(substance)) = item.goods.as_ref()?
        else {
            return None;
        };
        let substance = forms::substance(substance)?;
        let quantity = item.quantity.as_ref()?;
        let (dimension, amount) = forms::quantity(quantity)?;
        let shown = forms::circumstances(&day, place, &substance, quantity);
        Some((day, place, substance, dimension, amount, shown))
    };
    let Some((day, place, substance, dimension, amount, shown)) = parts() else {
        return Vec::new();
    };
    let subdivision = forms::words(&place.subdivision);
    let locality = forms::words(&place.locality);
    [(b"s", subdivision), (b"l", locality)]
        .into_iter()
        .filter(|(_, name)| !name.is_empty())
        .map(|(which, name)| {
            let parts: [&[u8]; 7] = [
                day.as_bytes(),
                place.country.as_bytes(),
                which,
                name.as_bytes(),
                substance.form.as_bytes(),
                &[dimension],
                &amount.to_be_bytes(),
            ];
            Mark::new(OverlapBasis::Circumstances, &parts, shown.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests;
