//! What others said about a case: requests for evidence and answers, disputes, corroborations; and where each part came from.

use anstyle::Style;
use casebroker_proto::v1::{
    Case, CaseCorroboration, CaseDispute, CaseEvidenceRequest, EvidenceRequestState, Provenance,
    Route,
};

use super::{Page, location_text};
use crate::{
    failure::Result,
    output::{BAD, GOOD},
    words,
};

impl Page<'_> {
    pub(super) fn requests(&mut self, case: &Case) -> Result<()> {
        if case.evidence_requests.is_empty() {
            return Ok(());
        }
        self.section("Requests for evidence")?;
        for request in &case.evidence_requests {
            self.request(request)?;
        }
        Ok(())
    }

    fn request(&mut self, request: &CaseEvidenceRequest) -> Result<()> {
        let due = match &request.due_date {
            Some(date) => format!(", due {}", words::date(Some(date))),
            None => String::new(),
        };
        let state = words::request_state(request.state);
        let style = match request.state() {
            EvidenceRequestState::Overdue => BAD,
            EvidenceRequestState::Answered => GOOD,
            _ => Style::new(),
        };
        let head = format!(
            "{} asks {}{due}: ",
            words::id(&request.requester),
            words::id(&request.addressee)
        );
        self.marked(words::short_id(&request.request_id), &head, style, &state)?;
        self.field("", &request.question)?;
        if !request.kinds.is_empty() {
            let kinds: Vec<_> = request.kinds.iter().map(|k| words::evidence(*k)).collect();
            self.field("", format!("wanted: {}", kinds.join(", ")))?;
        }
        for answer in &request.answers {
            let text = format!(
                "{} {} (position {}): {}",
                words::minute(answer.create_time.as_ref()),
                words::answer(answer.kind),
                answer.position,
                answer.note
            );
            self.field("  answer", text)?;
            self.references(&answer.evidence)?;
        }
        Ok(())
    }

    pub(super) fn disputes(&mut self, case: &Case) -> Result<()> {
        if case.disputes.is_empty() {
            return Ok(());
        }
        self.section("Disputes")?;
        for dispute in &case.disputes {
            self.dispute(dispute, case.retracted)?;
        }
        Ok(())
    }

    fn dispute(&mut self, dispute: &CaseDispute, retracted: bool) -> Result<()> {
        let (style, state) = match dispute.end_position {
            0 if retracted => (Style::new(), "over, as the case was retracted".to_owned()),
            0 => (BAD, "open".to_owned()),
            position => (Style::new(), format!("ended at position {position}")),
        };
        let head = format!(
            "{} (position {}): ",
            words::id(&dispute.agency),
            dispute.position
        );
        self.marked(words::short_id(&dispute.request_id), &head, style, &state)?;
        self.field("", format!("disputes {}", dispute.fields.join(", ")))?;
        self.field("", &dispute.reason)?;
        if !dispute.end_reason.is_empty() {
            self.field("  ended", &dispute.end_reason)?;
        }
        self.references(&dispute.evidence)
    }

    pub(super) fn corroborations(&mut self, case: &Case) -> Result<()> {
        if case.corroborations.is_empty() {
            return Ok(());
        }
        self.section("What other agencies add")?;
        for corroboration in &case.corroborations {
            self.corroboration(corroboration)?;
        }
        Ok(())
    }

    fn corroboration(&mut self, corroboration: &CaseCorroboration) -> Result<()> {
        let text = format!(
            "{} (position {})",
            corroboration.note, corroboration.position
        );
        self.field(words::id(&corroboration.agency), text)?;
        if !corroboration.own_case.is_empty() {
            let own = words::short_case(&corroboration.own_case);
            self.field("  own case", own)?;
        }
        self.places(corroboration.route.as_ref())?;
        for finding in &corroboration.findings {
            self.late_finding(&format!("  item {}", finding.item), finding)?;
        }
        self.references(&corroboration.evidence)
    }

    /// The places that another agency names; those that it does not are left out, since the report's own route stands above.
    fn places(&mut self, route: Option<&Route>) -> Result<()> {
        let Some(route) = route else {
            return Ok(());
        };
        let mut places = vec![
            ("  origin", route.origin.as_ref()),
            ("  departure", route.departure.as_ref()),
        ];
        places.extend(route.transit.iter().map(|t| ("  transit", Some(t))));
        places.push(("  destination", route.destination.as_ref()));
        for (label, place) in places {
            if let Some(place) = place {
                self.field(label, location_text(place))?;
            }
        }
        Ok(())
    }

    /// Which statement each part came from: parts of the same statement together.
    pub(super) fn provenance(&mut self, provenance: &[Provenance]) -> Result<()> {
        let mut by_statement: Vec<(u64, &str, Vec<&str>)> = Vec::new();
        for part in provenance {
            match by_statement
                .iter_mut()
                .find(|(position, _, _)| *position == part.position)
            {
                Some((_, _, parts)) => parts.push(&part.part),
                None => by_statement.push((part.position, &part.agency, vec![&part.part])),
            }
        }
        if let [(position, agency, _)] = by_statement.as_slice() {
            return self.field(
                &format!("From {position}"),
                format!("everything ({})", words::id(agency)),
            );
        }
        by_statement.sort_by_key(|(position, _, _)| *position);
        for (position, agency, parts) in by_statement {
            let text = format!("{} ({})", parts.join(", "), words::id(agency));
            self.field(&format!("From {position}"), text)?;
        }
        Ok(())
    }
}
