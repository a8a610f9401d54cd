//! Filters as written, what they are understood as, and what is refused.

use prost_types::Timestamp;

mod properties;
mod refused;

use super::*;
use crate::{
    catalogue::substances,
    errors::Violation,
    google::r#type::Date,
    names::GroupName,
    v1::{CaseFilter, DigestAlgorithm},
};

/// A registry of three members and two groups.
struct Registry;

impl Known for Registry {
    fn member(&self, agency: &AgencyName) -> Option<String> {
        let members = [
            ("us-dea", "Drug Enforcement Administration"),
            ("ca-rcmp", "Royal Canadian Mounted Police"),
            ("cn-nncc", ""),
        ];
        let mut members = members.into_iter();
        let found = members.find(|(id, _)| *id == agency.id());
        found.map(|(_, name)| name.to_owned())
    }

    fn group(&self, group: &GroupName) -> Option<Vec<AgencyName>> {
        match group.id() {
            "north-america" => Some(vec![agency("ca-rcmp"), agency("us-dea")]),
            "nobody" => Some(Vec::new()),
            _ => None,
        }
    }

    fn names(&self) -> Vec<String> {
        let names = [
            "agencies/us-dea",
            "agencies/ca-rcmp",
            "agencies/cn-nncc",
            "groups/north-america",
            "groups/nobody",
        ];
        names.map(String::from).into()
    }
}

fn agency(id: &str) -> AgencyName {
    AgencyName::from_id(id).unwrap()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn day(year: i32, month: i32, day: i32) -> Option<Date> {
    Some(Date { year, month, day })
}

fn accepted(filter: &CaseFilter) -> Compiled {
    compile(filter, "filter", &Registry).unwrap()
}

/// Every violation as `path: description`.
fn refused(filter: &CaseFilter) -> Vec<String> {
    let violations = compile(filter, "filter", &Registry).unwrap_err();
    let lines = violations.iter();
    lines
        .map(|v| format!("{}: {}", v.field, v.description))
        .collect()
}

fn full() -> CaseFilter {
    CaseFilter {
        agencies: texts(&["agencies/cn-nncc", "groups/north-america"]),
        reporting_units: texts(&[
            "  International  Mail facility ",
            "INTERNATIONAL MAIL FACILITY",
        ]),
        countries: texts(&["CA"]),
        origins: texts(&["CN", "IN", "CN"]),
        departures: texts(&["HK"]),
        transits: texts(&["JP"]),
        destinations: texts(&["MX"]),
        bases: vec![AttributionBasis::ShippingDocument.into()],
        statuses: vec![CaseStatus::Confirmed.into()],
        substances: texts(&["卡芬太尼", "59708-52-0", "Mystery Opioid"]),
        substance_classes: texts(&["fentanyl-analogue", "uncatalogued", "equipment"]),
        item_kinds: vec![ItemKind::Precursor.into(), ItemKind::Substance.into()],
        conveyances: vec![Conveyance::AirCargo.into()],
        incident_start_date: day(2016, 6, 0),
        incident_end_date: day(2017, 2, 0),
        record_start_time: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 5,
        }),
        record_end_time: Some(Timestamp {
            seconds: 1_700_000_001,
            nanos: 0,
        }),
        min_mass_micrograms: 1_000_000,
        organizations: texts(&["Acme Ltd"]),
        identifiers: texts(&["LK 123-456 CN", "lk123456cn"]),
        evidence_digests: vec![Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![0xab; 32],
        }],
        text: " printer ink ".into(),
        obstacles: texts(&["contested", "laboratory-finding"]),
    }
}

#[test]
fn a_full_filter_is_resolved_field_by_field() {
    let Selection {
        agencies,
        reporting_units,
        countries,
        origins,
        departures,
        transits,
        destinations,
        bases,
        statuses,
        substances,
        free_substances,
        classes,
        item_kinds,
        conveyances,
        from_day,
        to_day,
        recorded_from,
        recorded_before,
        min_mass,
        organizations,
        identifiers,
        digests,
        text,
        obstacles,
    } = accepted(&full()).selection;
    assert_eq!(agencies, ["cn-nncc", "ca-rcmp", "us-dea"].map(agency));
    assert_eq!(reporting_units, ["international mail facility"]);
    assert_eq!((countries, origins), (vec!["CA"], vec!["CN", "IN"]));
    assert_eq!((departures, transits), (vec!["HK"], vec!["JP"]));
    assert_eq!(destinations, ["MX"]);
    assert_eq!(bases, [AttributionBasis::ShippingDocument]);
    assert_eq!(statuses, [CaseStatus::Confirmed, CaseStatus::Attributed]);
    let carfentanil = substances::by_id("carfentanil").unwrap();
    assert_eq!(substances, [carfentanil]);
    assert_eq!(free_substances, ["mystery opioid"]);
    let analogues = GoodsClass::Catalogued(Class::FentanylAnalogue);
    assert_eq!(
        classes,
        [analogues, GoodsClass::Uncatalogued, GoodsClass::Equipment]
    );
    assert_eq!(item_kinds, [ItemKind::Precursor, ItemKind::Substance]);
    assert_eq!(conveyances, [Conveyance::AirCargo]);
    assert_eq!(from_day, Some(Day::new(2016, 6, 1)));
    assert_eq!(to_day, Some(Day::new(2017, 2, 28)));
    assert_eq!(recorded_from, Some(1_700_000_000_000_000_005));
    assert_eq!(recorded_before, Some(1_700_000_001_000_000_000));
    assert_eq!(min_mass, Some(1_000_000));
    assert_eq!(organizations, ["acme ltd"]);
    assert_eq!(identifiers, ["lk123456cn"]);
    assert_eq!(digests, full().evidence_digests);
    assert_eq!(text.as_deref(), Some("printer ink"));
    assert_eq!(
        obstacles,
        [
            Hindrance::Contested,
            Hindrance::find("laboratory-finding").unwrap()
        ]
    );
}

#[test]
fn what_was_understood_is_said_in_the_order_of_the_contract() {
    let understood = accepted(&full()).understood;
    let lines: Vec<_> = understood
        .iter()
        .map(|term| {
            let values = term.values.iter();
            let values: Vec<_> = values
                .map(|v| format!("{}={}", v.value, v.display_name))
                .collect();
            format!("{}: {}", term.field, values.join("; "))
        })
        .collect();
    let digest = format!("evidence_digests: sha256:{}=", "ab".repeat(32));
    let rule =
        "This rule of the standard is not met: A laboratory identified a substance in the item.";
    let obstacles = format!(
        "obstacles: contested=Others name another country of origin.; laboratory-finding={rule}"
    );
    assert_eq!(
        lines,
        [
            "agencies: agencies/cn-nncc=; agencies/ca-rcmp=Royal Canadian Mounted Police; agencies/us-dea=Drug Enforcement Administration",
            "reporting_units: international mail facility=International  Mail facility",
            "countries: CA=Canada",
            "origins: CN=China; IN=India",
            "departures: HK=Hong Kong",
            "transits: JP=Japan",
            "destinations: MX=Mexico",
            "bases: shipping-document=shipping document",
            "statuses: confirmed=confirmed; attributed=attributed",
            "substances: carfentanil=Carfentanil; mystery opioid=Mystery Opioid",
            "substance_classes: fentanyl-analogue=fentanyl analogue; uncatalogued=uncatalogued; equipment=equipment",
            "item_kinds: precursor=precursor; substance=substance",
            "conveyances: air-cargo=air cargo",
            "incident_start_date: 2016-06=",
            "incident_end_date: 2017-02=",
            "record_start_time: 2023-11-14T22:13:20.000000005Z=",
            "record_end_time: 2023-11-14T22:13:21Z=",
            "min_mass_micrograms: 1000000=",
            "organizations: acme ltd=Acme Ltd",
            "identifiers: lk123456cn=LK 123-456 CN",
            digest.as_str(),
            "text: printer ink=",
            obstacles.as_str(),
        ]
    );
    let order = crate::json::set_fields("casebroker.v1.CaseFilter", &full()).unwrap();
    let said: Vec<_> = understood.iter().map(|term| term.field.clone()).collect();
    assert_eq!(said, order);
}

#[test]
fn an_empty_filter_selects_everything_and_says_nothing() {
    let Compiled {
        selection,
        understood,
    } = accepted(&CaseFilter::default());
    assert_eq!(selection, Selection::default());
    assert!(understood.is_empty());
}
