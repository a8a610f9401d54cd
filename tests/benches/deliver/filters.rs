//! Filters that agencies might have: something that is looked for, often a place, often a time.

use casebroker_proto::{
    catalogue::substances::{Class, Substance},
    v1::CaseFilter,
};
use casebroker_tests::cases;
use rand::{Rng as _, rngs::StdRng};

use crate::world::World;

const COUNTRIES: [&str; 8] = ["US", "CA", "MX", "DE", "NL", "AU", "GB", "CN"];
const ORIGINS: [&str; 12] = [
    "CN", "MX", "IN", "US", "CA", "NL", "DE", "PL", "HK", "SG", "TH", "MM",
];
/// Years of the made-up incidents.
const YEARS: std::ops::Range<i32> = 2013..2026;

/// A filter; `units` are reporting units that the broker knows, and numbers of parcels go up to `parcels`.
pub fn draw(rng: &mut StdRng, world: &World, units: &[String], parcels: usize) -> CaseFilter {
    let mut filter = CaseFilter::default();
    match rng.random_range(0..100) {
        0..50 => {
            filter.substances = some(rng, 3, |rng| match rng.random_range(0..5) {
                0 => "fentanyl".into(),
                1 | 2 => one(rng, &world.analogues),
                _ => one(rng, &world.others),
            });
        }
        50..75 => {
            let class = Class::ALL[rng.random_range(0..Class::ALL.len())];
            filter.substance_classes = vec![class.as_str().into()];
        }
        75..90 => {
            filter.reporting_units = some(rng, 2, |rng| {
                units[rng.random_range(0..units.len())].clone()
            });
        }
        _ => {
            filter.identifiers = some(rng, 5, |rng| {
                format!("CP{:09}CN", 1_000_000 + rng.random_range(0..parcels))
            });
        }
    }
    match rng.random_range(0..5) {
        0 => {}
        1 | 2 => {
            filter.countries = some(rng, 2, |rng| {
                COUNTRIES[rng.random_range(0..COUNTRIES.len())].into()
            })
        }
        _ => {
            filter.origins = some(rng, 2, |rng| {
                ORIGINS[rng.random_range(0..ORIGINS.len())].into()
            })
        }
    }
    if rng.random_ratio(3, 5) {
        let first = rng.random_range(YEARS);
        let last = first + rng.random_range(0..3);
        filter.incident_start_date = Some(cases::date(first, 1, 1));
        filter.incident_end_date = Some(cases::date(last, 12, 31));
    }
    filter
}

/// At least one, at most so many, each once.
fn some(rng: &mut StdRng, most: usize, mut draw: impl FnMut(&mut StdRng) -> String) -> Vec<String> {
    let mut drawn: Vec<_> = (0..rng.random_range(1..=most)).map(|_| draw(rng)).collect();
    drawn.sort();
    drawn.dedup();
    drawn
}

fn one(rng: &mut StdRng, substances: &[&'static Substance]) -> String {
    substances[rng.random_range(0..substances.len())].id.clone()
}
