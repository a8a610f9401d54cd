//! What the confirmation standard says of a case that has not been sent yet, and of the substances in it.

use casebroker_client::ClientError;
use casebroker_proto::{
    catalogue::{
        identity::{Resolution, resolve},
        measures::controls,
        substances,
    },
    json,
    standard::assess,
    v1::{
        Assessment, Case, CaseReport, CaseStatus, ControlStatus, Controlled, Statement,
        SubstanceIdentity, item::Goods, statement::Kind,
    },
};
use serde_json::{Value, json};

use crate::{
    failure::{Failure, Result},
    output::{BAD, FAINT, GOOD, HEADING, Output},
    table::{clean, wrap},
    words,
};

/// Widest that a sentence is written where the terminal sets no limit.
const WIDTH: usize = 120;

/// A report held against the standard.
#[derive(Debug)]
pub struct Judgement {
    case: String,
    assessment: Assessment,
    controls: Vec<ControlStatus>,
    /// What the catalogue does not make of a name, a sentence each.
    unresolved: Vec<String>,
}

impl Judgement {
    /// Of a report or an amendment; other statements bring no report to judge. Findings that were sent by themselves are not looked
    /// at: they are on the broker.
    pub fn of(statement: &Statement) -> Option<Self> {
        let report = match &statement.kind {
            Some(Kind::Report(r)) => r.report.as_ref()?,
            Some(Kind::Amendment(a)) => a.report.as_ref()?,
            _ => return None,
        };
        let case = Case {
            name: report.name.clone(),
            report: Some(report.clone()),
            ..Case::default()
        };
        Some(Self {
            assessment: assess(&case),
            controls: controls(&case),
            unresolved: unresolved(report),
            case: case.name,
        })
    }

    /// The status that it would get.
    pub fn status(&self) -> CaseStatus {
        self.assessment.status()
    }

    /// In the proto JSON mapping, with where it stands.
    pub fn to_json(&self, file: &str, line: u64) -> Result<Value> {
        let value = |e| Failure::from(ClientError::from(e));
        let assessment = json::to_value("casebroker.v1.Assessment", &self.assessment);
        let controls = self.controls.iter();
        let controls = controls.map(|c| json::to_value("casebroker.v1.ControlStatus", c));
        Ok(json!({
            "file": file,
            "line": line,
            "case": self.case,
            "assessment": assessment.map_err(value)?,
            "controls": controls.collect::<std::result::Result<Vec<_>, _>>().map_err(value)?,
            "unresolved": self.unresolved,
        }))
    }

    /// For a reader: the status, every rule, then what the catalogue adds.
    pub fn print(&self, file: &str, line: u64, out: &mut Output) -> Result<()> {
        let status = status_word(self.status());
        let heading = out.paint(HEADING, status);
        out.line(format_args!(
            "{file}:{line}: {} would be {heading} by version {} of the standard",
            clean(&self.case),
            self.assessment.standard_version
        ))?;
        for rule in &self.assessment.rules {
            let (style, mark) = match rule.met {
                true => (GOOD, "met    "),
                false => (BAD, "missing"),
            };
            let mark = out.paint(style, mark);
            let text = format!("{}: {}", rule.rule, clean(&rule.message));
            sentence(&mark, &text, out)?;
        }
        let known = out.paint(FAINT, "law    ");
        for item in self.controls.chunk_by(|a, b| a.item == b.item) {
            sentence(&known, &law(item), out)?;
        }
        let unknown = out.paint(FAINT, "name   ");
        for text in &self.unresolved {
            sentence(&unknown, &clean(text), out)?;
        }
        Ok(())
    }
}

/// A status in one word.
pub fn status_word(status: CaseStatus) -> &'static str {
    match status {
        CaseStatus::Unspecified => "not judged",
        CaseStatus::Reported => "reported",
        CaseStatus::Confirmed => "confirmed",
        CaseStatus::Attributed => "attributed",
    }
}

/// `item 1, carfentanil, at the incident date: CN not controlled (only since 2017-03-01)`.
fn law(item: &[ControlStatus]) -> String {
    let each = item.iter().map(|control| {
        let answer = match control.controlled() {
            Controlled::Yes => "controlled",
            Controlled::No => "not controlled",
            Controlled::Unknown | Controlled::Unspecified => "not known",
        };
        let only = match control.controlled() {
            Controlled::No => "only ",
            _ => "",
        };
        let since = match &control.effective_date {
            Some(date) => format!(" ({only}since {})", words::date(Some(date))),
            None => String::new(),
        };
        format!("{} {answer}{since}", control.jurisdiction)
    });
    let answers = each.collect::<Vec<_>>().join(", ");
    let (number, substance) = item.first().map_or((0, ""), |control| {
        (control.item, control.substance.as_str())
    });
    format!("item {number}, {substance}, at the incident date: {answers}")
}

/// Names of items and findings that the catalogue does not know, or that contradict one another, with what was probably meant. A
/// finding under such a name is of another substance than the item, so it must not go unseen.
fn unresolved(report: &CaseReport) -> Vec<String> {
    let mut told = Vec::new();
    for (item, number) in report.items.iter().zip(1..) {
        if let Some(Goods::Substance(s) | Goods::Precursor(s)) = &item.goods {
            told.extend(doubt(s).map(|doubt| format!("item {number}: {doubt}")));
        }
        for finding in &item.findings {
            let doubt = finding.substance.as_ref().and_then(doubt);
            told.extend(
                doubt.map(|doubt| {
                    format!("item {number}, report {}: {doubt}", finding.report_number)
                }),
            );
        }
    }
    told
}

fn doubt(identity: &SubstanceIdentity) -> Option<String> {
    match resolve(identity) {
        Resolution::Resolved(_) => None,
        Resolution::Unresolved => Some(format!(
            "{} is not in the catalogue{}",
            words::substance(identity),
            hint(identity)
        )),
        Resolution::Contradictory(a, b) => Some(format!(
            "a name or number is that of {} and another that of {}: state one of them, or a catalogue id",
            a.name, b.name
        )),
    }
}

fn hint(identity: &SubstanceIdentity) -> String {
    substances::suggest(&identity.name).map_or_else(
        || ", and counts under its own name".to_owned(),
        |s| format!("; did you mean {} ({})?", s.name, s.id),
    )
}

/// A sentence after its mark, on as many lines as it takes.
fn sentence(mark: &str, text: &str, out: &mut Output) -> Result<()> {
    const INDENT: &str = "           ";
    let width = out.width.map_or(usize::MAX, |width| width.min(WIDTH));
    for (i, line) in wrap(text, width.saturating_sub(INDENT.len()))
        .iter()
        .enumerate()
    {
        match i {
            0 => out.line(format_args!("  {mark}  {line}"))?,
            _ => out.line(format_args!("{INDENT}{line}"))?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use casebroker_proto::{
        google::r#type::Date,
        v1::{Item, LaboratoryFinding, Report, Retraction},
    };

    use super::*;

    fn named(name: &str) -> SubstanceIdentity {
        SubstanceIdentity {
            name: name.into(),
            ..SubstanceIdentity::default()
        }
    }

    fn statement(item: &str, finding: &str) -> Statement {
        let report = CaseReport {
            name: "agencies/us-dea/cases/1".into(),
            incident_date: Some(Date {
                year: 2016,
                month: 6,
                day: 27,
            }),
            items: vec![Item {
                goods: Some(Goods::Substance(named(item))),
                findings: vec![LaboratoryFinding {
                    report_number: "7".into(),
                    substance: Some(named(finding)),
                    ..LaboratoryFinding::default()
                }],
                ..Item::default()
            }],
            ..CaseReport::default()
        };
        Statement {
            kind: Some(Kind::Report(Report {
                report: Some(report),
            })),
            ..Statement::default()
        }
    }

    #[test]
    fn a_report_is_judged_and_a_statement_without_one_is_not() {
        let judgement = Judgement::of(&statement("Carfentanil", "Carfentanil")).unwrap();
        assert_eq!(judgement.status(), CaseStatus::Reported);
        assert!(judgement.unresolved.is_empty());
        let retraction = Statement {
            kind: Some(Kind::Retraction(Retraction::default())),
            ..Statement::default()
        };
        assert!(Judgement::of(&retraction).is_none());
    }

    #[test]
    fn json_holds_the_rules_and_the_law() {
        let judgement = Judgement::of(&statement("Carfentanil", "Carfentanil")).unwrap();
        let value = judgement.to_json("case.json", 3).unwrap();
        assert_eq!(value["assessment"]["status"], "CASE_STATUS_REPORTED");
        assert_eq!(value["assessment"]["rules"][0]["rule"], "incident-date");
        assert_eq!(value["controls"][0]["measure"], "carfentanil-cn-2017");
        assert_eq!(
            (&value["file"], &value["line"]),
            (&json!("case.json"), &json!(3))
        );
        assert_eq!(
            law(&judgement.controls),
            "item 1, carfentanil, at the incident date: CN not controlled (only since 2017-03-01), UN not controlled, US controlled (since 1988-10)"
        );
    }

    #[test]
    fn names_that_the_catalogue_does_not_know_are_told_with_what_was_probably_meant() {
        let judgement = Judgement::of(&statement("China white", "Carfentanyl")).unwrap();
        assert_eq!(
            judgement.unresolved,
            [
                "item 1: China white is not in the catalogue, and counts under its own name",
                "item 1, report 7: Carfentanyl is not in the catalogue; did you mean Carfentanil (carfentanil)?"
            ]
        );
    }
}
