//! From statements to a case: a pure function, a step a statement.

mod basic;

use casebroker_proto::{
    catalogue::{measures::controls, units::normalize},
    standard::{assess, outcomes},
    v1::{
        self, AttributionBasis, CaseReport, CaseView, Corroboration, Dispute, EvidenceReference,
        EvidenceRequest, EvidenceRequestState, EvidenceResponse, EvidenceResponseKind, Finding,
        Handling, Item, ItemFinding, LateFinding, Location, OriginClaim, Provenance,
        statement::Kind,
    },
};

use super::statement::Statement;

/// Parts of a case that its first report says something of.
const PARTS: usize = 16;

/// The case that these statements make, oldest first; `None` if no report is among them. Its requests for evidence are open
/// or answered; whether one is overdue is for [`set_overdue`].
pub fn fold<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Option<v1::Case> {
    applied(statements).map(finish)
}

/// As [`fold`], without the rules' sentences and without the controls that the goods are under: all that counting needs.
pub fn fold_judged<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Option<v1::Case> {
    applied(statements).map(|case| judge(case, outcomes))
}

/// As [`fold`], as much of it as a view holds. The newest report becomes the case's own without a copy.
pub fn fold_into(view: CaseView, statements: Vec<Statement>) -> Option<v1::Case> {
    let mut case = None;
    for mut statement in statements {
        let handling = statement.case_handling().cloned();
        let report = statement.take_report();
        step(&mut case, &statement, report, handling);
    }
    match view {
        CaseView::Basic => case.map(|case| basic::keep(judge(case, outcomes))),
        CaseView::Full | CaseView::Unspecified => case.map(finish),
    }
}

fn applied<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Option<v1::Case> {
    let mut case = None;
    for statement in statements {
        apply(&mut case, statement);
    }
    case
}

/// One step: the case with one more statement. What it needs to know of the earlier ones stands in the case.
pub fn apply(case: &mut Option<v1::Case>, statement: &Statement) {
    let report = statement.report().cloned();
    let handling = statement.case_handling().cloned();
    step(case, statement, report, handling);
}

fn step(
    case: &mut Option<v1::Case>,
    statement: &Statement,
    report: Option<CaseReport>,
    handling: Option<Handling>,
) {
    if case.is_none() && report.is_some() {
        *case = Some(v1::Case {
            name: statement.case.to_string(),
            owner: statement.case.agency().to_string(),
            first_position: statement.position,
            create_time: Some(statement.record_time),
            provenance: Vec::with_capacity(PARTS),
            ..Default::default()
        });
    }
    // What is said to somebody before it may see a report waits for none.
    let Some(case) = case else { return };
    if let Some(report) = report {
        replace_report(case, report, statement);
    }
    if let Some(handling) = handling {
        case.handling = Some(handling);
        set_provenance(case, "handling", statement);
    }
    match &statement.statement.kind {
        Some(Kind::Corroboration(said)) => corroborate(case, said, statement),
        Some(Kind::EvidenceRequest(request)) => ask(case, request, statement),
        Some(Kind::EvidenceResponse(response)) => answer(case, response, statement),
        Some(Kind::Dispute(dispute)) if dispute.resolves.is_empty() => {
            case.disputes.push(opened(dispute, statement));
        }
        Some(Kind::Dispute(end)) => end_dispute(case, end, statement),
        Some(Kind::Finding(finding)) => find(case, finding, statement),
        Some(Kind::Retraction(retraction)) => {
            case.retracted = true;
            case.retraction_reason.clone_from(&retraction.reason);
            set_provenance(case, "retraction", statement);
        }
        Some(
            Kind::Report(_) | Kind::Amendment(_) | Kind::Release(_) | Kind::OverlapDeclaration(_),
        )
        | None => {}
    }
    case.last_position = statement.position;
    case.update_time = Some(statement.record_time);
}

/// What follows from the whole case.
pub fn finish(case: v1::Case) -> v1::Case {
    let mut case = judge(case, assess);
    case.controls = controls(&case);
    case
}

fn judge(mut case: v1::Case, by: fn(&v1::Case) -> v1::Assessment) -> v1::Case {
    case.contested_origins = contested(&case);
    case.assessment = Some(by(&case));
    case
}

/// Marks the open requests whose due date has passed: `today` is the date where the day ends last (UTC-12), as
/// (year, month, day).
pub fn set_overdue(case: &mut v1::Case, today: (i32, i32, i32)) {
    for request in &mut case.evidence_requests {
        let due = request.due_date.as_ref();
        // A date without a day lasts until its month's end, one without a month until its year's.
        let last = |part: i32| if part == 0 { i32::MAX } else { part };
        let past = due.is_some_and(|due| (due.year, last(due.month), last(due.day)) < today);
        if past && request.state() == EvidenceRequestState::Open {
            request.set_state(EvidenceRequestState::Overdue);
        }
    }
}

fn replace_report(case: &mut v1::Case, mut report: CaseReport, statement: &Statement) {
    for quantity in report.items.iter_mut().flat_map(|item| &mut item.quantity) {
        // Computed, and may be left out of what is sent: no change if it is.
        quantity.normalized = normalize(quantity).ok();
    }
    let before = case.report.take().unwrap_or_default();
    let first = case.revision == 0;
    case.revision += 1;
    set_provenance(case, "report", statement);
    macro_rules! parts {
        ($($part:ident),*) => {
            $(if first || before.$part != report.$part {
                set_provenance(case, stringify!($part), statement);
            })*
        };
    }
    parts!(
        title,
        reporting_unit,
        incident_date,
        incident_date_kind,
        place,
        route,
        items,
        evidence,
        identifiers,
        organizations,
        concealment,
        conveyance,
        narrative,
        sources
    );
    for late in &mut case.late_findings {
        let index = usize::try_from(late.item - 1).unwrap_or(usize::MAX);
        let same = match (before.items.get(index), report.items.get(index)) {
            (Some(old), Some(new)) => is_same_item(old, new),
            _ => false,
        };
        late.detached |= !same;
    }
    case.report = Some(report);
}

/// Whether a finding about the one is one about the other: all but what was found in it is the same.
fn is_same_item(old: &Item, new: &Item) -> bool {
    old.description == new.description
        && old.goods == new.goods
        && old.quantity == new.quantity
        && old.form == new.form
}

fn set_provenance(case: &mut v1::Case, part: &str, statement: &Statement) {
    let provenance = Provenance {
        part: part.to_owned(),
        position: statement.position,
        agency: statement.agency.to_string(),
    };
    match case.provenance.iter_mut().find(|known| known.part == part) {
        Some(known) => *known = provenance,
        None => case.provenance.push(provenance),
    }
}

fn corroborate(case: &mut v1::Case, said: &Corroboration, statement: &Statement) {
    let findings = said.findings.iter();
    case.corroborations.push(v1::CaseCorroboration {
        position: statement.position,
        agency: statement.agency.to_string(),
        note: said.note.clone(),
        own_case: said.own_case.clone(),
        evidence: said.evidence.clone(),
        findings: findings
            .filter_map(|finding| late(finding, &said.evidence, statement))
            .collect(),
        route: said.route.clone(),
    });
}

fn find(case: &mut v1::Case, said: &Finding, statement: &Statement) {
    let findings = said.findings.iter();
    let late = findings.filter_map(|finding| late(finding, &said.evidence, statement));
    case.late_findings.extend(late);
}

fn late(
    finding: &ItemFinding,
    evidence: &[EvidenceReference],
    statement: &Statement,
) -> Option<LateFinding> {
    let found = finding.finding.clone()?;
    let named = evidence
        .iter()
        .filter(|e| found.evidence_ids.contains(&e.id));
    Some(LateFinding {
        position: statement.position,
        agency: statement.agency.to_string(),
        item: finding.item,
        evidence: named.cloned().collect(),
        finding: Some(found),
        detached: false,
    })
}

fn ask(case: &mut v1::Case, request: &EvidenceRequest, statement: &Statement) {
    case.evidence_requests.push(v1::CaseEvidenceRequest {
        position: statement.position,
        request_id: statement.statement.request_id.clone(),
        create_time: Some(statement.record_time),
        requester: statement.agency.to_string(),
        addressee: request.addressee.clone(),
        question: request.question.clone(),
        kinds: request.kinds.clone(),
        due_date: request.due_date,
        state: EvidenceRequestState::Open.into(),
        answers: Vec::new(),
    });
}

fn answer(case: &mut v1::Case, response: &EvidenceResponse, statement: &Statement) {
    let answered = case.evidence_requests.iter_mut().find(|request| {
        request.request_id == response.evidence_request && request.requester == response.requester
    });
    // The request itself may not be for the reader.
    let Some(request) = answered else { return };
    request.set_state(match response.kind() {
        EvidenceResponseKind::Provided => EvidenceRequestState::Answered,
        EvidenceResponseKind::Declined => EvidenceRequestState::Declined,
        EvidenceResponseKind::Partial | EvidenceResponseKind::Unspecified => {
            EvidenceRequestState::Open
        }
    });
    request.answers.push(v1::EvidenceAnswer {
        position: statement.position,
        create_time: Some(statement.record_time),
        kind: response.kind,
        note: response.note.clone(),
        evidence: response.evidence.clone(),
    });
}

fn opened(dispute: &Dispute, statement: &Statement) -> v1::CaseDispute {
    v1::CaseDispute {
        position: statement.position,
        request_id: statement.statement.request_id.clone(),
        agency: statement.agency.to_string(),
        fields: dispute.fields.clone(),
        reason: dispute.reason.clone(),
        evidence: dispute.evidence.clone(),
        end_position: 0,
        end_reason: String::new(),
    }
}

fn end_dispute(case: &mut v1::Case, end: &Dispute, statement: &Statement) {
    let maker = statement.agency.to_string();
    let ended = case.disputes.iter_mut().find(|dispute| {
        let same = dispute.request_id == end.resolves && dispute.agency == maker;
        same && dispute.end_position == 0
    });
    if let Some(dispute) = ended {
        dispute.end_position = statement.position;
        dispute.end_reason.clone_from(&end.reason);
    }
}

/// Who names which origin, if they do not all name the same.
fn contested(case: &v1::Case) -> Vec<OriginClaim> {
    let claim = |agency: &str, position: u64, origin: &Location| OriginClaim {
        agency: agency.to_owned(),
        position,
        country: origin.country.clone(),
        bases: bases(origin),
    };
    let route = case
        .report
        .as_ref()
        .and_then(|report| report.route.as_ref());
    let position = |part: &str| case.provenance.iter().find(|known| known.part == part);
    let own = route.and_then(|route| route.origin.as_ref());
    let own = own.map(|origin| {
        let position = position("route").map_or(0, |known| known.position);
        claim(&case.owner, position, origin)
    });
    let others = case.corroborations.iter().filter_map(|said| {
        let origin = said.route.as_ref()?.origin.as_ref()?;
        Some(claim(&said.agency, said.position, origin))
    });
    let claims: Vec<_> = own.into_iter().chain(others).collect();
    let differ = claims.windows(2).any(|pair| match pair {
        [a, b] => a.country != b.country,
        _ => false,
    });
    if differ { claims } else { Vec::new() }
}

fn bases(location: &Location) -> Vec<i32> {
    let mut bases: Vec<i32> = Vec::new();
    for attribution in &location.attributions {
        let known = attribution.basis() != AttributionBasis::Unspecified;
        if known && !bases.contains(&attribution.basis) {
            bases.push(attribution.basis);
        }
    }
    bases
}

/// Whether an agency has objected to the case and not ended it.
pub fn is_disputed(case: &v1::Case) -> bool {
    case.disputes
        .iter()
        .any(|dispute| dispute.end_position == 0)
}

#[cfg(test)]
mod tests;
