//! Case reports made of aggregates: as many as a row has events, with masses that sum to the row's.
//!
//! Only month, reporting unit, drug and the sum of masses are published. Everything else (days, shares, evidence, routes, laboratory
//! findings) is drawn from a seed, differs from case to case, and means nothing.

use casebroker_proto::{
    google::r#type::Date,
    v1::{
        Accreditation, Attribution, AttributionBasis, CaseReport, Conveyance, Digest,
        DigestAlgorithm, EvidenceKind, EvidenceReference, FindingResult, Handling, Identifier,
        IdentifierKind, IncidentDateKind, Item, ItemForm, LaboratoryFinding, Location, Place,
        PlaceKind, PublicSource, Quantity, Report, Route, Statement, SubstanceIdentity, Technique,
        Tlp, Unit, item::Goods, statement::Kind,
    },
};
use prost_types::Timestamp;
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::StdRng};
use uuid::Uuid;

use super::{FENTANYL, Row};

/// What the handling of every case says.
pub const CAVEAT: &str = "synthetic, made for a test from published aggregates: not a real case";

/// When every statement says that it was made: 2026-05-01, after the last month of the files. Fixed, so that a statement is the same
/// bytes whenever it is made.
const MADE_S: i64 = 1_777_593_600;

/// Countries that a route is drawn from; which of them a case gets means nothing.
const COUNTRIES: [&str; 8] = ["CA", "CN", "DE", "GB", "IN", "MX", "NL", "US"];

/// Makes cases of one agency.
#[derive(Debug, Clone)]
pub struct Generator {
    agency: String,
    seed: u64,
}

impl Generator {
    /// For an agency by its id. Another seed makes other days, shares and evidence.
    pub fn new(agency: &str, seed: u64) -> Self {
        Self {
            agency: agency.into(),
            seed,
        }
    }

    /// The cases of one row, in order.
    pub fn cases(&self, row: &Row) -> impl Iterator<Item = CaseReport> {
        let place = u64::from(row.file) << 32 | row.line;
        // An odd factor spreads neighbouring rows over the seeds.
        let mut rng = StdRng::seed_from_u64(self.seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let shares = shares(row.micrograms, row.events, &mut rng);
        let (agency, row) = (self.agency.clone(), row.clone());
        let numbered = shares.into_iter().zip(1..);
        numbered.map(move |(micrograms, number)| {
            let mut draft = Draft {
                agency: &agency,
                row: &row,
                number,
                micrograms,
                rng: &mut rng,
            };
            draft.report()
        })
    }

    /// The statements that report the cases of one row.
    pub fn statements(&self, row: &Row) -> impl Iterator<Item = Statement> {
        self.cases(row).map(reporting)
    }
}

/// Reports a case. The request id follows from the name, so that a case is never reported twice.
pub fn reporting(report: CaseReport) -> Statement {
    Statement {
        case: report.name.clone(),
        request_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, report.name.as_bytes()).to_string(),
        make_time: Some(Timestamp {
            seconds: MADE_S,
            nanos: 0,
        }),
        handling: None,
        kind: Some(Kind::Report(Report {
            report: Some(report),
        })),
    }
}

/// A drug type as a case states it: by the catalogue's id for fentanyl, else by the published name.
pub fn identity(drug: &str) -> SubstanceIdentity {
    match drug {
        FENTANYL => SubstanceIdentity {
            catalogue_id: "fentanyl".into(),
            ..Default::default()
        },
        other => SubstanceIdentity {
            name: other.into(),
            ..Default::default()
        },
    }
}

/// What a count by substance calls a drug type: the catalogue's id, or the published name where the catalogue has none.
pub fn counted_as(drug: &str) -> &str {
    match drug {
        "Cocaine" => "cocaine",
        "Ecstasy" => "mdma",
        FENTANYL => "fentanyl",
        "Heroin" => "heroin",
        "Ketamine" => "ketamine",
        "Lsd" => "lsd",
        "Methamphetamine" => "methamphetamine",
        other => other,
    }
}

/// Splits a sum into so many parts of very different sizes that sum to it exactly. No part is 0 unless there is not enough.
fn shares(sum: u64, parts: u32, rng: &mut StdRng) -> Vec<u64> {
    let least = u64::from(sum >= u64::from(parts));
    let rest = u128::from(sum - least * u64::from(parts));
    let weights: Vec<u128> = (0..parts)
        .map(|_| {
            let size = rng.random_range(0..20);
            rng.random_range(1..=1_u128 << size)
        })
        .collect();
    let all: u128 = weights.iter().sum();
    let (mut seen, mut given) = (0, 0);
    weights
        .into_iter()
        .map(|weight| {
            seen += weight;
            // What is due so far, less what was given: the last part brings it to the whole.
            let due = rest * seen / all;
            let part = due - given;
            given = due;
            least + u64::try_from(part).unwrap()
        })
        .collect()
}

/// One case on its way.
struct Draft<'a> {
    agency: &'a str,
    row: &'a Row,
    /// Of the row's cases, from 1.
    number: u32,
    micrograms: u64,
    rng: &'a mut StdRng,
}

impl Draft<'_> {
    fn report(&mut self) -> CaseReport {
        let Row {
            file,
            line,
            year,
            month,
            events,
            area,
            drug,
            ..
        } = self.row;
        let (number, by_mail) = (self.number, self.is_one_in(4));
        let id = format!("synthetic-{file}-{line}-{number}");
        let mut evidence = vec![self.evidence("seizure", EvidenceKind::SeizureRecord)];
        let route = self.route(by_mail, &mut evidence);
        let findings = self.findings(&id, &mut evidence);
        let identifiers = match by_mail {
            true => vec![Identifier {
                kind: IdentifierKind::TrackingNumber.into(),
                value: format!("SY{file}{line:05}{number:04}US"),
                issuer: "Synthetic carrier".into(),
            }],
            false => Vec::new(),
        };
        CaseReport {
            name: format!("agencies/{}/cases/{id}", self.agency),
            title: format!(
                "Synthetic case {number} of {events}: {drug}, {area}, {year}-{month:02}"
            ),
            reporting_unit: self.row.unit(),
            incident_date: Some(Date {
                year: *year,
                month: *month,
                day: self.rng.random_range(1..=days(*year, *month)),
            }),
            incident_date_kind: IncidentDateKind::Seizure.into(),
            place: Some(Place {
                country: "US".into(),
                kind: self.place_kind(by_mail).into(),
                ..Default::default()
            }),
            route,
            items: vec![Item {
                description: "Goods as seized, gross; not the mass of the pure substance".into(),
                goods: Some(Goods::Substance(identity(drug))),
                quantity: quantity(self.micrograms),
                form: self.form().into(),
                findings,
                ..Default::default()
            }],
            evidence,
            identifiers,
            conveyance: self.conveyance(by_mail).into(),
            narrative: format!(
                "Synthetic: made for a test. CBP published that {events} events of {drug} in this month and unit came to {} pounds, gross; \
                 this is one of {events} made-up cases that sum to them. No such case was ever recorded.",
                self.row.pounds
            ),
            handling: Some(Handling {
                tlp: Tlp::Green.into(),
                caveats: vec![CAVEAT.into()],
                ..Default::default()
            }),
            sources: vec![PublicSource {
                title: "CBP Nationwide Drug Seizures, monthly aggregates".into(),
                publisher: "U.S. Customs and Border Protection".into(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn is_one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    fn evidence(&mut self, id: &str, kind: EvidenceKind) -> EvidenceReference {
        let mut value = vec![0; 32];
        self.rng.fill_bytes(&mut value);
        EvidenceReference {
            id: id.into(),
            kind: kind.into(),
            digest: Some(Digest {
                algorithm: DigestAlgorithm::Sha256.into(),
                value,
            }),
            size_bytes: self.rng.random_range(1_000..5_000_000),
            media_type: "application/pdf".into(),
            custodian: "Synthetic evidence room".into(),
            ..Default::default()
        }
    }

    /// One in three has an origin, and one in two of the mail a departure; never one inferred from the other.
    fn route(&mut self, by_mail: bool, evidence: &mut Vec<EvidenceReference>) -> Option<Route> {
        let origin = match self.is_one_in(3) {
            true => Some(self.location(
                "profile",
                AttributionBasis::ForensicProfiling,
                EvidenceKind::LabReport,
                evidence,
            )),
            false => None,
        };
        let departure = match by_mail && self.is_one_in(2) {
            true => Some(self.location(
                "label",
                AttributionBasis::ShippingDocument,
                EvidenceKind::ShippingDocument,
                evidence,
            )),
            false => None,
        };
        (origin.is_some() || departure.is_some()).then(|| Route {
            origin,
            departure,
            ..Default::default()
        })
    }

    /// Half of them rest on evidence, the others on the agency's word.
    fn location(
        &mut self,
        id: &str,
        basis: AttributionBasis,
        kind: EvidenceKind,
        evidence: &mut Vec<EvidenceReference>,
    ) -> Location {
        let at = self.rng.random_range(0..COUNTRIES.len());
        let attribution = match self.is_one_in(2) {
            true => {
                evidence.push(self.evidence(id, kind));
                Attribution {
                    basis: basis.into(),
                    evidence_ids: vec![id.into()],
                    note: "Synthetic".into(),
                }
            }
            false => Attribution {
                basis: AttributionBasis::AgencyStatement.into(),
                note: "Synthetic".into(),
                ..Default::default()
            },
        };
        Location {
            country: COUNTRIES[at].into(),
            attributions: vec![attribution],
            ..Default::default()
        }
    }

    /// Two in five have been to a laboratory; one in four of these by one technique only, which confirms nothing.
    fn findings(
        &mut self,
        id: &str,
        evidence: &mut Vec<EvidenceReference>,
    ) -> Vec<LaboratoryFinding> {
        if !self.rng.random_ratio(2, 5) {
            return Vec::new();
        }
        evidence.push(self.evidence("lab", EvidenceKind::LabReport));
        let mut techniques = vec![Technique::MassSpectrometry.into()];
        if !self.is_one_in(4) {
            techniques.push(Technique::GasChromatography.into());
        }
        vec![LaboratoryFinding {
            laboratory: "Synthetic laboratory".into(),
            accreditation: Accreditation::IsoIec17025.into(),
            report_number: format!("LAB-{id}"),
            techniques,
            result: FindingResult::Identified.into(),
            substance: Some(identity(&self.row.drug)),
            evidence_ids: vec!["lab".into()],
            ..Default::default()
        }]
    }

    fn place_kind(&mut self, by_mail: bool) -> PlaceKind {
        match (self.row.land_filter.as_str(), by_mail) {
            (_, true) => PlaceKind::MailFacility,
            ("Land Only", false) => PlaceKind::LandBorder,
            _ if self.is_one_in(2) => PlaceKind::Airport,
            _ => PlaceKind::Seaport,
        }
    }

    fn conveyance(&mut self, by_mail: bool) -> Conveyance {
        match (by_mail, self.rng.random_range(0..4)) {
            (true, 0) => Conveyance::Courier,
            (true, _) => Conveyance::Mail,
            (false, 0) => Conveyance::Pedestrian,
            (false, 1) => Conveyance::Unspecified,
            (false, _) => Conveyance::RoadVehicle,
        }
    }

    fn form(&mut self) -> ItemForm {
        match self.rng.random_range(0..4) {
            0 => ItemForm::Unspecified,
            1 => ItemForm::Tablet,
            _ => ItemForm::Powder,
        }
    }
}

/// Grams with six decimals, so that the integer form is exactly this; none for 0, which is published where a mass is not known.
fn quantity(micrograms: u64) -> Option<Quantity> {
    (micrograms > 0).then(|| Quantity {
        value: format!("{}.{:06}", micrograms / 1_000_000, micrograms % 1_000_000),
        unit: Unit::Gram.into(),
        ..Default::default()
    })
}

/// Days of a month.
fn days(year: i32, month: i32) -> i32 {
    let month = u8::try_from(month).unwrap();
    time::Month::try_from(month).unwrap().length(year).into()
}

#[cfg(test)]
mod tests;
