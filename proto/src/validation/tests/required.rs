//! Rules of a report: what must be there, and enums.

use super::{edit::*, *};

#[test]
fn a_sound_report_passes_with_every_field_and_with_only_the_required_ones() {
    accepts(|_| {});
    accepts(|r| {
        *r = CaseReport {
            name: r.name.clone(),
            title: r.title.clone(),
            incident_date: Some(date(2016, 0, 0)),
            place: Some(Place {
                country: "US".into(),
                ..Place::default()
            }),
            items: vec![Item {
                goods: Some(item::Goods::Equipment(Equipment {
                    kind: EquipmentKind::TabletPress.into(),
                    ..Equipment::default()
                })),
                ..Item::default()
            }],
            handling: Some(Handling {
                tlp: Tlp::Green.into(),
                ..Handling::default()
            }),
            ..CaseReport::default()
        }
    });
}

#[test]
fn required_fields_are_missed() {
    all_refused(&[
        ("name", "required", |r| r.name.clear()),
        ("title", "required", |r| r.title.clear()),
        ("incident_date", "required", |r| r.incident_date = None),
        ("place", "required", |r| r.place = None),
        ("place.country", "required", |r| {
            *place(r) = Place::default()
        }),
        ("items", "required", |r| r.items.clear()),
        ("items[0].goods", "exactly one", |r| r.items[0].goods = None),
        ("handling", "required", |r| r.handling = None),
        ("route.origin.country", "required", |r| {
            origin(r).country.clear()
        }),
        ("route.origin.attributions", "required", |r| {
            origin(r).attributions.clear()
        }),
        ("items[0].quantity.value", "required", |r| {
            quantity(r).value.clear()
        }),
        ("items[0].findings[0].laboratory", "required", |r| {
            lab(r).laboratory.clear()
        }),
        ("items[0].findings[0].report_number", "required", |r| {
            lab(r).report_number.clear()
        }),
        ("items[0].findings[0].techniques", "required", |r| {
            lab(r).techniques.clear()
        }),
        ("items[0].findings[0].substance", "IDENTIFIED", |r| {
            lab(r).substance = None
        }),
        ("items[0].findings[0].substance", "at least one", |r| {
            lab(r).substance = Some(SubstanceIdentity::default())
        }),
        ("items[0].substance", "at least one", |r| {
            *substance(r) = SubstanceIdentity::default()
        }),
        ("evidence[0].digest", "required", |r| {
            r.evidence[0].digest = None
        }),
        ("evidence[0].digest.value", "required", |r| {
            r.evidence[0].digest.as_mut().unwrap().value.clear()
        }),
        ("evidence[0].custodian", "required", |r| {
            r.evidence[0].custodian.clear()
        }),
        ("evidence[0].size_bytes", "over 0", |r| {
            r.evidence[0].size_bytes = 0
        }),
        ("identifiers[0].value", "required", |r| {
            r.identifiers[0].value.clear()
        }),
        ("organizations[0].name", "required", |r| {
            r.organizations[0].name.clear()
        }),
        ("sources[0].title", "required", |r| {
            r.sources[0].title.clear()
        }),
        ("sources[0].publisher", "required", |r| {
            r.sources[0].publisher.clear()
        }),
        ("handling.caveats[0]", "required", |r| {
            handling(r).caveats[0].clear()
        }),
    ]);
    accepts(|r| {
        lab(r).result = FindingResult::NotDetected.into();
        lab(r).substance = None;
    });
}

#[test]
fn required_enums_are_refused_unspecified() {
    all_refused(&[
        (
            "route.origin.attributions[0].basis",
            "AttributionBasis",
            |r| origin(r).attributions[0].basis = 0,
        ),
        ("items[0].quantity.unit", "Unit", |r| quantity(r).unit = 0),
        ("items[0].findings[0].accreditation", "Accreditation", |r| {
            lab(r).accreditation = 0
        }),
        ("items[0].findings[0].techniques[0]", "Technique", |r| {
            lab(r).techniques[0] = 0
        }),
        ("items[0].findings[0].result", "FindingResult", |r| {
            lab(r).result = 0
        }),
        ("evidence[0].kind", "EvidenceKind", |r| {
            r.evidence[0].kind = 0
        }),
        ("evidence[0].digest.algorithm", "DigestAlgorithm", |r| {
            r.evidence[0].digest.as_mut().unwrap().algorithm = 0
        }),
        ("identifiers[0].kind", "IdentifierKind", |r| {
            r.identifiers[0].kind = 0
        }),
        ("handling.tlp", "Tlp", |r| handling(r).tlp = 0),
        ("items[0].equipment.kind", "EquipmentKind", |r| {
            r.items[0].goods = Some(item::Goods::Equipment(Equipment::default()));
        }),
    ]);
}

#[test]
fn optional_enums_may_be_unspecified_and_no_enum_unknown() {
    all_accepted(&[
        |r| r.incident_date_kind = 0,
        |r| place(r).kind = 0,
        |r| r.items[0].form = 0,
        |r| quantity(r).qualifier = 0,
        |r| r.organizations[0].role = 0,
        |r| r.conveyance = 0,
    ]);
    all_refused(&[
        ("incident_date_kind", "99", |r| r.incident_date_kind = 99),
        ("place.kind", "99", |r| place(r).kind = 99),
        ("items[0].form", "-1", |r| r.items[0].form = -1),
        ("items[0].quantity.unit", "99", |r| quantity(r).unit = 99),
        ("items[0].quantity.qualifier", "99", |r| {
            quantity(r).qualifier = 99
        }),
        ("organizations[0].role", "99", |r| {
            r.organizations[0].role = 99
        }),
        ("conveyance", "99", |r| r.conveyance = 99),
        ("handling.tlp", "99", |r| handling(r).tlp = 99),
        ("evidence[0].kind", "99", |r| r.evidence[0].kind = 99),
        ("evidence[0].digest.algorithm", "99", |r| {
            r.evidence[0].digest.as_mut().unwrap().algorithm = 99
        }),
        ("items[0].findings[0].techniques[1]", "99", |r| {
            lab(r).techniques[1] = 99
        }),
    ]);
}
