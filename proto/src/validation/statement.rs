//! A statement of any kind.

use super::{
    checker::{Checker, Path, shown},
    evidence::Listed,
    limits,
};
use crate::v1::{
    Amendment, CaseReport, Corroboration, Dispute, EvidenceKind, EvidenceRequest, EvidenceResponse,
    EvidenceResponseKind, Finding, OverlapDeclaration, OverlapVerdict, Release, Retraction,
    Statement, statement::Kind,
};

/// Full name of the message whose fields a dispute names.
const REPORT_TYPE: &str = "casebroker.v1.CaseReport";

impl Checker {
    /// A whole statement.
    pub(super) fn statement(&mut self, at: &Path<'_>, statement: &Statement) {
        self.case_name(&at.field("case"), &statement.case);
        self.request_id(&at.field("request_id"), &statement.request_id);
        let make_time = statement.make_time.as_ref();
        self.required(&at.field("make_time"), make_time, Self::past_time);
        match (&statement.handling, &statement.kind) {
            (Some(handling), _) => self.handling(&at.field("handling"), handling),
            (None, Some(Kind::Report(_) | Kind::Amendment(_) | Kind::Release(_)) | None) => {}
            (None, Some(_)) => self.missing(&at.field("handling")),
        }
        match &statement.kind {
            Some(Kind::Report(r)) => {
                self.new_report(at, &at.field("report"), statement, r.report.as_ref());
            }
            Some(Kind::Amendment(a)) => self.amendment(at, statement, a),
            Some(Kind::Corroboration(c)) => self.corroboration(&at.field("corroboration"), c),
            Some(Kind::EvidenceRequest(r)) => {
                self.evidence_request(&at.field("evidence_request"), r);
            }
            Some(Kind::EvidenceResponse(r)) => {
                self.evidence_response(&at.field("evidence_response"), r);
            }
            Some(Kind::Dispute(d)) => self.dispute(&at.field("dispute"), d),
            Some(Kind::Finding(f)) => self.late_finding(&at.field("finding"), f),
            Some(Kind::Release(r)) => self.release(at, statement, r),
            Some(Kind::Retraction(r)) => self.retraction(&at.field("retraction"), r),
            Some(Kind::OverlapDeclaration(d)) => {
                self.overlap_declaration(&at.field("overlap_declaration"), d);
            }
            None => self.refuse(&at.field("kind"), || {
                "is required: exactly one of report, amendment, corroboration, evidence_request, evidence_response, dispute, \
                 finding, release, retraction, overlap_declaration"
                    .into()
            }),
        }
    }

    /// The report inside a report or amendment: complete, about the statement's case, under the statement's handling.
    fn new_report(
        &mut self,
        root: &Path<'_>,
        at: &Path<'_>,
        statement: &Statement,
        report: Option<&CaseReport>,
    ) {
        let inner = report.and_then(|report| report.handling.as_ref());
        self.equal_handling(&root.field("handling"), statement.handling.as_ref(), inner);
        self.required(&at.field("report"), report, |c, at, report| {
            c.report(at, report);
            if !report.name.is_empty() && report.name != statement.case {
                c.refuse(&at.field("name"), || {
                    format!(
                        "is {}, but the statement is about {}; they must be equal",
                        shown(&report.name),
                        shown(&statement.case)
                    )
                });
            }
        });
    }

    fn amendment(&mut self, root: &Path<'_>, statement: &Statement, amendment: &Amendment) {
        let at = &root.field("amendment");
        self.new_report(root, at, statement, amendment.report.as_ref());
        let revision = amendment.expected_revision;
        if revision < 1 {
            self.refuse(&at.field("expected_revision"), || {
                format!("is {revision}; the revision that is replaced is required, at least 1")
            });
        }
        self.required_prose(&at.field("reason"), &amendment.reason, limits::REASON);
    }

    fn corroboration(&mut self, at: &Path<'_>, corroboration: &Corroboration) {
        self.required_prose(&at.field("note"), &corroboration.note, limits::NOTE);
        if !corroboration.own_case.is_empty() {
            self.case_name(&at.field("own_case"), &corroboration.own_case);
        }
        self.evidence(at, &corroboration.evidence);
        let listed = Listed::new(&corroboration.evidence);
        self.item_findings(at, &corroboration.findings, &listed);
        if let Some(route) = &corroboration.route {
            self.route(&at.field("route"), route, &listed);
        }
    }

    fn evidence_request(&mut self, at: &Path<'_>, request: &EvidenceRequest) {
        self.agency_name(&at.field("addressee"), &request.addressee);
        self.required_prose(&at.field("question"), &request.question, limits::NOTE);
        self.enums_once::<EvidenceKind>(at, "kinds", &request.kinds, limits::EVIDENCE_KINDS);
        if let Some(date) = &request.due_date {
            self.real_date(&at.field("due_date"), date);
        }
    }

    fn evidence_response(&mut self, at: &Path<'_>, response: &EvidenceResponse) {
        self.request_id(&at.field("evidence_request"), &response.evidence_request);
        self.required_enum::<EvidenceResponseKind>(&at.field("kind"), response.kind);
        self.required_prose(&at.field("note"), &response.note, limits::NOTE);
        self.evidence(at, &response.evidence);
        self.agency_name(&at.field("requester"), &response.requester);
    }

    fn dispute(&mut self, at: &Path<'_>, dispute: &Dispute) {
        let opens = dispute.resolves.is_empty();
        if opens && dispute.fields.is_empty() {
            self.refuse(&at.field("fields"), || {
                "is required when a dispute is opened: the fields of the report that are disputed, such as route.origin".into()
            });
        }
        let max = limits::DISPUTED_FIELDS;
        self.each(at, "fields", &dispute.fields, max, |c, at, path| {
            if path.len() > limits::FIELD_PATH || !is_report_field(path) {
                c.refuse(at, || {
                    format!("is {}; it must be the path of a field of the report, such as route.origin or items[0].quantity", shown(path))
                });
            }
        });
        self.each_once(at, "fields", &dispute.fields, max);
        self.required_prose(&at.field("reason"), &dispute.reason, limits::NOTE);
        self.evidence(at, &dispute.evidence);
        if !opens {
            self.request_id(&at.field("resolves"), &dispute.resolves);
        }
    }

    fn late_finding(&mut self, at: &Path<'_>, finding: &Finding) {
        if finding.findings.is_empty() {
            self.missing(&at.field("findings"));
        }
        let listed = Listed::new(&finding.evidence);
        self.item_findings(at, &finding.findings, &listed);
        self.evidence(at, &finding.evidence);
        if !finding.evidence_request.is_empty() {
            self.request_id(&at.field("evidence_request"), &finding.evidence_request);
        }
    }

    fn release(&mut self, root: &Path<'_>, statement: &Statement, release: &Release) {
        let at = &root.field("release");
        let handling = release.handling.as_ref();
        self.equal_handling(
            &root.field("handling"),
            statement.handling.as_ref(),
            handling,
        );
        self.required(&at.field("handling"), handling, Self::handling);
        self.optional_prose(&at.field("reason"), &release.reason, limits::REASON);
    }

    fn retraction(&mut self, at: &Path<'_>, retraction: &Retraction) {
        self.required_prose(&at.field("reason"), &retraction.reason, limits::REASON);
    }

    fn overlap_declaration(&mut self, at: &Path<'_>, declaration: &OverlapDeclaration) {
        let id = &declaration.overlap;
        let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if id.len() != 32 || !id.bytes().all(is_hex) {
            self.refuse(&at.field("overlap"), || {
                format!("is {}; it must be the 32 hexadecimal digits of an overlap's id, as `casectl overlaps` shows it", shown(id))
            });
        }
        self.required_enum::<OverlapVerdict>(&at.field("verdict"), declaration.verdict);
        self.optional_prose(&at.field("reason"), &declaration.reason, limits::REASON);
    }
}

/// True if the contract has such a field in a report, whether or not the report at hand has that many elements.
fn is_report_field(path: &str) -> bool {
    crate::json::descriptor(REPORT_TYPE).is_ok_and(|report| has_field(&report, path))
}

/// True if `path` leads from a message to a field: proto names, `.` between, `[index]` allowed after a repeated field and
/// required if something follows.
pub(super) fn has_field(message: &prost_reflect::MessageDescriptor, path: &str) -> bool {
    let mut message = Some(message.clone());
    let mut segments = path.split('.').peekable();
    while let Some(segment) = segments.next() {
        let (name, index) = match segment.split_once('[') {
            Some((name, index)) => (name, Some(index)),
            None => (segment, None),
        };
        let Some(field) = message.and_then(|m| m.get_field_by_name(name)) else {
            return false;
        };
        let good_index = match index {
            Some(index) => field.is_list() && index.strip_suffix(']').is_some_and(is_index),
            None => !field.is_list() || segments.peek().is_none(),
        };
        if !good_index {
            return false;
        }
        message = field.kind().as_message().cloned();
    }
    true
}

/// A number that a list of a message could reach, in its one spelling.
fn is_index(text: &str) -> bool {
    let digits = (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits && (text == "0" || !text.starts_with('0'))
}
