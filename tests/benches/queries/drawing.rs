//! A report drawn from the seed of its number.

use casebroker_proto::{
    catalogue::substances::Substance,
    v1::{
        Accreditation, Attribution, AttributionBasis, CaseReport, Conveyance, Digest,
        DigestAlgorithm, Equipment, EquipmentKind, EvidenceKind, EvidenceReference, FindingResult,
        Identifier, IdentifierKind, IncidentDateKind, Item, ItemForm, LaboratoryFinding, Location,
        Organization, Place, PlaceKind, Quantity, Route, SubstanceIdentity, Technique, Unit,
        item::Goods,
    },
};
use casebroker_tests::cases;
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::StdRng};

use crate::{
    words::skewed,
    world::{AGENCIES, Audience, Later, World},
};

/// The most frequent first.
const ORIGINS: [&str; 24] = [
    "CN", "MX", "IN", "US", "CA", "NL", "DE", "PL", "HK", "SG", "TH", "MM", "CO", "GB", "BE", "EE",
    "LV", "CZ", "UA", "TR", "AE", "VN", "KH", "ZA",
];
const PLACES: [&str; 10] = ["US", "CA", "US", "MX", "DE", "NL", "AU", "GB", "CN", "EE"];
/// One in so many cases shares a digest or a number with others.
const SHARING: u32 = 200;

/// One report on its way.
pub struct Drawing<'a> {
    world: &'a World,
    number: usize,
    rng: StdRng,
    evidence: Vec<EvidenceReference>,
}

impl<'a> Drawing<'a> {
    pub fn new(world: &'a World, number: usize, rng: StdRng) -> Self {
        Self {
            world,
            number,
            rng,
            evidence: Vec::new(),
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    pub fn report(&mut self, owner: usize) -> CaseReport {
        let number = self.number;
        self.evidence("seizure", EvidenceKind::SeizureRecord);
        let route = self.route();
        let year = 2013
            + self
                .rng
                .random_range(0..13)
                .max(self.rng.random_range(0..7));
        let (month, day) = match self.rng.random_range(0..100) {
            0..2 => (0, 0),
            2..7 => (self.rng.random_range(1..=12), 0),
            _ => (self.rng.random_range(1..=12), self.rng.random_range(1..=28)),
        };
        let has_been_tested = self.rng.random_ratio(2, 5);
        if has_been_tested {
            self.evidence("lab", EvidenceKind::LabReport);
        } else if self.evidence.len() < 2 {
            self.evidence("custody", EvidenceKind::CustodyRecord);
        }
        let count = [1, 1, 1, 2, 2, 3][self.rng.random_range(0..6)];
        let items = (0..count).map(|_| self.item(has_been_tested)).collect();
        let place = PLACES[skewed(&mut self.rng, PLACES.len(), 2)];
        let words = &self.world.words;
        let organizations = (0..self.rng.random_range(0..=2))
            .map(|_| Organization {
                name: words.firm(&mut self.rng),
                ..Default::default()
            })
            .collect();
        let title = format!("Consignment at {}", words.place(&mut self.rng));
        let narrative = words.narrative(&mut self.rng);
        let tracking = match self.one_in(SHARING) {
            true => self.rng.random_range(0..number / 1_000 + 1),
            false => 1_000_000 + number,
        };
        CaseReport {
            name: cases::name(AGENCIES[owner], &format!("made-{number}")),
            title,
            reporting_unit: format!("Field office {:03}", skewed(&mut self.rng, 200, 2)),
            incident_date: Some(cases::date(year, month, day)),
            incident_date_kind: IncidentDateKind::Seizure.into(),
            place: Some(Place {
                country: place.into(),
                kind: PlaceKind::MailFacility.into(),
                ..Default::default()
            }),
            route,
            items,
            evidence: std::mem::take(&mut self.evidence),
            identifiers: vec![Identifier {
                kind: IdentifierKind::TrackingNumber.into(),
                value: format!("CP{tracking:09}CN"),
                issuer: "Postal operator".into(),
            }],
            organizations,
            conveyance: self.conveyance().into(),
            narrative,
            ..Default::default()
        }
    }

    fn evidence(&mut self, id: &str, kind: EvidenceKind) {
        let mut value = vec![0; 32];
        if self.one_in(SHARING) {
            // One of a few that others have too.
            let pool = self.number as u64 / 2_000 + 1;
            let which = self.rng.random_range(0..pool);
            StdRng::seed_from_u64(which).fill_bytes(&mut value);
        } else {
            self.rng.fill_bytes(&mut value);
        }
        self.evidence.push(EvidenceReference {
            id: id.into(),
            kind: kind.into(),
            digest: Some(Digest {
                algorithm: DigestAlgorithm::Sha256.into(),
                value,
            }),
            size_bytes: self.rng.random_range(1_000..5_000_000),
            media_type: "application/pdf".into(),
            custodian: "Evidence room".into(),
            ..Default::default()
        });
    }

    fn route(&mut self) -> Option<Route> {
        let mut named = |chance: u32, power: i32| {
            let some = self.rng.random_ratio(chance, 100);
            some.then(|| ORIGINS[skewed(&mut self.rng, ORIGINS.len(), power)])
        };
        let (origin, departure) = (named(45, 4), named(60, 3));
        let (transit, destination) = (named(20, 1), named(70, 5));
        let origin = origin.map(|country| {
            let shown = self.one_in(2);
            if shown {
                self.evidence("label", EvidenceKind::ShippingDocument);
            }
            let basis = match shown {
                true => AttributionBasis::ShippingDocument,
                false => AttributionBasis::AgencyStatement,
            };
            let evidence = shown.then(|| "label".to_owned());
            location(country, basis, evidence.into_iter().collect())
        });
        let stated = |country| location(country, AttributionBasis::AgencyStatement, Vec::new());
        let route = Route {
            origin,
            departure: departure.map(stated),
            transit: transit.map(stated).into_iter().collect(),
            destination: destination.map(stated),
        };
        (route != Route::default()).then_some(route)
    }

    fn item(&mut self, has_been_tested: bool) -> Item {
        let by_id = |substance: &Substance| SubstanceIdentity {
            catalogue_id: substance.id.clone(),
            ..Default::default()
        };
        let world = self.world;
        let (goods, identity) = match self.rng.random_range(0..100) {
            0..30 => {
                let fentanyl = SubstanceIdentity {
                    catalogue_id: "fentanyl".into(),
                    ..Default::default()
                };
                (Goods::Substance(fentanyl.clone()), Some(fentanyl))
            }
            30..50 => {
                let at = skewed(&mut self.rng, world.analogues.len(), 3);
                let analogue = by_id(world.analogues[at]);
                (Goods::Substance(analogue.clone()), Some(analogue))
            }
            50..80 => {
                let at = skewed(&mut self.rng, world.others.len(), 2);
                let other = by_id(world.others[at]);
                (Goods::Substance(other.clone()), Some(other))
            }
            80..88 => {
                let name = format!("Research compound {}", skewed(&mut self.rng, 400, 2));
                let free = SubstanceIdentity {
                    name,
                    ..Default::default()
                };
                (Goods::Substance(free.clone()), Some(free))
            }
            88..95 => {
                let precursor = SubstanceIdentity {
                    catalogue_id: ["4-anpp", "npp", "4-ap"][self.rng.random_range(0..3)].into(),
                    ..Default::default()
                };
                (Goods::Precursor(precursor.clone()), Some(precursor))
            }
            _ => {
                let press = Equipment {
                    kind: EquipmentKind::TabletPress.into(),
                    ..Default::default()
                };
                (Goods::Equipment(press), None)
            }
        };
        let (value, unit) = match &identity {
            None => (self.rng.random_range(1..5).to_string(), Unit::Piece),
            Some(_) => {
                let size = self.rng.random_range(4..24);
                let milligrams = self.rng.random_range(1..=1_u64 << size);
                let value = format!("{}.{:03}", milligrams / 1_000, milligrams % 1_000);
                (value, Unit::Gram)
            }
        };
        let findings = identity.filter(|_| has_been_tested).map(|substance| {
            let mut techniques = vec![Technique::MassSpectrometry.into()];
            if !self.one_in(5) {
                techniques.push(Technique::GasChromatography.into());
            }
            LaboratoryFinding {
                laboratory: "Drug analysis service".into(),
                accreditation: Accreditation::IsoIec17025.into(),
                report_number: format!("LAB-{}", self.number),
                techniques,
                result: FindingResult::Identified.into(),
                substance: Some(substance),
                evidence_ids: vec!["lab".into()],
                ..Default::default()
            }
        });
        Item {
            goods: Some(goods),
            quantity: Some(Quantity {
                value,
                unit: unit.into(),
                ..Default::default()
            }),
            form: ItemForm::Powder.into(),
            findings: findings.into_iter().collect(),
            ..Default::default()
        }
    }

    fn conveyance(&mut self) -> Conveyance {
        const ALL: [Conveyance; 6] = [
            Conveyance::Mail,
            Conveyance::Courier,
            Conveyance::RoadVehicle,
            Conveyance::AirCargo,
            Conveyance::SeaContainer,
            Conveyance::Unspecified,
        ];
        ALL[skewed(&mut self.rng, ALL.len(), 2)]
    }

    pub fn later(&mut self, owner: usize, audience: &Audience) -> Later {
        match self.rng.random_range(0..1_000) {
            0..20 => Later::Amended,
            20..35 => Later::Retracted,
            35..50 => {
                let by = match audience {
                    Audience::Everybody => Some((owner + 1) % AGENCIES.len()),
                    Audience::Named(agencies) => agencies.iter().copied().find(|n| *n != owner),
                };
                by.map_or(Later::Nothing, Later::Disputed)
            }
            _ => Later::Nothing,
        }
    }
}

fn location(country: &str, basis: AttributionBasis, evidence_ids: Vec<String>) -> Location {
    Location {
        country: country.into(),
        attributions: vec![Attribution {
            basis: basis.into(),
            evidence_ids,
            ..Default::default()
        }],
        ..Default::default()
    }
}
