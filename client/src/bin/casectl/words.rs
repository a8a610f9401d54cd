//! Contract values as people write them. What is not known is said to be not known, never guessed.

use casebroker_proto::{
    google::r#type::Date,
    v1::{
        Accreditation, AttributionBasis, CaseStatus, Conveyance, DeliveryProgress, Digest,
        DigestAlgorithm, EquipmentKind, EvidenceKind, EvidenceRequestState, EvidenceResponseKind,
        FindingResult, Handling, IdentifierKind, IncidentDateKind, ItemForm, Measurement,
        OrganizationRole, OverlapBasis, OverlapState, OverlapVerdict, PlaceKind, Qualifier,
        Quantity, RegistryChange, StatementKind, SubstanceIdentity, Technique, Tlp, Unit,
        registry_change::Change,
    },
};
use prost_types::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// What stands where nothing is known.
pub const NOT_KNOWN: &str = "not known";

/// A date as far as it is known: `2016-06-27`, `2016-06` or `2016`.
pub fn date(date: Option<&Date>) -> String {
    match date {
        Some(Date { year: 0, .. }) | None => NOT_KNOWN.into(),
        Some(Date { year, month: 0, .. }) => format!("{year:04}"),
        Some(Date {
            year,
            month,
            day: 0,
        }) => format!("{year:04}-{month:02}"),
        Some(Date { year, month, day }) => format!("{year:04}-{month:02}-{day:02}"),
    }
}

/// A time in UTC to the minute: `2026-11-24 04:15`.
pub fn minute(time: Option<&Timestamp>) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    time.and_then(moment)
        .and_then(|t| t.format(&format).ok())
        .unwrap_or_else(|| NOT_KNOWN.into())
}

/// A time in UTC as RFC 3339, exactly.
pub fn rfc3339(time: &Timestamp) -> String {
    moment(time)
        .and_then(|t| t.format(&Rfc3339).ok())
        .unwrap_or_else(|| NOT_KNOWN.into())
}

/// A point in time from seconds since the Unix epoch.
pub fn moment(time: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

/// An enum value's name in words: `PLACE_KIND_LAND_BORDER` is `land border`. Empty for the unspecified value and for
/// numbers that this version does not know.
macro_rules! in_words {
    ($($function:ident $kind:ty, $doc:literal;)+) => {$(
        #[doc = $doc]
        pub fn $function(value: i32) -> String {
            <$kind>::try_from(value)
                .ok()
                .filter(|_| value != 0)
                .map(|v| plain(v.as_str_name(), <$kind>::default().as_str_name()))
                .unwrap_or_default()
        }
    )+};
}

in_words! {
    place_kind PlaceKind, "Kind of place.";
    date_kind IncidentDateKind, "What an incident date is the date of.";
    basis AttributionBasis, "On what an attribution rests.";
    equipment EquipmentKind, "Kind of equipment.";
    form ItemForm, "Form of goods.";
    result FindingResult, "Result of an examination.";
    technique Technique, "Technique.";
    evidence EvidenceKind, "Kind of evidence.";
    identifier IdentifierKind, "Kind of identifier.";
    role OrganizationRole, "Part of an organisation.";
    conveyance Conveyance, "By what goods travelled.";
    answer EvidenceResponseKind, "How a request for evidence is answered.";
    request_state EvidenceRequestState, "Where a request for evidence stands.";
    status CaseStatus, "Status under the confirmation standard.";
    overlap_basis OverlapBasis, "What two cases share.";
    overlap_state OverlapState, "Where an overlap stands.";
    verdict OverlapVerdict, "What an owner says of an overlap.";
    statement_kind StatementKind, "Kind of a statement.";
    progress DeliveryProgress, "How far a statement came with an agency.";
}

/// A quantity as reported: `about 1.2 kg`.
pub fn quantity(quantity: Option<&Quantity>) -> String {
    let Some(quantity) = quantity else {
        return "quantity not known".into();
    };
    let qualifier = match quantity.qualifier() {
        Qualifier::Unspecified => "",
        Qualifier::About => "about ",
        Qualifier::MoreThan => "more than ",
        Qualifier::Nearly => "nearly ",
        Qualifier::AtLeast => "at least ",
    };
    let many = quantity.value != "1";
    let unit = match quantity.unit() {
        Unit::Unspecified => "(unit not known)",
        Unit::Gram => "g",
        Unit::Kilogram => "kg",
        Unit::Milligram => "mg",
        Unit::MetricTon => "t",
        Unit::Pound => "lb",
        Unit::Ounce => "oz",
        Unit::Litre => "L",
        Unit::Millilitre => "mL",
        Unit::Tablet if many => "tablets",
        Unit::Tablet => "tablet",
        Unit::Piece if many => "pieces",
        Unit::Piece => "piece",
    };
    let measured = match quantity.measurement() {
        Measurement::Unspecified => "",
        Measurement::Gross => " gross",
        Measurement::Net => " net",
        Measurement::LaboratoryNet => " net by a laboratory",
    };
    format!("{qualifier}{} {unit}{measured}", grouped(&quantity.value))
}

/// The same quantity in the unit that masses and volumes are added up in: `1,000 g`. None if that says nothing new, or if the
/// broker did not give it.
pub fn normalized(quantity: &Quantity) -> Option<String> {
    let unit = match quantity.unit() {
        Unit::Kilogram | Unit::Milligram | Unit::MetricTon | Unit::Pound | Unit::Ounce => "g",
        Unit::Litre => "mL",
        _ => return None,
    };
    let millionths = quantity.normalized?;
    // Micrograms to a gram; microlitres to a millilitre.
    let to_one: i64 = if unit == "g" { 1_000_000 } else { 1_000 };
    let places = if unit == "g" { 6 } else { 3 };
    let (whole, rest) = (millionths / to_one, millionths % to_one);
    let fraction = format!("{rest:0places$}");
    let fraction = fraction.trim_end_matches('0');
    let whole = grouped(&whole.to_string());
    Some(match fraction {
        "" => format!("{whole} {unit}"),
        fraction => format!("{whole}.{fraction} {unit}"),
    })
}

/// The first characters of a request id or overlap id: enough to tell it from others on a page. Commands take it in place of
/// the whole.
pub fn short_id(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Who within an agency: `officer/chen` of `spiffe://example/agency/us-dea/officer/chen`.
pub fn principal(spiffe_id: &str) -> &str {
    let after_agency = spiffe_id
        .split_once("/agency/")
        .and_then(|(_, path)| path.split_once('/'));
    match after_agency {
        Some((_, who)) => who,
        None => spiffe_id,
    }
}

/// A decimal with its thousands apart, from five digits on: `4,000,000`.
pub fn grouped(value: &str) -> String {
    let (whole, fraction) = match value.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (value, None),
    };
    if whole.len() < 5 || !whole.bytes().all(|b| b.is_ascii_digit()) {
        return value.to_owned();
    }
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{out}.{fraction}"),
        None => out,
    }
}

/// A substance by the best name it has.
pub fn substance(identity: &SubstanceIdentity) -> String {
    let names = [
        &identity.name,
        &identity.catalogue_id,
        &identity.cas_number,
        &identity.inchikey,
    ];
    let name = names.into_iter().find(|name| !name.is_empty());
    let name = name
        .map_or("substance not named", String::as_str)
        .to_owned();
    match identity.catalogue_id.as_str() {
        "" => name,
        id if id.eq_ignore_ascii_case(&name) => name,
        id => format!("{name} ({id})"),
    }
}

/// A digest cut short: `sha256:9f86d081884c`.
pub fn short_digest(digest: Option<&Digest>) -> String {
    let Some(digest) = digest else {
        return "digest not known".into();
    };
    let value = hex::encode(&digest.value);
    let algorithm = algorithm(digest.algorithm());
    format!("{algorithm}:{}", value.get(..12).unwrap_or(&value))
}

/// Name of a digest algorithm.
pub fn algorithm(algorithm: DigestAlgorithm) -> &'static str {
    match algorithm {
        DigestAlgorithm::Unspecified => "unknown",
        DigestAlgorithm::Sha256 => "sha256",
        DigestAlgorithm::Sha384 => "sha384",
        DigestAlgorithm::Sha512 => "sha512",
    }
}

/// A marking as FIRST writes it.
pub fn tlp(value: Tlp) -> &'static str {
    match value {
        Tlp::Unspecified => "no marking",
        Tlp::Clear => "TLP:CLEAR",
        Tlp::Green => "TLP:GREEN",
        Tlp::Amber => "TLP:AMBER",
        Tlp::AmberStrict => "TLP:AMBER+STRICT",
        Tlp::Red => "TLP:RED",
    }
}

/// Marking and audience: `TLP:AMBER for ca-rcmp, us-dea`.
pub fn handling(handling: Option<&Handling>) -> String {
    let Some(handling) = handling else {
        return NOT_KNOWN.into();
    };
    let audience: Vec<_> = handling.audience.iter().map(|name| id(name)).collect();
    match audience.as_slice() {
        [] => format!("{}, every member", tlp(handling.tlp())),
        some => format!("{}, for {}", tlp(handling.tlp()), some.join(", ")),
    }
}

/// Accreditation of a laboratory.
pub fn accreditation(value: i32) -> &'static str {
    match Accreditation::try_from(value) {
        Ok(Accreditation::IsoIec17025) => "ISO/IEC 17025",
        Ok(Accreditation::None) => "no accreditation",
        _ => "accreditation not known",
    }
}

/// The last segment of a resource name: `us-dea` of `agencies/us-dea`.
pub fn id(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A case's name without the words: `us-dea/2016-0042`.
pub fn short_case(name: &str) -> String {
    name.parse::<casebroker_proto::names::CaseName>()
        .map_or_else(
            |_| name.to_owned(),
            |n| format!("{}/{}", n.agency().id(), n.case_id()),
        )
}

/// The name without the prefix that it shares with the unspecified value.
pub fn plain(name: &str, unspecified: &str) -> String {
    let prefix = unspecified.strip_suffix("UNSPECIFIED").unwrap_or_default();
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_ascii_lowercase()
        .replace('_', " ")
}

/// What changed in the registry, on one line.
pub fn registry_change(change: &RegistryChange) -> String {
    match &change.change {
        Some(Change::Member(member)) => {
            let signing = &member.signing_certificates;
            let revoked = signing.iter().filter(|s| s.revoked).count();
            let keys = match (signing.len(), revoked) {
                (1, 0) => "1 signing key".into(),
                (n, 0) => format!("{n} signing keys"),
                (n, revoked) => format!("{n} signing keys, {revoked} revoked"),
            };
            format!(
                "member {}: {keys} ({})",
                id(&member.name),
                member.display_name
            )
        }
        Some(Change::Group(group)) => {
            let members: Vec<_> = group.members.iter().map(|name| id(name)).collect();
            format!("group {}: {}", id(&group.name), members.join(", "))
        }
        Some(Change::RemovedMember(name)) => format!("{} is a member no more", id(name)),
        Some(Change::RemovedGroup(name)) => format!("group {} is no more", id(name)),
        None => NOT_KNOWN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_say_no_more_than_is_known() {
        let d = |year, month, day| date(Some(&Date { year, month, day }));
        assert_eq!(d(2016, 6, 27), "2016-06-27");
        assert_eq!(d(2016, 6, 0), "2016-06");
        assert_eq!(d(2016, 0, 0), "2016");
        assert_eq!(date(None), NOT_KNOWN);
    }

    #[test]
    fn enum_values_read_as_words_and_unknown_ones_as_nothing() {
        assert_eq!(place_kind(PlaceKind::LandBorder as i32), "land border");
        assert_eq!(
            basis(AttributionBasis::ShippingDocument as i32),
            "shipping document"
        );
        assert_eq!(
            (place_kind(0), place_kind(999)),
            (String::new(), String::new())
        );
    }

    #[test]
    fn quantities_stay_as_reported() {
        let q = Quantity {
            value: "1.20".into(),
            unit: Unit::Kilogram as i32,
            qualifier: Qualifier::About as i32,
            normalized: Some(1),
            measurement: Measurement::LaboratoryNet as i32,
        };
        assert_eq!(quantity(Some(&q)), "about 1.20 kg net by a laboratory");
        assert_eq!(quantity(None), "quantity not known");
    }

    #[test]
    fn thousands_stand_apart_from_five_digits_on() {
        for (value, expected) in [
            ("4000", "4000"),
            ("40000", "40,000"),
            ("4000000.25", "4,000,000.25"),
            ("1.123456", "1.123456"),
            ("x0000", "x0000"),
        ] {
            assert_eq!(grouped(value), expected);
        }
    }

    #[test]
    fn a_normalized_mass_loses_no_microgram() {
        let q = |unit: Unit, micro| {
            normalized(&Quantity {
                unit: unit.into(),
                normalized: micro,
                ..Default::default()
            })
        };
        assert_eq!(
            q(Unit::Pound, Some(453_592_370)),
            Some("453.59237 g".into())
        );
        assert_eq!(
            q(Unit::MetricTon, Some(23_368_000_000_001)),
            Some("23,368,000.000001 g".into())
        );
        assert_eq!(q(Unit::Litre, Some(1_500_000)), Some("1500 mL".into()));
        assert_eq!(q(Unit::Kilogram, None), None);
        assert_eq!(q(Unit::Tablet, Some(5)), None);
    }

    #[test]
    fn principals_and_ids_are_shortened_and_others_left() {
        assert_eq!(
            principal("spiffe://example.org/agency/us-dea/officer/chen"),
            "officer/chen"
        );
        assert_eq!(principal("somebody"), "somebody");
        assert_eq!(short_id("1b9d6bcd-bbfd-4b2d"), "1b9d6bcd");
        assert_eq!(short_id("short"), "short");
    }

    #[test]
    fn times_are_utc() {
        let t = Timestamp {
            seconds: 1_467_000_000,
            nanos: 0,
        };
        assert_eq!(minute(Some(&t)), "2016-06-27 04:00");
        assert_eq!(rfc3339(&t), "2016-06-27T04:00:00Z");
    }
}
