//! The rules of a case's life: who may say what about it in which state, one row a kind of statement, and what else must hold.
//! Pure; the sequencer asks when it knows the state, and answers what the rules want to know.

mod table;

use casebroker_proto::{
    names::{AgencyName, CaseName},
    v1::{self, ItemFinding, OverlapVerdict, statement::Kind},
    validation::effective_handling,
};

pub use table::{Audience, Makers, RULES, Rule};

use crate::{
    policy::{Groups, Subject, Viewer, is_within, may_see},
    sequencer::SequencerError,
    state::{CaseRecord, Effect, MAX_ADDED_BYTES, MAX_REPORT_BYTES, MAX_STATEMENTS, RequestId},
};

/// Most declarations of a case, newest first, that are looked at for one that is taken back.
const MOST_LOOKED_AT: usize = 200;

/// What the rules want to know. A failure is that of the disk, never an answer.
pub trait Known {
    /// Of the disk.
    type Failure;
    /// A statement recorded, or about to be in the same group.
    fn statement(&self, position: u64) -> Result<v1::Statement, Self::Failure>;
    /// Position of an agency's statement by its request id.
    fn position(&self, maker: &AgencyName, id: &RequestId) -> Result<Option<u64>, Self::Failure>;
    /// Whether there is such a case.
    fn exists(&self, case: &CaseName) -> Result<bool, Self::Failure>;
    /// Refuses a declaration if its case has no overlap of that id of which its owner is told, or if that is not known now.
    fn has_overlap(&self, id: &str) -> Verdict;
}

/// A statement that wants to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Agency that makes it.
    pub maker: &'a AgencyName,
    /// Case that it is about.
    pub case: &'a CaseName,
    /// What it says.
    pub statement: &'a v1::Statement,
    /// Position that it would get.
    pub position: u64,
}

/// Whether a statement may be recorded, given the record of its case.
pub fn decide<K: Known>(
    wanted: Wanted<'_>,
    record: Option<&CaseRecord>,
    groups: &dyn Groups,
    known: &K,
) -> Result<Verdict, K::Failure> {
    let case = wanted.case;
    let Some(kind) = &wanted.statement.kind else {
        return Ok(Err(SequencerError::CaseNotFound(case.clone())));
    };
    let rule = Rule::of(kind);
    let record = match (record, rule.effect) {
        (None, Effect::Reported) => return Ok(Ok(())),
        (Some(_), Effect::Reported) => return Ok(Err(SequencerError::CaseExists(case.clone()))),
        (None, _) => return Ok(Err(SequencerError::CaseNotFound(case.clone()))),
        (Some(record), _) => record,
    };
    // An amendment, by far the most usual, brings its own handling and asks for nothing.
    let position = record.handling_position().unwrap_or_default();
    let in_force = match rule.effect {
        Effect::Amended => None,
        _ => Some(known.statement(position)?),
    };
    let handling = in_force.as_ref().and_then(effective_handling);
    let in_force = handling.map(|handling| Subject {
        maker: case.agency(),
        owner: case.agency(),
        handling,
        position,
    });
    let question = Question {
        wanted,
        record,
        in_force,
        groups,
        known,
    };
    // To whom the case is not shown, nothing about it is told.
    if wanted.maker != case.agency() && !question.sees_case(wanted.maker) {
        return Ok(Err(SequencerError::CaseNotFound(case.clone())));
    }
    if record.retracted() && !rule.after_retraction {
        return Ok(Err(SequencerError::CaseRetracted(case.clone())));
    }
    if !has_room(rule, record, wanted) {
        return Ok(Err(SequencerError::CaseFull(case.clone())));
    }
    Ok(match question.condition(kind)? {
        Ok(()) => question.audience(rule),
        refused => refused,
    })
}

fn has_room(rule: &Rule, record: &CaseRecord, wanted: Wanted<'_>) -> bool {
    // There is always room for a retraction.
    if rule.effect == Effect::Retracted {
        return true;
    }
    let by_owner = wanted.maker == wanted.case.agency();
    let bytes = record.bytes.with(rule.effect, by_owner, wanted.statement);
    let added = bytes.own.max(bytes.others);
    if bytes.reports > MAX_REPORT_BYTES || added > MAX_ADDED_BYTES {
        return false;
    }
    // The limits of the kinds bound what others say; together they leave the owner half of the case.
    let of_kind = || record.statements.iter().filter(|(_, e)| *e == rule.effect);
    record.statements.len() + 1 < MAX_STATEMENTS && (by_owner || of_kind().count() < rule.most)
}

/// A statement beside what it is held against.
struct Question<'a, K> {
    wanted: Wanted<'a>,
    record: &'a CaseRecord,
    /// Whose handling is that of the case.
    in_force: Option<Subject<'a>>,
    groups: &'a dyn Groups,
    known: &'a K,
}

/// Whether something may be recorded.
pub type Verdict = Result<(), SequencerError>;

impl<K: Known> Question<'_, K> {
    fn sees_case(&self, agency: &AgencyName) -> bool {
        let sees = |subject| may_see(&Viewer::of(agency), subject, self.groups);
        self.in_force.is_some_and(sees)
    }

    /// The statement, as it is for readers.
    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject {
            maker: self.wanted.maker,
            owner: self.wanted.case.agency(),
            handling: effective_handling(self.wanted.statement)?,
            position: self.wanted.position,
        })
    }

    /// What a kind asks beyond the table's columns.
    fn condition(&self, kind: &Kind) -> Result<Verdict, K::Failure> {
        match kind {
            Kind::Report(_) | Kind::Release(_) | Kind::Retraction(_) => Ok(Ok(())),
            Kind::Amendment(amendment) => Ok(self.revision(amendment.expected_revision)),
            Kind::Corroboration(said) => Ok(match self.own_case(&said.own_case)? {
                Ok(()) => self.items(&said.findings)?,
                refused => refused,
            }),
            Kind::EvidenceRequest(request) => Ok(self.reaches(&request.addressee)),
            Kind::EvidenceResponse(response) => {
                self.request(response.requester.parse().ok(), &response.evidence_request)
            }
            Kind::Dispute(dispute) if dispute.resolves.is_empty() => Ok(Ok(())),
            Kind::Dispute(end) => self.open_dispute(&end.resolves),
            Kind::Finding(finding) => {
                let owner = self.wanted.case.agency();
                let asked = match self.wanted.maker == owner {
                    true => Ok(()),
                    false => self.request(Some(owner.clone()), &finding.evidence_request)?,
                };
                Ok(match asked {
                    Ok(()) => self.items(&finding.findings)?,
                    refused => refused,
                })
            }
            Kind::OverlapDeclaration(declaration) => {
                let id = &declaration.overlap;
                let may = match declaration.verdict() {
                    // Also of an overlap that the owner is not told of any more.
                    OverlapVerdict::Withdrawn => self.has_declared(id)?,
                    _ => false,
                };
                match may {
                    true => Ok(Ok(())),
                    false => Ok(self.known.has_overlap(id)),
                }
            }
        }
    }

    fn revision(&self, expected: i32) -> Verdict {
        let current = self.record.revision();
        if current == expected {
            return Ok(());
        }
        Err(SequencerError::RevisionConflict {
            case: self.wanted.case.clone(),
            current,
            expected,
        })
    }

    /// A case that is said to be the maker's own.
    fn own_case(&self, name: &str) -> Result<Verdict, K::Failure> {
        if name.is_empty() {
            return Ok(Ok(()));
        }
        let case: Option<CaseName> = name.parse().ok();
        let own = case.filter(|case| case.agency() == self.wanted.maker);
        let exists = own.map(|own| self.known.exists(&own)).transpose()?;
        Ok(match exists {
            Some(true) => Ok(()),
            _ => Err(SequencerError::NoOwnCase(name.to_owned())),
        })
    }

    /// Whether the items that findings name are in the report in force.
    fn items(&self, findings: &[ItemFinding]) -> Result<Verdict, K::Failure> {
        let Some(item) = findings.iter().map(|finding| finding.item).max() else {
            return Ok(Ok(()));
        };
        let mut newest = self.record.statements.iter().rev();
        let report = newest.find(|(_, e)| matches!(e, Effect::Reported | Effect::Amended));
        let statement = report.map(|(position, _)| self.known.statement(*position));
        let report = match statement.transpose()?.and_then(|statement| statement.kind) {
            Some(Kind::Report(report)) => report.report,
            Some(Kind::Amendment(amendment)) => amendment.report,
            _ => None,
        };
        let items = report.map_or(0, |report| report.items.len());
        Ok(match usize::try_from(item) {
            Ok(number) if number <= items => Ok(()),
            _ => Err(SequencerError::NoItem { item, items }),
        })
    }

    /// Whether an addressee may see the case and what it is asked. Who asks may see the handling of both.
    fn reaches(&self, addressee: &str) -> Verdict {
        let sees = |asked: &AgencyName| {
            let subject = self.subject();
            let request = subject.is_some_and(|s| may_see(&Viewer::of(asked), s, self.groups));
            request && self.sees_case(asked) && asked != self.wanted.maker
        };
        match addressee.parse() {
            Ok(asked) if sees(&asked) => Ok(()),
            _ => Err(SequencerError::NotReached(addressee.to_owned())),
        }
    }

    /// Whether there is such a request about the case, addressed to who makes the statement.
    fn request(&self, asker: Option<AgencyName>, id: &str) -> Result<Verdict, K::Failure> {
        let missing = Ok(Err(SequencerError::NoRequest(id.to_owned())));
        let Some(asker) = asker else { return missing };
        let Some(position) = self.position(&asker, id, Effect::Asked)? else {
            return missing;
        };
        let maker = self.wanted.maker.to_string();
        match self.known.statement(position)?.kind {
            Some(Kind::EvidenceRequest(request)) if request.addressee == maker => Ok(Ok(())),
            _ => missing,
        }
    }

    /// Whether the maker has such a dispute open.
    fn open_dispute(&self, id: &str) -> Result<Verdict, K::Failure> {
        let (maker, known) = (self.wanted.maker, self.known);
        let missing = Ok(Err(SequencerError::NoDispute(id.to_owned())));
        let Some(begun) = self.position(maker, id, Effect::Disputed)? else {
            return missing;
        };
        for (position, effect) in &self.record.statements {
            if *effect != Effect::Resolved || *position < begun {
                continue;
            }
            let end = known.statement(*position)?;
            let same = matches!(&end.kind, Some(Kind::Dispute(dispute)) if dispute.resolves == id);
            // Somebody else's end with the same id ended something else.
            let end_id = uuid(&end.request_id).unwrap_or_default();
            if same && known.position(maker, &end_id)? == Some(*position) {
                return missing;
            }
        }
        Ok(Ok(()))
    }

    /// Whether a declaration of the case says something of that overlap.
    fn has_declared(&self, id: &str) -> Result<bool, K::Failure> {
        let newest = self.record.statements.iter().rev();
        let declared = newest.filter(|(_, effect)| *effect == Effect::Declared);
        for (position, _) in declared.take(MOST_LOOKED_AT) {
            let said = self.known.statement(*position)?;
            if matches!(&said.kind, Some(Kind::OverlapDeclaration(said)) if said.overlap == id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Position of a statement of the case by its maker and request id, if it did what is expected.
    fn position(
        &self,
        maker: &AgencyName,
        id: &str,
        effect: Effect,
    ) -> Result<Option<u64>, K::Failure> {
        let Some(id) = uuid(id) else { return Ok(None) };
        let found = self.known.position(maker, &id)?;
        Ok(found.filter(|position| self.record.statements.contains(&(*position, effect))))
    }

    fn audience(&self, rule: &Rule) -> Verdict {
        let (Some(in_force), Some(new)) = (self.in_force, self.subject()) else {
            return Ok(());
        };
        let case = self.wanted.case;
        match rule.audience {
            Audience::Sets => Ok(()),
            Audience::Widens if is_within(in_force, new, self.groups) => Ok(()),
            Audience::Widens => Err(SequencerError::ReleaseNarrows(case.clone())),
            Audience::Within if is_within(new, in_force, self.groups) => Ok(()),
            Audience::Within => Err(SequencerError::AudienceTooWide(case.clone())),
        }
    }
}

fn uuid(id: &str) -> Option<RequestId> {
    uuid::Uuid::try_parse(id).ok().map(uuid::Uuid::into_bytes)
}

#[cfg(test)]
mod tests;
