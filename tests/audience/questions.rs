//! Counts, trends and filters at random, and cases in which they find something.

use casebroker_proto::v1::{
    Attribution, AttributionBasis, CaseFilter, CaseReport, ComputeTrendRequest, Conveyance,
    CountCasesRequest, Digest, DigestAlgorithm, Location, Organization,
    compute_trend_request::Around,
};
use casebroker_tests::cases;
use rand::{Rng as _, rngs::StdRng, seq::IndexedRandom as _};

const UNITS: [&str; 3] = ["International mail facility", "Border post 7", "香港海關"];
const ORIGINS: [&str; 2] = ["CN", "MX"];
const ORGANIZATIONS: [&str; 2] = ["Ink and Paper Ltd", "广州印刷公司"];
const STORIES: [&str; 3] = [
    "Labelled as printer accessories; the bottle weighed more than ink would.",
    "Found by a dog between two walls.",
    "包裹里有白色粉末。",
];

/// Makes a report differ from others in what filters and counts look at, and not in what overlaps go by.
pub fn vary(rng: &mut StdRng, report: &mut CaseReport) {
    let mut some = |n| rng.random_range(0..n);
    report.reporting_unit = UNITS[some(UNITS.len())].into();
    report.narrative = STORIES[some(STORIES.len())].into();
    report.set_conveyance([Conveyance::Mail, Conveyance::Courier][some(2)]);
    if some(3) > 0 {
        let (basis, evidence) = match some(2) {
            0 => (AttributionBasis::AgencyStatement, vec![]),
            _ => (AttributionBasis::ShippingDocument, vec!["label".into()]),
        };
        let origin = Location {
            country: ORIGINS[some(2)].into(),
            attributions: vec![Attribution {
                basis: basis.into(),
                evidence_ids: evidence,
                note: String::new(),
            }],
            ..Location::default()
        };
        report.route.get_or_insert_default().origin = Some(origin);
    }
    if some(3) == 0 {
        report.organizations.push(Organization {
            name: ORGANIZATIONS[some(2)].into(),
            ..Organization::default()
        });
    }
    if some(4) == 0 {
        report.evidence.retain(|evidence| evidence.id != "seizure");
    }
}

/// A filter with a few fields set, mostly to what occurs.
pub fn filter(rng: &mut StdRng) -> CaseFilter {
    let mut filter = CaseFilter::default();
    for _ in 0..rng.random_range(1..=3) {
        let word = |words: &[&str], rng: &mut StdRng| words.choose(rng).unwrap().to_string();
        match rng.random_range(0..17) {
            0 => filter
                .reporting_units
                .push(word(&["border POST 7", "香港海關", "nowhere"], rng)),
            1 => filter.countries.push(word(&["CA", "US"], rng)),
            2 => filter.origins.push(word(&ORIGINS, rng)),
            3 => filter.departures.push(word(&["CN", "HK", "China"], rng)),
            4 => filter.bases.push(rng.random_range(1..=3)),
            5 | 6 => filter.statuses.push(rng.random_range(1..=3)),
            7 => filter
                .substances
                .push(word(&["卡芬太尼", "fentanyl", "mystery"], rng)),
            8 => filter
                .substance_classes
                .push(word(&["fentanyl-analogue", "equipment"], rng)),
            9 => filter.item_kinds.push(rng.random_range(1..=2)),
            10 => filter.conveyances.push(rng.random_range(1..=2)),
            11 => filter.incident_start_date = Some(cases::date(2016, rng.random_range(5..8), 0)),
            12 => filter.min_mass_micrograms = rng.random_range(0..20) * 1_000_000_000,
            13 => filter.organizations.push(word(&ORGANIZATIONS, rng)),
            14 => filter
                .identifiers
                .push(format!("cp{:09}cn", rng.random_range(0..40))),
            15 => filter.evidence_digests.push(digest(rng)),
            _ => match rng.random_range(0..2) {
                0 => filter.text = word(&["printer", "dog walls", "白色粉末", "nothing"], rng),
                _ => filter.obstacles.push(word(
                    &[
                        "retracted",
                        "disputed",
                        "contested",
                        "origin-basis",
                        "incident-record",
                    ],
                    rng,
                )),
            },
        }
    }
    filter
}

fn digest(rng: &mut StdRng) -> Digest {
    let mut value = vec![7; 32];
    value[..2].copy_from_slice(&rng.random_range(0..40_u16).to_be_bytes());
    Digest {
        algorithm: DigestAlgorithm::Sha256.into(),
        value,
    }
}

/// A count by up to three dimensions.
pub fn count(rng: &mut StdRng) -> CountCasesRequest {
    CountCasesRequest {
        filter: Some(filter(rng)),
        group_by: (0..rng.random_range(0..=3))
            .map(|_| rng.random_range(1..=15))
            .collect(),
        explain: rng.random(),
        without_amounts: rng.random(),
        ..CountCasesRequest::default()
    }
}

/// A trend around a day.
pub fn trend(rng: &mut StdRng) -> ComputeTrendRequest {
    ComputeTrendRequest {
        filter: Some(filter(rng)),
        period: rng.random_range(0..=4),
        around: Some(Around::Date(cases::date(2016, rng.random_range(5..9), 1))),
        ..ComputeTrendRequest::default()
    }
}
