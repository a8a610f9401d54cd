//! Lives of cases, drawn at random: reports, and what their owners and others say of them afterwards.

use casebroker_proto::v1::{
    Attribution, AttributionBasis, CaseReport, Conveyance, Corroboration, Digest, Dispute,
    Equipment, EquipmentKind, EvidenceKind, EvidenceReference, Finding, Handling, Identifier,
    IdentifierKind, Item, ItemFinding, LaboratoryFinding, Location, Organization, Quantity,
    Release, Route, Statement, SubstanceIdentity, Technique, Tlp, Unit, item::Goods,
    statement::Kind,
};
use casebroker_tests::cases;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::{
    model::{GROUPS, Marking},
    naive::ALGORITHM,
    record::AGENCIES,
};

pub const COUNTRIES: [&str; 8] = ["CN", "MX", "IN", "HK", "US", "CA", "GB", "AU"];
pub const UNITS: [&str; 6] = [
    "International mail facility",
    "INTERNATIONAL  MAIL facility",
    "Port of Entry, San Ysidro",
    "Air cargo unit",
    "Field office 12",
    "Lab – Zürich",
];
pub const STATED: [&str; 5] = [
    "Mystery Opioid",
    "mystery  opioid",
    "China White",
    "Compound 7",
    "carfentanil",
];
pub const ORGANIZATIONS: [&str; 6] = [
    "Acme Chemicals Ltd",
    "ACME chemicals  ltd",
    "Blue River Trading",
    "Orient Parcel Express",
    "Señor Import S.A.",
    "Nowhere GmbH",
];
pub const HANDLES: [&str; 4] = ["dark-vendor 7", "Dark Vendor-7", "whitehorse", "K 9"];
pub const WORDS: [&str; 12] = [
    "powder", "printer", "ink", "bottle", "parcel", "tablets", "hidden", "in", "a", "tractor",
    "blue", "press",
];

/// A case as it stands while its life is made.
pub struct Life {
    /// Resource name.
    pub name: String,
    /// Id of its owner.
    pub owner: &'static str,
    /// Tracking number that it shares with others, if it is one of several about one incident.
    pub shared: Option<String>,
    /// The report in force.
    report: CaseReport,
    /// The handling in force.
    handling: Handling,
    revision: i32,
    retracted: bool,
    /// Open disputes: maker and request id.
    disputes: Vec<(&'static str, String)>,
}

/// Who says what.
pub type Said = (&'static str, Statement);

impl Life {
    /// A case, and its first report.
    pub fn begin(
        rng: &mut StdRng,
        owner: &'static str,
        id: &str,
        shared: Option<String>,
    ) -> (Self, Said) {
        let mut life = Self {
            name: cases::name(owner, id),
            owner,
            shared,
            report: CaseReport::default(),
            handling: Handling::default(),
            revision: 1,
            retracted: false,
            disputes: Vec::new(),
        };
        life.draw_report(rng, id);
        let said = cases::reporting(life.report.clone());
        (life, (owner, said))
    }

    /// What somebody says of it next, if it is not taken back.
    pub fn go_on(&mut self, rng: &mut StdRng) -> Option<Said> {
        if self.retracted {
            return None;
        }
        let who = self.readers();
        let others: Vec<_> = who.iter().copied().filter(|a| *a != self.owner).collect();
        let other = others.choose(rng).copied();
        Some(match (rng.random_range(0..100), other) {
            (0..35, _) => {
                let id = self.name.rsplit('/').next().unwrap().to_owned();
                self.draw_report(rng, &id);
                self.revision += 1;
                let said = cases::amending(self.report.clone(), self.revision - 1);
                (self.owner, said)
            }
            (35..47, _) => self.release(rng)?,
            (47..51, _) => {
                self.retracted = true;
                let handling = Some(self.handling.clone());
                let said = cases::retracting(&self.name);
                (self.owner, Statement { handling, ..said })
            }
            (51..62, _) => {
                let (findings, evidence) = finding(rng);
                let said = Finding {
                    findings,
                    evidence,
                    evidence_request: String::new(),
                };
                (self.owner, self.say(rng, Kind::Finding(said)))
            }
            (62..74, _) if self.disputes.iter().any(|(maker, _)| who.contains(maker)) => {
                let open = self
                    .disputes
                    .iter()
                    .position(|(maker, _)| who.contains(maker))?;
                let (maker, resolves) = self.disputes.remove(open);
                let end = Dispute {
                    reason: "Settled".into(),
                    resolves,
                    ..Dispute::default()
                };
                // Not everybody who saw it begin sees it end.
                (maker, self.say(rng, Kind::Dispute(end)))
            }
            (62..84, Some(other)) => {
                let dispute = Dispute {
                    fields: vec!["route.origin".into()],
                    reason: "Not so".into(),
                    ..Dispute::default()
                };
                let said = self.say(rng, Kind::Dispute(dispute));
                self.disputes.push((other, said.request_id.clone()));
                (other, said)
            }
            (_, Some(other)) => {
                let (findings, evidence) = finding(rng);
                let said = Corroboration {
                    note: "Seen here too".into(),
                    route: rng
                        .random_bool(0.8)
                        .then(|| route_from(COUNTRIES[..3].choose(rng).unwrap())),
                    findings: if rng.random_bool(0.3) {
                        findings
                    } else {
                        Vec::new()
                    },
                    evidence,
                    ..Corroboration::default()
                };
                (other, self.say(rng, Kind::Corroboration(said)))
            }
            _ => return None,
        })
    }

    /// Whether it is taken back.
    pub fn is_over(&self) -> bool {
        self.retracted
    }

    /// A remark of its owner for whoever sees the case.
    pub fn say_to_all(&self, kind: Kind) -> Statement {
        Statement {
            handling: Some(self.handling.clone()),
            ..cases::statement(&self.name, kind)
        }
    }

    /// A remark for some of those who see the case.
    pub fn say(&self, rng: &mut StdRng, kind: Kind) -> Statement {
        let readers = self.readers();
        let some = rng.random_range(1..=readers.len());
        let some: Vec<_> = readers.choose_multiple(rng, some).copied().collect();
        let handling = match rng.random_bool(0.6) {
            true => self.handling.clone(),
            false => cases::handling(Tlp::Amber, &some),
        };
        Statement {
            handling: Some(handling),
            ..cases::statement(&self.name, kind)
        }
    }

    /// Who sees it by the handling in force, the owner among them.
    fn readers(&self) -> Vec<&'static str> {
        let marking = Marking::of(&self.handling);
        let reads = |agency: &&str| *agency == self.owner || marking.includes(agency);
        AGENCIES.into_iter().filter(|a| reads(a)).collect()
    }

    fn release(&mut self, rng: &mut StdRng) -> Option<Said> {
        let mut handling = self.handling.clone();
        if handling.audience.is_empty() {
            return None;
        }
        let more = format!("agencies/{}", AGENCIES.choose(rng)?);
        if !handling.audience.contains(&more) {
            handling.audience.push(more);
        }
        self.handling = handling.clone();
        let release = Release {
            handling: Some(handling),
            reason: String::new(),
        };
        let said = cases::statement(&self.name, Kind::Release(release));
        Some((self.owner, said))
    }

    /// Draws the report in force, and its handling.
    fn draw_report(&mut self, rng: &mut StdRng, id: &str) {
        let amends = !self.report.name.is_empty();
        self.report = report(rng, self.owner, id);
        if let Some(number) = self
            .shared
            .clone()
            .filter(|_| !amends || rng.random_bool(0.85))
        {
            self.report
                .identifiers
                .push(identifier(IdentifierKind::TrackingNumber, &number));
        }
        if !amends || rng.random_bool(0.4) {
            self.handling = handling(rng, self.owner);
        }
        self.report.handling = Some(self.handling.clone());
    }
}

fn handling(rng: &mut StdRng, owner: &str) -> Handling {
    let marked = [Tlp::Amber, Tlp::AmberStrict, Tlp::Red];
    let mut handling = match rng.random_range(0..10) {
        0..4 => cases::handling(Tlp::Green, &[]),
        4..6 => cases::handling(*marked.choose(rng).unwrap(), &[owner]),
        _ => {
            let many = rng.random_range(1..=4);
            let some: Vec<_> = AGENCIES.choose_multiple(rng, many).copied().collect();
            cases::handling(*marked.choose(rng).unwrap(), &some)
        }
    };
    if !handling.audience.is_empty() && rng.random_bool(0.2) {
        handling.audience.push(GROUPS.choose(rng).unwrap().0.into());
    }
    handling.no_deconfliction = rng.random_bool(0.1);
    handling
}

fn report(rng: &mut StdRng, owner: &str, id: &str) -> CaseReport {
    let mut report = cases::report(owner, id);
    report.title = sentence(rng, 3);
    report.narrative = match rng.random_bool(0.8) {
        true => sentence(rng, 8),
        false => String::new(),
    };
    report.reporting_unit = match rng.random_bool(0.75) {
        true => (*UNITS.choose(rng).unwrap()).into(),
        false => String::new(),
    };
    let month = if rng.random_bool(0.9) {
        rng.random_range(1..=12)
    } else {
        0
    };
    let day = if month > 0 && rng.random_bool(0.85) {
        rng.random_range(1..=28)
    } else {
        0
    };
    report.incident_date = Some(cases::date(rng.random_range(2015..=2018), month, day));
    let place = report.place.as_mut().unwrap();
    place.country = country(rng);
    // No circumstances in common: overlaps are made on purpose.
    place.subdivision.clear();
    place.locality.clear();
    let route = report.route.as_mut().unwrap();
    route.departure.as_mut().unwrap().country = country(rng);
    if rng.random_bool(0.7) {
        let with = [
            AttributionBasis::AgencyStatement,
            AttributionBasis::ShippingDocument,
        ];
        let mut origin = route_from(COUNTRIES[..4].choose(rng).unwrap())
            .origin
            .unwrap();
        origin.attributions = vec![Attribution {
            basis: (*with.choose(rng).unwrap()).into(),
            evidence_ids: vec!["label".into()],
            note: String::new(),
        }];
        route.origin = Some(origin);
    }
    let many = *[0, 0, 1, 1, 2, 3].choose(rng).unwrap();
    let transits = COUNTRIES.choose_multiple(rng, many);
    route.transit = transits.map(|country| at(country)).collect();
    route.destination = rng
        .random_bool(0.6)
        .then(|| at(COUNTRIES.choose(rng).unwrap()));
    let laboratory = report.items[0].findings[0].clone();
    let many = *[1, 1, 1, 2, 3].choose(rng).unwrap();
    report.items = (0..many)
        .map(|n| item(rng, &laboratory, n, owner, id))
        .collect();
    report
        .evidence
        .retain(|e| e.id == "label" || e.id == "lab" || rng.random_bool(0.8));
    if rng.random_bool(0.5) {
        let mut examination = report.evidence[0].clone();
        examination.id = "examination".into();
        examination.kind = EvidenceKind::ExaminationRecord.into();
        report.evidence.push(examination);
    }
    for evidence in &mut report.evidence {
        evidence.digest = Some(digest(rng));
    }
    report.identifiers.clear();
    if rng.random_bool(0.3) {
        let handle = HANDLES.choose(rng).unwrap();
        report
            .identifiers
            .push(identifier(IdentifierKind::VendorHandle, handle));
    }
    report.organizations = (0..rng.random_range(0..3))
        .map(|_| Organization {
            name: (*ORGANIZATIONS.choose(rng).unwrap()).into(),
            ..Organization::default()
        })
        .collect();
    let conveyances = [
        Conveyance::Unspecified,
        Conveyance::Mail,
        Conveyance::AirCargo,
        Conveyance::RoadVehicle,
        Conveyance::Other,
    ];
    report.conveyance = (*conveyances.choose(rng).unwrap()).into();
    report
}

fn item(
    rng: &mut StdRng,
    laboratory: &LaboratoryFinding,
    number: usize,
    owner: &str,
    id: &str,
) -> Item {
    let goods = match rng.random_range(0..20) {
        0..3 => Goods::Equipment(Equipment {
            kind: EquipmentKind::TabletPress.into(),
            ..Equipment::default()
        }),
        3..6 => Goods::Precursor(named(["NPP", "4-ANPP"].choose(rng).unwrap())),
        _ => Goods::Substance(substance(rng)),
    };
    let units = match goods {
        Goods::Equipment(_) => [Unit::Piece; 5],
        _ => [
            Unit::Gram,
            Unit::Kilogram,
            Unit::Milligram,
            Unit::Millilitre,
            Unit::Tablet,
        ],
    };
    let mut findings = Vec::new();
    if !matches!(goods, Goods::Equipment(_)) && rng.random_bool(0.75) {
        let mut finding = laboratory.clone();
        // Numbers of reports join cases too.
        finding.report_number = format!("LAB-{owner}-{id}-{number}");
        finding.substance = Some(match (&goods, rng.random_bool(0.85)) {
            (Goods::Substance(same) | Goods::Precursor(same), true) => same.clone(),
            _ => substance(rng),
        });
        if rng.random_bool(0.15) {
            finding.techniques = vec![Technique::MassSpectrometry.into()];
        }
        if rng.random_bool(0.15) {
            finding.evidence_ids.clear();
        }
        findings.push(finding);
    }
    Item {
        description: format!("item {number}"),
        goods: Some(goods),
        quantity: rng.random_bool(0.9).then(|| Quantity {
            value: rng.random_range(1..500).to_string(),
            unit: (*units.choose(rng).unwrap()).into(),
            ..Quantity::default()
        }),
        findings,
        ..Item::default()
    }
}

fn substance(rng: &mut StdRng) -> SubstanceIdentity {
    match rng.random_range(0..20) {
        0..4 => named(STATED[..4].choose(rng).unwrap()),
        // A name of one substance and the number of another: it is neither.
        4 => SubstanceIdentity {
            cas_number: "437-38-7".into(),
            ..named(STATED[4])
        },
        5..9 => SubstanceIdentity {
            catalogue_id: "heroin".into(),
            ..SubstanceIdentity::default()
        },
        9..14 => named("Fentanyl"),
        _ => named("carfentanil"),
    }
}

fn named(name: &str) -> SubstanceIdentity {
    SubstanceIdentity {
        name: name.into(),
        ..SubstanceIdentity::default()
    }
}

/// A finding about the first item, with its evidence.
fn finding(rng: &mut StdRng) -> (Vec<ItemFinding>, Vec<EvidenceReference>) {
    let mut report = cases::report("us-dea", "late");
    let mut found = report.items[0].findings.remove(0);
    found.substance = Some(substance(rng));
    found.report_number = format!("LATE-{}", rng.random_range(0..u32::MAX));
    let mut evidence = report.evidence.remove(1);
    evidence.digest = Some(digest(rng));
    let finding = ItemFinding {
        item: 1,
        finding: Some(found),
    };
    (vec![finding], vec![evidence])
}

fn identifier(kind: IdentifierKind, value: &str) -> Identifier {
    Identifier {
        kind: kind.into(),
        value: value.into(),
        issuer: "Somebody".into(),
    }
}

fn digest(rng: &mut StdRng) -> Digest {
    Digest {
        algorithm: ALGORITHM.into(),
        value: rng.random::<[u8; 32]>().into(),
    }
}

fn route_from(country: &str) -> Route {
    Route {
        origin: Some(at(country)),
        ..Route::default()
    }
}

fn at(country: &str) -> Location {
    Location {
        country: country.into(),
        attributions: vec![Attribution {
            basis: AttributionBasis::AgencyStatement.into(),
            ..Attribution::default()
        }],
        ..Location::default()
    }
}

fn country(rng: &mut StdRng) -> String {
    (*COUNTRIES.choose(rng).unwrap()).into()
}

fn sentence(rng: &mut StdRng, many: usize) -> String {
    let words: Vec<_> = (0..many).map(|_| *WORDS.choose(rng).unwrap()).collect();
    words.join(" ")
}
