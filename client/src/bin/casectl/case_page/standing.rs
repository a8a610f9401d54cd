//! Where a case stands: owner, revision, status under the standard and what is missing, other cases of the same incident.

use anstyle::Style;
use casebroker_proto::v1::{Assessment, Case, CaseStatus};

use super::Page;
use crate::{
    failure::Result,
    output::{BAD, GOOD},
    words::{self, NOT_KNOWN},
};

impl Page<'_> {
    pub(super) fn standing(&mut self, case: &Case) -> Result<()> {
        self.field("Owner", words::id(&case.owner))?;
        self.field("Revision", case.revision.to_string())?;
        match &case.assessment {
            Some(assessment) => self.assessment(assessment)?,
            None => self.field("Status", NOT_KNOWN)?,
        }
        let disputed_by: Vec<_> = case
            .disputes
            .iter()
            .filter(|dispute| dispute.end_position == 0)
            .map(|dispute| words::id(&dispute.agency))
            .collect();
        // What was taken back is disputed no more.
        if !disputed_by.is_empty() && !case.retracted {
            let text = format!("by {}, see below", disputed_by.join(", "));
            self.marked("Disputed", "", BAD, &text)?;
        }
        for name in &case.same_incident_cases {
            self.field("Same incident", words::short_case(name))?;
        }
        Ok(())
    }

    fn assessment(&mut self, assessment: &Assessment) -> Result<()> {
        let met = assessment.rules.iter().filter(|rule| rule.met).count();
        let status = match words::status(assessment.status) {
            word if word.is_empty() => NOT_KNOWN.to_owned(),
            word => word,
        };
        let status = match assessment.attributed_origin.as_str() {
            "" => status,
            country => format!("{status} to {country}"),
        };
        let status = format!(
            "{status} by standard version {}, {met} of {} rules met",
            assessment.standard_version,
            assessment.rules.len()
        );
        let style = match assessment.status() {
            CaseStatus::Confirmed | CaseStatus::Attributed => GOOD,
            CaseStatus::Reported | CaseStatus::Unspecified => Style::new(),
        };
        self.marked("Status", "", style, &status)?;
        for rule in assessment.rules.iter().filter(|rule| !rule.met) {
            let text = match rule.message.as_str() {
                "" => &rule.rule,
                message => message,
            };
            self.field("  missing", text)?;
        }
        let confirmed: Vec<_> = assessment
            .confirmed_items
            .iter()
            .map(i32::to_string)
            .collect();
        let confirmed = match confirmed.as_slice() {
            [] => "no item".to_owned(),
            [one] => format!("item {one}"),
            several => format!("items {}", several.join(", ")),
        };
        self.field("Confirmed", confirmed)
    }
}
