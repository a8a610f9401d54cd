//! Short ways to the parts of a report that a table changes.

use super::*;

pub(super) type Change = fn(&mut CaseReport);

#[track_caller]
pub(super) fn all_refused(table: &[(&str, &str, Change)]) {
    for (path, words, change) in table {
        refuses(path, words, change);
    }
}

#[track_caller]
pub(super) fn all_accepted(table: &[Change]) {
    for change in table {
        accepts(change);
    }
}

pub(super) fn place(r: &mut CaseReport) -> &mut Place {
    r.place.as_mut().unwrap()
}

pub(super) fn origin(r: &mut CaseReport) -> &mut Location {
    r.route.as_mut().unwrap().origin.as_mut().unwrap()
}

pub(super) fn quantity(r: &mut CaseReport) -> &mut Quantity {
    r.items[0].quantity.as_mut().unwrap()
}

pub(super) fn lab(r: &mut CaseReport) -> &mut LaboratoryFinding {
    &mut r.items[0].findings[0]
}

pub(super) fn handling(r: &mut CaseReport) -> &mut Handling {
    r.handling.as_mut().unwrap()
}

pub(super) fn substance(r: &mut CaseReport) -> &mut SubstanceIdentity {
    match r.items[0].goods.as_mut().unwrap() {
        item::Goods::Substance(s) => s,
        _ => unreachable!(),
    }
}

pub(super) fn set_amount(r: &mut CaseReport, value: &str, unit: Unit) {
    *quantity(r) = Quantity {
        value: value.into(),
        unit: unit.into(),
        ..Quantity::default()
    };
}

pub(super) fn equipment(r: &mut CaseReport) -> &mut Equipment {
    if !matches!(r.items[0].goods, Some(item::Goods::Equipment(_))) {
        r.items[0].goods = Some(item::Goods::Equipment(Equipment {
            kind: 1,
            ..Equipment::default()
        }));
    }
    match r.items[0].goods.as_mut().unwrap() {
        item::Goods::Equipment(e) => e,
        _ => unreachable!(),
    }
}
