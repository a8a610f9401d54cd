//! What is said about a case after its report, by its owner and by others: drawn at random. Some of it is recorded, the rest is
//! refused, as the rules of "docs/statements.md" decide, which are written here a second time.

use std::collections::BTreeSet;

use casebroker_proto::{
    names::AgencyName,
    overlap::{Mark, marks},
    v1::{
        Attribution, AttributionBasis, Corroboration, Dispute, EvidenceRequest, EvidenceResponse,
        EvidenceResponseKind, Finding, FindingResult, Handling, ItemFinding, LaboratoryFinding,
        Location, OverlapDeclaration, OverlapVerdict, Retraction, Route, Statement, Tlp,
        statement::Kind,
    },
};
use casebroker_tests::cases;
use rand::{Rng as _, seq::IndexedRandom as _};

use crate::{
    model::{Effect, Marking, Scope},
    world::{AGENCIES, By, World, owner},
};

/// A statement; if it declares an overlap, the other case, as each broker has another id for it.
pub type Drawn = (Statement, Option<String>);

/// Draws of one kind of statement before another is tried.
const TRIES: usize = 30;
/// A case that does not exist.
const NOWHERE: &str = "agencies/us-dea/cases/nowhere";
/// In place of the id of an overlap, until a broker's own is known.
pub const NO_ID: &str = "00000000000000000000000000000000";

impl World {
    /// Anything but a report, an amendment or a release, about a case that may not be there, and as somebody who may not.
    pub fn remark(&mut self, agency: &'static str, case: &str) -> Drawn {
        let which = self.rng.random_range(0..100);
        self.remark_of(which, agency, case)
    }

    /// A remark that is recorded, if one is found.
    pub fn good_remark(&mut self, by: By) -> Option<Drawn> {
        let which = self.rng.random_range(0..100);
        for _ in 0..TRIES {
            let case = self.fitting(by.0, which);
            let drawn = self.remark_of(which, by.0, &case);
            if self.accepts(by, &drawn) == Some(true) && self.stands_alone(by, &drawn.0) {
                return Some(drawn);
            }
        }
        None
    }

    /// A remark about a case that fits it, recorded or not.
    pub fn near_miss(&mut self, by: By) -> Drawn {
        let which = self.rng.random_range(0..100);
        let case = self.fitting(by.0, which);
        self.remark_of(which, by.0, &case)
    }

    /// A case about which an agency may be able to say that.
    fn fitting(&mut self, agency: &'static str, which: u32) -> String {
        let name = format!("agencies/{agency}");
        let asked = |said: &Statement| matches!(&said.kind, Some(Kind::EvidenceRequest(r)) if r.addressee == name);
        let fits = |id: &usize| {
            let recorded = &self.recorded[*id];
            let (own, said) = (recorded.by.0 == agency, &recorded.statement);
            match which {
                40..55 => asked(said),
                65..72 => own && is_dispute(said),
                72..80 => asked(said),
                80..100 => owner(&said.case) == agency,
                _ => owner(&said.case) != agency,
            }
        };
        let all: Vec<_> = (0..self.recorded.len()).filter(fits).collect();
        let found = all.choose(&mut self.rng);
        found.map_or_else(
            || NOWHERE.into(),
            |id| self.recorded[*id].statement.case.clone(),
        )
    }

    fn remark_of(&mut self, which: u32, agency: &'static str, case: &str) -> Drawn {
        let mut other = None;
        let kind = match which {
            0..20 => self.corroboration(agency),
            20..40 => Kind::EvidenceRequest(EvidenceRequest {
                addressee: format!("agencies/{}", self.pick(&AGENCIES)),
                question: self.words(),
                kinds: vec![self.rng.random_range(1..=4)],
                due_date: self
                    .rng
                    .random_bool(0.5)
                    .then(|| cases::date(if self.rng.random() { 2020 } else { 2090 }, 2, 0)),
            }),
            40..55 => {
                let (maker, request_id) = self.reference(case, is_request);
                let mut evidence = self.report(agency, "answer").evidence;
                evidence.truncate(1);
                Kind::EvidenceResponse(EvidenceResponse {
                    evidence_request: request_id,
                    kind: self.pick(&[
                        EvidenceResponseKind::Provided.into(),
                        EvidenceResponseKind::Partial.into(),
                        EvidenceResponseKind::Declined.into(),
                    ]),
                    note: self.words(),
                    evidence,
                    requester: format!("agencies/{maker}"),
                })
            }
            55..65 => Kind::Dispute(Dispute {
                fields: vec![self.pick(&["route.departure", "items[0].quantity"]).into()],
                reason: self.words(),
                ..Default::default()
            }),
            65..72 => Kind::Dispute(Dispute {
                reason: self.words(),
                resolves: self.reference(case, is_dispute).1,
                ..Default::default()
            }),
            72..87 => {
                let named = owner(case) != agency || self.rng.random_bool(0.3);
                let request = named.then(|| self.reference(case, is_request).1);
                let (finding, evidence) = self.finding(agency);
                Kind::Finding(Finding {
                    findings: vec![finding],
                    evidence,
                    evidence_request: request.unwrap_or_default(),
                })
            }
            87..89 => Kind::Retraction(Retraction {
                reason: self.words(),
            }),
            _ => {
                other = Some(match self.rng.random_range(0..4) {
                    0 => self.any_case(),
                    _ => self.overlapping(case),
                });
                Kind::OverlapDeclaration(OverlapDeclaration {
                    overlap: NO_ID.into(),
                    verdict: match self.rng.random_range(0..10) {
                        0..7 => OverlapVerdict::Same,
                        7..9 => OverlapVerdict::Different,
                        _ => OverlapVerdict::Withdrawn,
                    }
                    .into(),
                    reason: String::new(),
                })
            }
        };
        let handling = self.narrower(case, &kind);
        let statement = Statement {
            handling: Some(handling),
            ..cases::statement(case, kind)
        };
        (self.numbered(agency, statement), other)
    }

    /// Whether the rules let somebody say that; `None` where this model does not follow them.
    pub fn accepts(&self, by: By, (statement, other): &Drawn) -> Option<bool> {
        let (agency, role) = by;
        let case = statement.case.as_str();
        let own = owner(case) == agency;
        let kind = statement.kind.as_ref().unwrap();
        let role_may = match kind {
            Kind::Finding(_) | Kind::Retraction(_) => role == "officer" || role == "system" && own,
            _ => role == "officer",
        };
        let maker_may = match kind {
            Kind::Corroboration(_) => !own,
            Kind::Dispute(dispute) => !own || !dispute.resolves.is_empty(),
            Kind::Retraction(_) | Kind::OverlapDeclaration(_) => own,
            _ => true,
        };
        let Some(ids) = self.cases.get(case) else {
            return Some(false);
        };
        if !role_may || !maker_may || !self.is_shown(agency, case) {
            return Some(false);
        }
        let late = match kind {
            Kind::EvidenceResponse(_) => true,
            Kind::Dispute(dispute) => !dispute.resolves.is_empty(),
            _ => false,
        };
        let retracted = ids
            .iter()
            .any(|id| matches!(self.recorded[*id].told.effect, Effect::Retraction));
        let in_force = Marking::of(&self.in_force(case));
        let new = Marking::of(statement.handling.as_ref().unwrap());
        if retracted && !late || !new.is_within(agency, &in_force, owner(case)) {
            return Some(false);
        }
        let asked = |requester: &str, id: &str| {
            let request = self.request(case, requester, id);
            request.is_some_and(|request| request.addressee == format!("agencies/{agency}"))
        };
        let items = |findings: &[ItemFinding]| findings.iter().all(|finding| finding.item == 1);
        Some(match kind {
            Kind::Corroboration(said) => {
                let named = said.own_case.as_str();
                let own_case =
                    named.is_empty() || owner(named) == agency && self.cases.contains_key(named);
                own_case && items(&said.findings)
            }
            Kind::EvidenceRequest(request) => {
                let asked = request.addressee.trim_start_matches("agencies/");
                let reads = asked == owner(case) || new.includes(asked);
                asked != agency && reads && self.is_shown(asked, case)
            }
            Kind::EvidenceResponse(response) => {
                let requester = response.requester.trim_start_matches("agencies/");
                asked(requester, &response.evidence_request)
            }
            Kind::Dispute(dispute) if dispute.resolves.is_empty() => true,
            Kind::Dispute(end) => {
                let mine = |id: &&usize| self.recorded[**id].by.0 == agency;
                let mine: Vec<_> = ids.iter().filter(mine).collect();
                let said = |id: &&&usize| &self.recorded[***id].statement;
                let begun = mine
                    .iter()
                    .any(|id| is_dispute(said(&id)) && said(&id).request_id == end.resolves);
                begun && !mine.iter().any(|id| ends(said(&id)) == Some(&end.resolves))
            }
            Kind::Finding(finding) => {
                let asked = own || asked(owner(case), &finding.evidence_request);
                asked && items(&finding.findings)
            }
            Kind::OverlapDeclaration(said) => {
                let other = other.as_ref().unwrap();
                let mut declared = ids.iter().map(|id| self.recorded[*id].other.as_ref());
                if said.verdict() == OverlapVerdict::Withdrawn
                    && declared.any(|declared| declared == Some(other))
                {
                    return Some(true);
                }
                return self.is_told(agency, case, other);
            }
            _ => true,
        })
    }

    /// Whether a broker that lacks what somebody does not see could record the statement for whoever sees that: what it answers
    /// or ends is seen by all who see it.
    pub fn stands_alone(&self, by: By, statement: &Statement) -> bool {
        let case = statement.case.as_str();
        let referred = match statement.kind.as_ref().unwrap() {
            Kind::EvidenceResponse(said) => {
                self.statement_of(case, &said.requester, &said.evidence_request)
            }
            Kind::Finding(said) if owner(case) != by.0 => {
                self.statement_of(case, owner(case), &said.evidence_request)
            }
            Kind::Dispute(said) if !said.resolves.is_empty() => {
                self.statement_of(case, by.0, &said.resolves)
            }
            _ => return true,
        };
        let readers = self.readers(referred.unwrap());
        let new = Marking::of(statement.handling.as_ref().unwrap());
        AGENCIES.into_iter().all(|agency| {
            let reads = agency == owner(case) || agency == by.0 || new.includes(agency);
            !reads || readers.contains(agency)
        })
    }

    /// Marks of the report in force.
    pub fn marks(&self, case: &str) -> Vec<Mark> {
        let mut newest = self.cases[case].iter().rev();
        let newest = newest.find(|id| self.is_revision(**id));
        self.marks_of(*newest.unwrap())
    }

    fn marks_of(&self, id: usize) -> Vec<Mark> {
        let maker = AgencyName::from_id(self.recorded[id].by.0).unwrap();
        marks(&maker, &self.recorded[id].statement)
    }

    /// Whether an agency is told that its case overlaps with another: certainly, or certainly not.
    fn is_told(&self, agency: &'static str, case: &str, other: &str) -> Option<bool> {
        if case == other || !self.cases.contains_key(other) || !self.is_shown(agency, other) {
            return Some(false);
        }
        let share =
            |one: &[Mark], two: &[Mark]| one.iter().any(|mark| two.iter().any(|m| m.is_same(mark)));
        if share(&self.marks(case), &self.marks(other)) {
            return Some(true);
        }
        let ever = |case: &str| {
            let ids = self.cases[case].iter();
            ids.flat_map(|id| self.marks_of(*id)).collect::<Vec<_>>()
        };
        // What a finding brought or an amendment took away.
        (!share(&ever(case), &ever(other))).then_some(false)
    }

    /// Whether an agency's officers see a case.
    fn is_shown(&self, agency: &str, case: &str) -> bool {
        owner(case) == agency || Marking::of(&self.in_force(case)).includes(agency)
    }

    /// Who sees a statement as far as its own marking goes.
    fn readers(&self, id: usize) -> BTreeSet<&'static str> {
        let recorded = &self.recorded[id];
        let owner = owner(&recorded.statement.case);
        let sees = |agency: &&&str| recorded.told.is_for(agency, owner);
        AGENCIES.iter().filter(sees).copied().collect()
    }

    fn statement_of(&self, case: &str, maker: &str, request_id: &str) -> Option<usize> {
        let maker = maker.trim_start_matches("agencies/");
        let is_it = |id: &&usize| {
            let recorded = &self.recorded[**id];
            recorded.by.0 == maker && recorded.statement.request_id == request_id
        };
        self.cases.get(case)?.iter().find(is_it).copied()
    }

    fn request(&self, case: &str, requester: &str, id: &str) -> Option<&EvidenceRequest> {
        let at = self.statement_of(case, requester, id)?;
        match &self.recorded[at].statement.kind {
            Some(Kind::EvidenceRequest(request)) => Some(request),
            _ => None,
        }
    }

    /// Maker and request id of a statement: of this case, of another, or of none.
    fn reference(&mut self, case: &str, is: fn(&Statement) -> bool) -> (String, String) {
        let of_case = self.rng.random_bool(0.8);
        let fits = |id: &usize| {
            let statement = &self.recorded[*id].statement;
            is(statement) && (!of_case || statement.case == case)
        };
        let all: Vec<_> = (0..self.recorded.len()).filter(fits).collect();
        let found = all.choose(&mut self.rng).map(|id| &self.recorded[*id]);
        found.map_or_else(
            || ("us-dea".into(), uuid::Uuid::nil().to_string()),
            |found| (found.by.0.into(), found.statement.request_id.clone()),
        )
    }

    /// Another case whose report in force has something in common with that of this one, if there is one.
    fn overlapping(&mut self, case: &str) -> String {
        if self.cases.contains_key(case) {
            let own = self.marks(case);
            let overlaps = |other: &&String| {
                *other != case
                    && self
                        .marks(other)
                        .iter()
                        .any(|mark| own.iter().any(|m| m.is_same(mark)))
            };
            let all: Vec<_> = self.cases.keys().filter(overlaps).cloned().collect();
            if let Some(other) = all.choose(&mut self.rng) {
                return other.clone();
            }
        }
        self.any_case()
    }

    /// A handling that is mostly for nobody who does not see the case and what is referred to.
    fn narrower(&mut self, case: &str, kind: &Kind) -> Handling {
        if self.rng.random_bool(0.1) || !self.cases.contains_key(case) {
            return self.handling(owner(case));
        }
        let in_force = self.in_force(case);
        if self.rng.random_bool(0.3) {
            return in_force;
        }
        let marking = Marking::of(&in_force);
        let mut all: Vec<_> = AGENCIES
            .into_iter()
            .filter(|agency| *agency == owner(case) || marking.includes(agency))
            .collect();
        let referred = match kind {
            Kind::EvidenceResponse(said) => {
                self.statement_of(case, &said.requester, &said.evidence_request)
            }
            Kind::Finding(said) => self.statement_of(case, owner(case), &said.evidence_request),
            _ => None,
        };
        if let Some(referred) = referred {
            let readers = self.readers(referred);
            all.retain(|agency| readers.contains(agency));
        }
        let many = self.rng.random_range(1..=all.len().max(1));
        let mut some: Vec<_> = all.choose_multiple(&mut self.rng, many).copied().collect();
        if let Kind::EvidenceRequest(request) = kind
            && self.rng.random_bool(0.8)
        {
            let asked = request.addressee.trim_start_matches("agencies/");
            some.extend(all.iter().filter(|agency| **agency == asked));
            some.sort_unstable();
            some.dedup();
        }
        if some.is_empty() {
            some.push(AGENCIES[0]);
        }
        cases::handling(self.pick(&[Tlp::Amber, Tlp::Red]), &some)
    }

    fn corroboration(&mut self, agency: &'static str) -> Kind {
        let own_case = match self.rng.random_range(0..10) {
            0..5 => String::new(),
            5..8 => {
                let own: Vec<_> = self.cases.keys().filter(|c| owner(c) == agency).collect();
                own.choose(&mut self.rng)
                    .map_or(String::new(), |case| (*case).clone())
            }
            8 => self.any_case(),
            _ => cases::name(self.pick(&AGENCIES), &self.case_id()),
        };
        let origin = Location {
            country: self.pick(&["MX", "CN", "IN"]).into(),
            attributions: vec![Attribution {
                basis: AttributionBasis::AgencyStatement.into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let (finding, evidence) = self.finding(agency);
        Kind::Corroboration(Corroboration {
            note: self.words(),
            own_case,
            evidence,
            findings: self
                .rng
                .random_bool(0.5)
                .then_some(finding)
                .into_iter()
                .collect(),
            route: self.rng.random_bool(0.5).then(|| Route {
                origin: Some(origin),
                ..Default::default()
            }),
        })
    }

    /// A finding, mostly about an item that is there, and its evidence.
    fn finding(
        &mut self,
        agency: &'static str,
    ) -> (ItemFinding, Vec<casebroker_proto::v1::EvidenceReference>) {
        let id = self.case_id();
        let mut report = self.report(agency, &id);
        let found: &mut LaboratoryFinding = &mut report.items[0].findings[0];
        found.report_number = format!("LAB-{id}");
        if self.rng.random_bool(0.3) {
            found.set_result(FindingResult::Inconclusive);
        }
        let finding = ItemFinding {
            item: if self.rng.random_bool(0.9) { 1 } else { 2 },
            finding: Some(found.clone()),
        };
        (finding, report.evidence)
    }

    fn words(&mut self) -> String {
        format!("Words {}", self.rng.random_range(0..1_000_000))
    }
}

impl Scope {
    /// What an agency sees at most.
    pub fn widest(agency: &'static str) -> Self {
        Self {
            agency,
            own_only: false,
        }
    }
}

fn is_request(statement: &Statement) -> bool {
    matches!(statement.kind, Some(Kind::EvidenceRequest(_)))
}

fn is_dispute(statement: &Statement) -> bool {
    matches!(&statement.kind, Some(Kind::Dispute(dispute)) if dispute.resolves.is_empty())
}

fn ends(statement: &Statement) -> Option<&String> {
    match &statement.kind {
        Some(Kind::Dispute(dispute)) => Some(&dispute.resolves),
        _ => None,
    }
}
