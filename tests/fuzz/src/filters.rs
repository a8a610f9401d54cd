//! Filters, as protobuf and as JSON, and what they are understood as.

use casebroker_proto::{
    filter::{Known, Occurring, check_occurring, compile},
    names::{AgencyName, GroupName},
    v1::{AttributionBasis, CaseFilter, CaseStatus, Conveyance, Digest, DigestAlgorithm, ItemKind},
    validation::limits,
};
use prost::Message as _;

use crate::statements::{from_json, from_protobuf};

const NAME: &str = "casebroker.v1.CaseFilter";

/// Takes the bytes for a filter in both encodings.
pub fn run(data: &[u8]) -> bool {
    let protobuf = from_protobuf::<CaseFilter>(NAME, data);
    let json = from_json::<CaseFilter>(NAME, data);
    let filters = [protobuf, json].into_iter().flatten();
    filters.fold(false, |_, filter| {
        understood(&filter);
        true
    })
}

/// Every filter is understood or refused, within bounds, and what is understood has a name for each field and a value.
fn understood(filter: &CaseFilter) {
    let violations = match compile(filter, "filter", &Few) {
        Ok(compiled) => {
            let set = casebroker_proto::json::set_fields(NAME, filter).unwrap();
            let said: Vec<_> = compiled.understood.iter().map(|t| &t.field).collect();
            assert_eq!(said, set.iter().collect::<Vec<_>>());
            let mut values = compiled.understood.iter().flat_map(|t| &t.values);
            assert!(values.all(|v| !v.value.is_empty()));
            check_occurring(filter, "filter", &Few)
        }
        Err(violations) => {
            assert!(!violations.is_empty());
            violations
        }
    };
    assert!(violations.len() <= limits::VIOLATIONS + 1);
    for violation in &violations {
        assert!(violation.description.len() <= 2_000, "{violation:?}");
        assert!(violation.field.len() <= 100, "{violation:?}");
    }
}

/// A registry of two members and a group, and one case that can be seen.
struct Few;

impl Known for Few {
    fn member(&self, agency: &AgencyName) -> Option<String> {
        let known = ["us-dea", "ca-rcmp"].contains(&agency.id());
        known.then(|| agency.id().to_uppercase())
    }

    fn group(&self, group: &GroupName) -> Option<Vec<AgencyName>> {
        (group.id() == "all").then(|| vec![AgencyName::from_id("ca-rcmp").unwrap()])
    }

    fn names(&self) -> Vec<String> {
        ["agencies/us-dea", "agencies/ca-rcmp", "groups/all"]
            .map(String::from)
            .into()
    }
}

impl Occurring for Few {
    fn has_reporting_unit(&self, key: &str) -> bool {
        key == "international mail facility"
    }

    fn has_substance(&self, _: &str) -> bool {
        false
    }

    fn reporting_units(&self) -> Vec<String> {
        vec!["International mail facility".into()]
    }

    fn substances(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Filters in both encodings.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let full = CaseFilter {
        agencies: vec!["agencies/us-dea".into(), "agencies/ca-rcmp".into()],
        reporting_units: vec!["International mail facility".into()],
        countries: vec!["CA".into()],
        origins: vec!["CN".into(), "IN".into()],
        bases: vec![AttributionBasis::ShippingDocument.into()],
        statuses: vec![CaseStatus::Confirmed.into(), CaseStatus::Attributed.into()],
        substances: vec!["carfentanil".into()],
        item_kinds: vec![ItemKind::Precursor.into()],
        conveyances: vec![Conveyance::Mail.into()],
        incident_start_date: Some(casebroker_proto::google::r#type::Date {
            year: 2016,
            month: 6,
            day: 27,
        }),
        record_end_time: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 5,
        }),
        min_mass_micrograms: 1_000_000,
        evidence_digests: vec![Digest {
            algorithm: DigestAlgorithm::Sha256.into(),
            value: vec![3; 32],
        }],
        text: "printer ink".into(),
        ..CaseFilter::default()
    };
    let small = CaseFilter {
        agencies: vec!["agencies/us-dea".into()],
        ..CaseFilter::default()
    };
    let mut seeds = Vec::new();
    for (name, filter) in [("full", full), ("small", small)] {
        let json = casebroker_proto::json::to_value(NAME, &filter).unwrap();
        seeds.push((format!("{name}.json"), json.to_string().into_bytes()));
        seeds.push((format!("{name}.pb"), filter.encode_to_vec()));
    }
    let original_names = br#"{"min_mass_micrograms": "12", "origins": null, "statuses": [2]}"#;
    seeds.push(("original-names.json".into(), original_names.to_vec()));
    seeds
}
