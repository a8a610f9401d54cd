//! Filters, as protobuf and as JSON.

use casebroker_proto::v1::{
    AttributionBasis, CaseFilter, CaseStatus, Conveyance, Digest, DigestAlgorithm, ItemKind,
};
use prost::Message as _;

use crate::statements::{from_json, from_protobuf};

const NAME: &str = "casebroker.v1.CaseFilter";

/// Takes the bytes for a filter in both encodings.
pub fn run(data: &[u8]) -> bool {
    let protobuf = from_protobuf::<CaseFilter>(NAME, data);
    let json = from_json::<CaseFilter>(NAME, data);
    protobuf.is_some() || json.is_some()
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
