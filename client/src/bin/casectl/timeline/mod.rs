//! The history of a case as a timeline: when, who, what was said, and what it changed field by field.

use casebroker_proto::v1::{
    Amendment, CaseReport, Corroboration, Dispute, EvidenceRequest, EvidenceResponse, Finding,
    Handling, ItemFinding, OverlapDeclaration, Release, Report, StatementRecord, statement::Kind,
};

use crate::{
    case::kind_word,
    case_page::{finding_text, location_text},
    difference::{Change, between},
    failure::Result,
    output::{FAINT, HEADING, Output},
    table::{clean, wrap},
    words::{self, NOT_KNOWN},
};

/// Prints a history, oldest first.
pub fn print(records: &[StatementRecord], out: &mut Output) -> Result<()> {
    if records.is_empty() {
        return out.line("no statements");
    }
    let mut timeline = Timeline {
        left: widest(records) + 2,
        revision: 0,
        report: None,
        handling: None,
        out,
    };
    for (i, record) in records.iter().enumerate() {
        if i > 0 {
            timeline.out.line("")?;
        }
        timeline.record(record)?;
    }
    Ok(())
}

/// Digits of the largest position.
fn widest(records: &[StatementRecord]) -> usize {
    let widths = records.iter().map(|r| r.position.to_string().len());
    widths.max().unwrap_or(1)
}

struct Timeline<'a> {
    /// Columns of the positions, with the gap beside them.
    left: usize,
    /// Revision of `report`; 0 before there is one.
    revision: i32,
    /// The report as the statements so far have left it, as far as they are for the caller.
    report: Option<CaseReport>,
    /// The handling in force, as far as that is known.
    handling: Option<Handling>,
    out: &'a mut Output,
}

impl Timeline<'_> {
    fn record(&mut self, record: &StatementRecord) -> Result<()> {
        let statement = record.statement.as_ref();
        let kind = statement.and_then(|s| s.kind.as_ref());
        let left = self.left;
        let position = format!("{:<left$}", record.position);
        let when = words::minute(record.record_time.as_ref());
        let agency = words::id(&record.agency);
        let what = self.out.paint(HEADING, kind_word(kind));
        self.out.line(format_args!(
            "{position}{when} UTC  {}  {what}",
            clean(agency)
        ))?;
        let request = statement.map_or("", |s| words::short_id(&s.request_id));
        let by = format!(
            "by {}, request {request}",
            words::principal(&record.principal)
        );
        self.faint(&by)?;
        match kind {
            Some(Kind::Report(report)) => self.reported(report),
            Some(Kind::Amendment(amendment)) => self.amended(amendment),
            Some(Kind::Corroboration(c)) => self.corroborated(c),
            Some(Kind::EvidenceRequest(request)) => self.asked(request),
            Some(Kind::EvidenceResponse(response)) => self.answered(response),
            Some(Kind::Dispute(dispute)) => self.disputed(dispute),
            Some(Kind::Finding(finding)) => self.found(finding),
            Some(Kind::Release(release)) => self.released(release),
            Some(Kind::Retraction(retraction)) => self.text(&retraction.reason),
            Some(Kind::OverlapDeclaration(declaration)) => self.declared(declaration),
            None => self.text("this version of casectl does not know what was said"),
        }
    }

    fn reported(&mut self, report: &Report) -> Result<()> {
        let report = report.report.clone().unwrap_or_default();
        self.text(&report.title)?;
        let shown = format!(
            "revision 1: {}, {}; {}",
            counted(report.items.len(), "item"),
            counted(report.evidence.len(), "piece of evidence"),
            words::handling(report.handling.as_ref())
        );
        self.text(&shown)?;
        self.handling.clone_from(&report.handling);
        self.report = Some(report);
        self.revision = 1;
        Ok(())
    }

    fn amended(&mut self, amendment: &Amendment) -> Result<()> {
        let new = amendment.report.clone().unwrap_or_default();
        let from = amendment.expected_revision;
        let to = from.saturating_add(1);
        self.text(&format!("revision {from} → {to}: {}", amendment.reason))?;
        match self.report.take() {
            None => {
                self.text("earlier revisions are not for my agency")?;
                self.text(&new.title)?;
            }
            Some(old) => {
                if self.revision != from {
                    let skipped = format!(
                        "revision {from} is not for my agency; compared with revision {}",
                        self.revision
                    );
                    self.text(&skipped)?;
                }
                let changes = between("casebroker.v1.CaseReport", &old, &new);
                if changes.is_empty() {
                    self.text("no field differs")?;
                }
                self.changes("", &changes)?;
            }
        }
        self.handling.clone_from(&new.handling);
        self.report = Some(new);
        self.revision = to;
        Ok(())
    }

    fn corroborated(&mut self, corroboration: &Corroboration) -> Result<()> {
        self.text(&corroboration.note)?;
        if !corroboration.own_case.is_empty() {
            let own = words::short_case(&corroboration.own_case);
            self.text(&format!("own case {own}"))?;
        }
        let route = corroboration.route.clone().unwrap_or_default();
        let mut places = vec![
            ("origin", route.origin.as_ref()),
            ("departure", route.departure.as_ref()),
        ];
        places.extend(route.transit.iter().map(|place| ("transit", Some(place))));
        places.push(("destination", route.destination.as_ref()));
        for (label, place) in places {
            if let Some(place) = place {
                self.text(&format!("{label} {}", location_text(place)))?;
            }
        }
        self.findings(&corroboration.findings)?;
        self.evidence(&corroboration.evidence)
    }

    fn asked(&mut self, request: &EvidenceRequest) -> Result<()> {
        self.text(&format!(
            "asks {}: {}",
            words::id(&request.addressee),
            request.question
        ))?;
        if !request.kinds.is_empty() {
            let kinds: Vec<_> = request.kinds.iter().map(|k| words::evidence(*k)).collect();
            self.text(&format!("wanted: {}", kinds.join(", ")))?;
        }
        match &request.due_date {
            Some(date) => self.text(&format!("due {}", words::date(Some(date)))),
            None => Ok(()),
        }
    }

    fn answered(&mut self, response: &EvidenceResponse) -> Result<()> {
        self.text(&format!(
            "answers request {} of {}: {}",
            words::short_id(&response.evidence_request),
            words::id(&response.requester),
            words::answer(response.kind)
        ))?;
        self.text(&response.note)?;
        self.evidence(&response.evidence)
    }

    fn disputed(&mut self, dispute: &Dispute) -> Result<()> {
        if dispute.resolves.is_empty() {
            self.text(&format!("disputes {}", dispute.fields.join(", ")))?;
        } else {
            let ended = words::short_id(&dispute.resolves);
            self.text(&format!("ends dispute {ended}"))?;
        }
        self.text(&dispute.reason)?;
        self.evidence(&dispute.evidence)
    }

    fn found(&mut self, finding: &Finding) -> Result<()> {
        if !finding.evidence_request.is_empty() {
            let request = words::short_id(&finding.evidence_request);
            self.text(&format!("on request {request}"))?;
        }
        self.findings(&finding.findings)?;
        self.evidence(&finding.evidence)
    }

    fn released(&mut self, release: &Release) -> Result<()> {
        if !release.reason.is_empty() {
            self.text(&release.reason)?;
        }
        let new = release.handling.clone().unwrap_or_default();
        match self.handling.replace(new.clone()) {
            Some(old) => {
                let changes = between("casebroker.v1.Handling", &old, &new);
                self.changes("handling.", &changes)
            }
            None => self.text(&words::handling(Some(&new))),
        }
    }

    fn declared(&mut self, declaration: &OverlapDeclaration) -> Result<()> {
        let verdict = words::verdict(declaration.verdict);
        let id = words::short_id(&declaration.overlap);
        let verdict = if verdict.is_empty() {
            NOT_KNOWN
        } else {
            &verdict
        };
        self.text(&format!("overlap {id}: {verdict}"))?;
        match declaration.reason.as_str() {
            "" => Ok(()),
            reason => self.text(reason),
        }
    }

    fn findings(&mut self, findings: &[ItemFinding]) -> Result<()> {
        for found in findings {
            let text = found.finding.as_ref().map(finding_text);
            let text = text.unwrap_or_else(|| NOT_KNOWN.into());
            self.text(&format!("item {}: {text}", found.item))?;
        }
        Ok(())
    }

    fn evidence(&mut self, evidence: &[casebroker_proto::v1::EvidenceReference]) -> Result<()> {
        for reference in evidence {
            self.text(&format!(
                "evidence {}: {}, {}, held by {}",
                reference.id,
                words::evidence(reference.kind),
                words::short_digest(reference.digest.as_ref()),
                reference.custodian
            ))?;
        }
        Ok(())
    }

    fn changes(&mut self, under: &str, changes: &[Change]) -> Result<()> {
        for Change { path, old, new } in changes {
            let text = match (old, new) {
                (Some(old), Some(new)) => format!("{under}{path}: {old} → {new}"),
                (None, Some(new)) => format!("{under}{path}: added {new}"),
                (Some(old), None) => format!("{under}{path}: removed {old}"),
                (None, None) => continue,
            };
            // A value is one piece, with whatever line breaks in it.
            self.lines(self.left + 2, &clean(&text))?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<()> {
        self.lines(self.left, text)
    }

    fn faint(&mut self, text: &str) -> Result<()> {
        let left = self.left;
        let text = self.out.paint(FAINT, clean(text));
        self.out.line(format_args!("{:left$}{text}", ""))
    }

    /// Text from a column on; what goes on over the line's end is set in further.
    fn lines(&mut self, left: usize, text: &str) -> Result<()> {
        let width = self.out.width.unwrap_or(100).min(100);
        for (i, line) in wrap(text, width.saturating_sub(left + 2))
            .iter()
            .enumerate()
        {
            let left = if i == 0 { left } else { left + 2 };
            let line = format!("{:left$}{line}", "");
            self.out.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// `1 item`, `3 items`, `no items`.
fn counted(number: usize, what: &str) -> String {
    let plural = match what.split_once(' ') {
        Some((first, rest)) => format!("{first}s {rest}"),
        None => format!("{what}s"),
    };
    match number {
        0 => format!("no {plural}"),
        1 => format!("1 {what}"),
        many => format!("{many} {plural}"),
    }
}

#[cfg(test)]
mod tests;
