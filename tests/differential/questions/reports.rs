//! Reports and findings, drawn at random from few values, so that questions about one case find others.

use casebroker_proto::v1::{
    Attribution, AttributionBasis, CaseReport, Conveyance, Digest, Equipment, EquipmentKind,
    EvidenceKind, EvidenceReference, Identifier, IdentifierKind, Item, ItemFinding,
    LaboratoryFinding, Location, Organization, Quantity, Route, SubstanceIdentity, Technique, Unit,
    item::Goods,
};
use casebroker_tests::cases;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

use crate::naive::ALGORITHM;

/// Countries, those of origin first.
pub const COUNTRIES: [&str; 8] = ["CN", "MX", "IN", "HK", "US", "CA", "GB", "AU"];
/// Reporting units; two are one.
pub const UNITS: [&str; 6] = [
    "International mail facility",
    "INTERNATIONAL  MAIL facility",
    "Port of Entry, San Ysidro",
    "Air cargo unit",
    "Field office 12",
    "Lab – Zürich",
];
/// Names of substances that the catalogue does not know; the last is one that it does, and is given beside another substance's number.
pub const STATED: [&str; 5] = [
    "Mystery Opioid",
    "mystery  opioid",
    "China White",
    "Compound 7",
    "carfentanil",
];
/// Organisations; two are one.
pub const ORGANIZATIONS: [&str; 6] = [
    "Acme Chemicals Ltd",
    "ACME chemicals  ltd",
    "Blue River Trading",
    "Orient Parcel Express",
    "Señor Import S.A.",
    "Nowhere GmbH",
];
/// Handles of vendors; two are one.
pub const HANDLES: [&str; 4] = ["dark-vendor 7", "Dark Vendor-7", "whitehorse", "K 9"];
/// Words of titles and narratives.
pub const WORDS: [&str; 12] = [
    "powder", "printer", "ink", "bottle", "parcel", "tablets", "hidden", "in", "a", "tractor",
    "blue", "press",
];

/// A report of an agency; who may see it is decided elsewhere.
pub fn report(rng: &mut StdRng, owner: &str, id: &str) -> CaseReport {
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
            measurement: [0, 0, 1, 2, 3, 3].choose(rng).copied().unwrap(),
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
pub fn finding(rng: &mut StdRng) -> (Vec<ItemFinding>, Vec<EvidenceReference>) {
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

/// A number of somebody.
pub fn identifier(kind: IdentifierKind, value: &str) -> Identifier {
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

/// A route that begins in a country.
pub fn route_from(country: &str) -> Route {
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
