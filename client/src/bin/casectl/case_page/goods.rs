//! The items of a case: what they are, how much, what laboratories found in them, and under which control they were.

use casebroker_proto::{
    catalogue::identity::{Resolution, resolve},
    v1::{
        Case, CaseReport, ControlStatus, Controlled, Item, LaboratoryFinding, LateFinding,
        SubstanceIdentity, item::Goods,
    },
};

use super::{Page, or_not_known};
use crate::{
    failure::Result,
    words::{self, NOT_KNOWN},
};

impl Page<'_> {
    pub(super) fn items(&mut self, case: &Case, report: &CaseReport) -> Result<()> {
        self.section("Items")?;
        for (number, item) in (1..).zip(&report.items) {
            self.item(number, item, case)?;
        }
        Ok(())
    }

    fn item(&mut self, number: i32, item: &Item, case: &Case) -> Result<()> {
        let (kind, name, identity) = match &item.goods {
            Some(Goods::Substance(s)) => ("substance", words::substance(s), Some(s)),
            Some(Goods::Precursor(s)) => ("precursor", words::substance(s), Some(s)),
            Some(Goods::Equipment(e)) => {
                let names = [words::equipment(e.kind), e.name.clone(), e.marking.clone()];
                let names: Vec<_> = names.into_iter().filter(|n| !n.is_empty()).collect();
                ("equipment", names.join(", "), None)
            }
            None => ("kind", NOT_KNOWN.into(), None),
        };
        let mut text = format!("{name}: {}", words::quantity(item.quantity.as_ref()));
        if let Some(normalized) = item.quantity.as_ref().and_then(words::normalized) {
            text.push_str(&format!(" = {normalized}"));
        }
        for part in [words::form(item.form), percent(&item.purity_percent)] {
            if !part.is_empty() {
                text.push_str(&format!(", {part}"));
            }
        }
        self.field(&format!("{number} {kind}"), text)?;
        if !item.description.is_empty() {
            self.field("", &item.description)?;
        }
        if let Some(identity) = identity {
            self.field("", resolution(identity))?;
        }
        self.findings(number, item, case)?;
        for control in case.controls.iter().filter(|c| c.item == number) {
            self.field("", control_text(control))?;
        }
        Ok(())
    }

    /// Findings in the report, then those that arrived later.
    fn findings(&mut self, number: i32, item: &Item, case: &Case) -> Result<()> {
        for finding in &item.findings {
            self.field("", finding_text(finding))?;
        }
        let late: Vec<_> = case
            .late_findings
            .iter()
            .filter(|l| l.item == number)
            .collect();
        for finding in &late {
            self.late_finding("", finding)?;
        }
        match (item.findings.as_slice(), late.as_slice()) {
            ([], []) => self.field("", "no laboratory finding reported"),
            _ => Ok(()),
        }
    }

    /// A finding that arrived after the report, with its evidence.
    pub(super) fn late_finding(&mut self, label: &str, late: &LateFinding) -> Result<()> {
        let text = late.finding.as_ref().map(finding_text);
        let text = text.unwrap_or_else(|| NOT_KNOWN.into());
        let by = format!(
            "later, by {} (position {})",
            words::id(&late.agency),
            late.position
        );
        self.field(label, format!("{by}: {text}"))?;
        if late.detached {
            self.field(
                "",
                "counts for nothing: the item was amended since; it must be found again",
            )?;
        }
        for reference in &late.evidence {
            let text = format!(
                "evidence {}: {}, {}, held by {}",
                reference.id,
                words::evidence(reference.kind),
                words::short_digest(reference.digest.as_ref()),
                or_not_known(&reference.custodian)
            );
            self.field("", text)?;
        }
        Ok(())
    }
}

/// Which substance of the catalogue it is.
fn resolution(identity: &SubstanceIdentity) -> String {
    match resolve(identity) {
        Resolution::Resolved(substance) => format!("in the catalogue: {}", substance.id),
        Resolution::Unresolved => "not in the catalogue: the substance is not resolved".into(),
        Resolution::Contradictory(one, other) => format!(
            "its names and numbers are those of {} and of {}: the substance is not resolved",
            one.id, other.id
        ),
    }
}

/// `controlled in CN at the incident date: yes, since 2017-03-01 (carfentanil-cn-2017)`.
fn control_text(control: &ControlStatus) -> String {
    let date = control
        .effective_date
        .as_ref()
        .map(|d| words::date(Some(d)));
    let answer = match (control.controlled(), date) {
        (Controlled::Yes, Some(date)) => format!("yes, since {date}"),
        (Controlled::Yes, None) => "yes".into(),
        (Controlled::No, Some(date)) => format!("no, only since {date}"),
        (Controlled::No, None) => "no".into(),
        (_, Some(date)) => format!("{NOT_KNOWN}, the measure is of {date}"),
        (_, None) => NOT_KNOWN.into(),
    };
    let measure = match control.measure.as_str() {
        "" => String::new(),
        measure => format!(" ({measure})"),
    };
    let place = match control.jurisdiction.as_str() {
        "UN" => "controlled under the UN conventions".into(),
        place => format!("controlled in {place}"),
    };
    format!("{place} at the incident date: {answer}{measure}")
}

/// One finding in a sentence.
pub fn finding_text(finding: &LaboratoryFinding) -> String {
    let techniques: Vec<_> = finding
        .techniques
        .iter()
        .map(|t| words::technique(*t))
        .collect();
    let substance = finding
        .substance
        .as_ref()
        .map(words::substance)
        .unwrap_or_default();
    let mut text = format!("{} {substance}", words::result(finding.result))
        .trim_end()
        .to_owned();
    if !finding.purity_percent.is_empty() {
        text.push_str(&format!(", {}", percent(&finding.purity_percent)));
    }
    let evidence = match finding.evidence_ids.as_slice() {
        [] => "no evidence given".into(),
        ids => format!("evidence {}", ids.join(", ")),
    };
    let date = match &finding.report_date {
        Some(date) => format!(" of {}", words::date(Some(date))),
        None => ", date not known".into(),
    };
    format!(
        "{text} by {}: {} ({}), report {}{date}; {evidence}",
        techniques.join(", "),
        finding.laboratory,
        words::accreditation(finding.accreditation),
        finding.report_number,
    )
}

fn percent(purity: &str) -> String {
    match purity {
        "" => String::new(),
        purity => format!("{purity} % pure"),
    }
}

#[cfg(test)]
mod tests {
    use casebroker_proto::google::r#type::Date;

    use super::*;

    #[test]
    fn control_is_said_with_its_date_and_measure_or_not_known() {
        let control = |controlled: Controlled, year, measure: &str| {
            control_text(&ControlStatus {
                jurisdiction: "CN".into(),
                controlled: controlled.into(),
                effective_date: (year > 0).then_some(Date {
                    year,
                    month: 3,
                    day: 1,
                }),
                measure: measure.into(),
                ..Default::default()
            })
        };
        assert_eq!(
            control(Controlled::Yes, 2017, "carfentanil-cn-2017"),
            "controlled in CN at the incident date: yes, since 2017-03-01 (carfentanil-cn-2017)"
        );
        assert_eq!(
            control(Controlled::No, 2017, "carfentanil-cn-2017"),
            "controlled in CN at the incident date: no, only since 2017-03-01 (carfentanil-cn-2017)"
        );
        assert_eq!(
            control(Controlled::Unknown, 0, ""),
            "controlled in CN at the incident date: not known"
        );
    }

    #[test]
    fn a_substance_is_resolved_by_any_of_its_names_or_said_not_to_be() {
        let resolved = |name: &str, cas: &str| {
            let identity = SubstanceIdentity {
                name: name.into(),
                cas_number: cas.into(),
                ..Default::default()
            };
            resolution(&identity)
        };
        assert_eq!(resolved("Carfentanil", ""), "in the catalogue: carfentanil");
        assert_eq!(
            resolved("C50", "59708-52-0"),
            "in the catalogue: carfentanil"
        );
        assert!(resolved("white powder", "").contains("not resolved"));
        let both = resolved("fentanyl", "59708-52-0");
        assert!(both.contains("fentanyl and of carfentanil"), "{both}");
    }
}
