//! Items: what was found, how much of it, and what laboratories say.

use super::{
    checker::{Checker, Path, shown},
    evidence::Listed,
    limits,
};
use crate::{
    catalogue::{
        substances,
        units::{self, Decimal, QuantityError},
    },
    v1::{
        Accreditation, Equipment, EquipmentKind, FindingResult, Item, ItemFinding, ItemForm,
        LaboratoryFinding, Measurement, Qualifier, Quantity, SubstanceIdentity, Technique, Unit,
        item::Goods,
    },
};

impl Checker {
    /// One item of a report.
    pub(super) fn item(&mut self, at: &Path<'_>, item: &Item, listed: &Listed<'_>) {
        let max = limits::ITEM_DESCRIPTION;
        self.optional_prose(&at.field("description"), &item.description, max);
        match &item.goods {
            Some(Goods::Substance(s)) => self.substance(&at.field("substance"), s),
            Some(Goods::Precursor(s)) => self.substance(&at.field("precursor"), s),
            Some(Goods::Equipment(e)) => self.equipment(&at.field("equipment"), e),
            None => self.refuse(&at.field("goods"), || {
                "is required: exactly one of substance, precursor, equipment".into()
            }),
        }
        if let Some(quantity) = &item.quantity {
            self.quantity(&at.field("quantity"), quantity);
        }
        self.optional_enum::<ItemForm>(&at.field("form"), item.form);
        self.percent(&at.field("purity_percent"), &item.purity_percent);
        self.each(
            at,
            "findings",
            &item.findings,
            limits::FINDINGS,
            |c, at, f| {
                c.finding(at, f, listed);
            },
        );
    }

    /// The `findings` of a statement about somebody's items.
    pub(super) fn item_findings(
        &mut self,
        at: &Path<'_>,
        findings: &[ItemFinding],
        listed: &Listed<'_>,
    ) {
        self.each(at, "findings", findings, limits::FINDINGS, |c, at, f| {
            let item = f.item;
            if usize::try_from(item).map_or(true, |i| !(1..=limits::ITEMS).contains(&i)) {
                c.refuse(&at.field("item"), || {
                    format!(
                        "is {item}; the number of the item is required, 1 to {}",
                        limits::ITEMS
                    )
                });
            }
            c.required(&at.field("finding"), f.finding.as_ref(), |c, at, f| {
                c.finding(at, f, listed);
            });
        });
    }

    fn finding(&mut self, at: &Path<'_>, finding: &LaboratoryFinding, listed: &Listed<'_>) {
        self.required_line(
            &at.field("laboratory"),
            &finding.laboratory,
            limits::LABORATORY,
        );
        self.required_enum::<Accreditation>(&at.field("accreditation"), finding.accreditation);
        let number = &finding.report_number;
        self.required_line(&at.field("report_number"), number, limits::REPORT_NUMBER);
        if let Some(date) = &finding.report_date {
            self.past_date(&at.field("report_date"), date);
        }
        if finding.techniques.is_empty() {
            self.missing(&at.field("techniques"));
        }
        self.enums_once::<Technique>(at, "techniques", &finding.techniques, limits::TECHNIQUES);
        self.required_enum::<FindingResult>(&at.field("result"), finding.result);
        let substance = at.field("substance");
        match &finding.substance {
            Some(identity) => self.substance(&substance, identity),
            None if finding.result == i32::from(FindingResult::Identified) => {
                self.refuse(&substance, || {
                    "is required when the result is IDENTIFIED".into()
                });
            }
            None => {}
        }
        self.percent(&at.field("purity_percent"), &finding.purity_percent);
        self.evidence_ids(at, &finding.evidence_ids, listed);
    }

    fn substance(&mut self, at: &Path<'_>, identity: &SubstanceIdentity) {
        let SubstanceIdentity {
            catalogue_id,
            name,
            cas_number,
            inchikey,
        } = identity;
        if [catalogue_id, name, cas_number, inchikey]
            .iter()
            .all(|field| field.is_empty())
        {
            self.refuse(at, || {
                "is empty: at least one of catalogue_id, name, cas_number, inchikey is required"
                    .into()
            });
        }
        if !catalogue_id.is_empty() && substances::by_id(catalogue_id).is_none() {
            self.refuse(&at.field("catalogue_id"), || {
                let hint = substances::suggest(catalogue_id).map_or_else(
                    || "; leave it out and give the name, CAS number or InChIKey".to_owned(),
                    |s| format!("; did you mean {} ({})?", s.id, s.name),
                );
                format!(
                    "is {}, which is not in the catalogue{hint}",
                    shown(catalogue_id)
                )
            });
        }
        self.optional_line(&at.field("name"), name, limits::GOODS_NAME);
        self.cas_number(&at.field("cas_number"), cas_number);
        self.inchikey(&at.field("inchikey"), inchikey);
    }

    fn equipment(&mut self, at: &Path<'_>, equipment: &Equipment) {
        self.required_enum::<EquipmentKind>(&at.field("kind"), equipment.kind);
        self.optional_line(&at.field("name"), &equipment.name, limits::GOODS_NAME);
        self.optional_line(&at.field("marking"), &equipment.marking, limits::GOODS_NAME);
    }

    fn quantity(&mut self, at: &Path<'_>, quantity: &Quantity) {
        self.required_enum::<Unit>(&at.field("unit"), quantity.unit);
        self.optional_enum::<Qualifier>(&at.field("qualifier"), quantity.qualifier);
        self.optional_enum::<Measurement>(&at.field("measurement"), quantity.measurement);
        let value = at.field("value");
        if quantity.value.is_empty() {
            return self.missing(&value);
        }
        match units::normalize(quantity) {
            Ok(computed) => {
                if let Some(given) = quantity.normalized.filter(|given| *given != computed) {
                    self.refuse(&at.field("normalized"), || {
                        format!("is {given}; value and unit make {computed}, so send that or leave it out")
                    });
                }
            }
            // The unit has its violation already; the value is still checked by itself.
            Err(QuantityError::Unit) if Decimal::parse(&quantity.value).is_some() => {}
            Err(QuantityError::Unit) => self.bad_value(&value, quantity, QuantityError::Value),
            Err(e) => self.bad_value(&value, quantity, e),
        }
    }

    fn bad_value(&mut self, at: &Path<'_>, quantity: &Quantity, error: QuantityError) {
        self.refuse(at, || format!("is {}; it {error}", shown(&quantity.value)));
    }

    /// A percentage over 0 and at most 100, if given.
    fn percent(&mut self, at: &Path<'_>, text: &str) {
        if text.is_empty() {
            return;
        }
        let good = Decimal::parse(text).is_some_and(|d| !d.is_zero() && d <= Decimal::HUNDRED);
        if !good {
            self.refuse(at, || {
                format!(
                    "is {}; it must be a decimal over 0 and at most 100 without sign, exponent or percent sign, such as 87.5",
                    shown(text)
                )
            });
        }
    }
}
