use std::collections::{BTreeSet, HashMap};

use casebroker_proto::v1::{
    Amendment, Corroboration, Dispute, EvidenceRequest, EvidenceResponse, Finding, Handling,
    LaboratoryFinding, OverlapDeclaration, Release, Report, Retraction, Tlp,
};

use super::{
    table::{MOST_BY_OTHERS, MOST_DISPUTES},
    *,
};

/// What has been said about `agencies/us-dea/cases/1`, and by whom.
#[derive(Default)]
struct Life {
    record: CaseRecord,
    said: Vec<(AgencyName, v1::Statement)>,
}

struct NoGroups;

impl Groups for NoGroups {
    fn members_at(&self, _: &str, _: u64) -> &[String] {
        &[]
    }
}

impl Known for Life {
    type Failure = ();

    fn statement(&self, position: u64) -> Result<v1::Statement, ()> {
        let said = self.said.get(usize::try_from(position).unwrap());
        said.map(|(_, statement)| statement.clone()).ok_or(())
    }

    fn position(&self, maker: &AgencyName, id: &RequestId) -> Result<Option<u64>, ()> {
        let is_it = |(by, s): &(AgencyName, v1::Statement)| {
            by == maker && uuid(&s.request_id).as_ref() == Some(id)
        };
        Ok(self.said.iter().position(is_it).map(|index| index as u64))
    }

    fn exists(&self, case: &CaseName) -> Result<bool, ()> {
        Ok(case.to_string() == "agencies/us-cbp/cases/7")
    }

    fn has_overlap(&self, id: &str) -> Verdict {
        let missing = || SequencerError::NoOverlap(id.to_owned());
        (id == "known").then_some(()).ok_or_else(missing)
    }
}

impl Life {
    /// Says it if the rules allow.
    fn say(&mut self, maker: &str, id: u128, kind: Kind) -> Result<(), SequencerError> {
        self.say_to(maker, id, kind, green())
    }

    fn say_to(
        &mut self,
        maker: &str,
        id: u128,
        kind: Kind,
        handling: Handling,
    ) -> Result<(), SequencerError> {
        let maker = AgencyName::from_id(maker).unwrap();
        let case = CaseName::from_ids("us-dea", "1").unwrap();
        let effect = Effect::of(&kind);
        let statement = v1::Statement {
            case: case.to_string(),
            request_id: uuid::Uuid::from_u128(id).to_string(),
            handling: Some(handling),
            kind: Some(kind),
            ..Default::default()
        };
        let wanted = Wanted {
            maker: &maker,
            case: &case,
            statement: &statement,
            position: self.said.len() as u64,
        };
        let record = (!self.said.is_empty()).then_some(&self.record);
        decide(wanted, record, &NoGroups, self).unwrap()?;
        self.record.bytes = self
            .record
            .bytes
            .with(effect, maker == *case.agency(), &statement);
        self.record
            .statements
            .push((self.said.len() as u64, effect));
        self.said.push((maker, statement));
        Ok(())
    }

    fn reported() -> Self {
        let mut life = Self::default();
        life.say("us-dea", 1, report(green())).unwrap();
        life
    }
}

fn green() -> Handling {
    Handling {
        tlp: Tlp::Green.into(),
        ..Default::default()
    }
}

fn amber(audience: &[&str]) -> Handling {
    Handling {
        tlp: Tlp::Amber.into(),
        audience: audience.iter().map(|id| format!("agencies/{id}")).collect(),
        ..Default::default()
    }
}

fn report(handling: Handling) -> Kind {
    Kind::Report(Report {
        report: Some(v1::CaseReport {
            handling: Some(handling),
            items: vec![v1::Item::default(); 2],
            ..Default::default()
        }),
    })
}

fn amend(expected_revision: i32) -> Kind {
    Kind::Amendment(Amendment {
        report: Some(v1::CaseReport {
            handling: Some(green()),
            items: vec![v1::Item::default(); 2],
            ..Default::default()
        }),
        expected_revision,
        ..Default::default()
    })
}

fn ask(addressee: &str) -> Kind {
    Kind::EvidenceRequest(EvidenceRequest {
        addressee: format!("agencies/{addressee}"),
        ..Default::default()
    })
}

fn answer(requester: &str, id: u128) -> Kind {
    Kind::EvidenceResponse(EvidenceResponse {
        requester: format!("agencies/{requester}"),
        evidence_request: uuid::Uuid::from_u128(id).to_string(),
        ..Default::default()
    })
}

fn find(item: i32, request: Option<u128>) -> Kind {
    let request = request.map(|id| uuid::Uuid::from_u128(id).to_string());
    Kind::Finding(Finding {
        findings: vec![ItemFinding {
            item,
            finding: Some(LaboratoryFinding::default()),
        }],
        evidence_request: request.unwrap_or_default(),
        ..Default::default()
    })
}

fn dispute() -> Kind {
    Kind::Dispute(Dispute::default())
}

fn end(id: u128) -> Kind {
    Kind::Dispute(Dispute {
        resolves: uuid::Uuid::from_u128(id).to_string(),
        ..Default::default()
    })
}

fn retract() -> Kind {
    Kind::Retraction(Retraction::default())
}

fn id(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

fn case() -> CaseName {
    CaseName::from_ids("us-dea", "1").unwrap()
}

#[test]
fn every_kind_has_one_row_of_its_own() {
    let effects: HashMap<_, _> = RULES
        .iter()
        .map(|rule| (rule.effect as u8, rule.kind))
        .collect();
    assert_eq!(effects.len(), RULES.len());
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.kind).collect();
    assert_eq!(names.len(), RULES.len());
    for kind in [
        report(green()),
        amend(1),
        Kind::Corroboration(Corroboration::default()),
        ask("us-cbp"),
        answer("us-dea", 1),
        dispute(),
        end(1),
        find(1, None),
        Kind::Release(Release::default()),
        retract(),
        Kind::OverlapDeclaration(OverlapDeclaration::default()),
    ] {
        assert_eq!(Rule::of(&kind).effect, Effect::of(&kind));
    }
}

#[test]
fn nothing_can_be_said_about_a_case_that_does_not_exist_or_is_not_for_the_maker() {
    let missing = || Err(SequencerError::CaseNotFound(case()));
    let mut none = Life::default();
    for kind in [amend(1), retract(), dispute(), ask("us-cbp"), find(1, None)] {
        assert_eq!(none.say("us-dea", 9, kind), missing());
    }
    let mut hidden = Life::default();
    hidden.say("us-dea", 1, report(amber(&["us-cbp"]))).unwrap();
    for kind in [
        dispute(),
        ask("us-dea"),
        answer("us-dea", 1),
        end(1),
        find(1, None),
    ] {
        assert_eq!(hidden.say("ca-rcmp", 9, kind), missing());
    }
    let to_cbp = amber(&["us-cbp"]);
    hidden.say_to("us-cbp", 9, dispute(), to_cbp).unwrap();
}

#[test]
fn a_case_is_reported_once_and_an_amendment_replaces_the_current_revision() {
    let mut life = Life::reported();
    let exists = Err(SequencerError::CaseExists(case()));
    assert_eq!(life.say("us-dea", 2, report(green())), exists);
    life.say("us-dea", 3, amend(1)).unwrap();
    let conflict = SequencerError::RevisionConflict {
        case: case(),
        current: 2,
        expected: 1,
    };
    assert_eq!(life.say("us-dea", 4, amend(1)), Err(conflict));
    life.say("us-dea", 4, amend(2)).unwrap();
}

#[test]
fn only_who_was_asked_answers_and_only_about_that_case() {
    let mut life = Life::reported();
    assert_eq!(
        life.say("us-dea", 2, ask("us-dea")),
        Err(SequencerError::NotReached("agencies/us-dea".into()))
    );
    life.say("us-dea", 2, ask("us-cbp")).unwrap();
    let missing = |n| Err(SequencerError::NoRequest(id(n)));
    assert_eq!(life.say("ca-rcmp", 3, answer("us-dea", 2)), missing(2));
    assert_eq!(life.say("us-cbp", 3, answer("us-dea", 1)), missing(1));
    assert_eq!(life.say("us-cbp", 3, answer("ca-rcmp", 2)), missing(2));
    life.say("us-cbp", 3, answer("us-dea", 2)).unwrap();
    life.say("us-cbp", 4, answer("us-dea", 2)).unwrap();
}

#[test]
fn nobody_is_asked_who_cannot_see_the_case_or_the_request() {
    let mut life = Life::default();
    let handling = || amber(&["us-cbp", "ca-rcmp"]);
    life.say("us-dea", 1, report(handling())).unwrap();
    let refused = |who: &str| Err(SequencerError::NotReached(format!("agencies/{who}")));
    let outside = life.say_to("us-dea", 2, ask("mx-fgr"), handling());
    assert_eq!(outside, refused("mx-fgr"));
    let left_out = life.say_to("us-dea", 2, ask("us-cbp"), amber(&["ca-rcmp"]));
    assert_eq!(left_out, refused("us-cbp"));
    life.say_to("us-cbp", 2, ask("ca-rcmp"), handling())
        .unwrap();
}

#[test]
fn a_laboratory_finds_for_others_only_when_the_owner_asked_it() {
    let mut life = Life::reported();
    life.say("us-dea", 2, find(2, None)).unwrap();
    assert_eq!(
        life.say("us-dea", 3, find(3, None)),
        Err(SequencerError::NoItem { item: 3, items: 2 })
    );
    let missing = |n: &str| Err(SequencerError::NoRequest(n.into()));
    assert_eq!(life.say("us-cbp", 3, find(1, None)), missing(""));
    life.say("ca-rcmp", 4, ask("us-cbp")).unwrap();
    assert_eq!(life.say("us-cbp", 5, find(1, Some(4))), missing(&id(4)));
    life.say("us-dea", 6, ask("us-cbp")).unwrap();
    life.say("us-cbp", 7, find(1, Some(6))).unwrap();
}

#[test]
fn a_dispute_is_ended_once_and_by_its_maker() {
    let mut life = Life::reported();
    life.say("us-cbp", 2, dispute()).unwrap();
    life.say("ca-rcmp", 2, dispute()).unwrap();
    let not_open = |n| Err(SequencerError::NoDispute(id(n)));
    assert_eq!(life.say("us-dea", 3, end(2)), not_open(2));
    // The other agency's dispute has the same request id, and stays.
    life.say("ca-rcmp", 4, end(2)).unwrap();
    assert_eq!(life.say("ca-rcmp", 5, end(2)), not_open(2));
    life.say("us-cbp", 5, end(2)).unwrap();
}

#[test]
fn after_a_retraction_only_what_was_begun_is_finished() {
    let mut life = Life::reported();
    life.say("us-dea", 2, ask("us-cbp")).unwrap();
    life.say("us-cbp", 3, dispute()).unwrap();
    life.say("us-dea", 4, retract()).unwrap();
    let retracted = || Err(SequencerError::CaseRetracted(case()));
    for (maker, kind) in [
        ("us-dea", amend(1)),
        ("us-dea", retract()),
        ("us-dea", find(1, None)),
        ("us-cbp", dispute()),
        ("us-cbp", ask("us-dea")),
        ("us-cbp", Kind::Corroboration(Corroboration::default())),
    ] {
        assert_eq!(life.say(maker, 9, kind), retracted());
    }
    life.say("us-cbp", 10, answer("us-dea", 2)).unwrap();
    life.say("us-cbp", 11, end(3)).unwrap();
}

#[test]
fn no_statement_is_for_more_than_its_case_but_a_release() {
    let mut life = Life::default();
    life.say("us-dea", 1, report(amber(&["us-cbp"]))).unwrap();
    let wide = Err(SequencerError::AudienceTooWide(case()));
    assert_eq!(life.say_to("us-cbp", 2, dispute(), green()), wide);
    let release = |handling: Handling| {
        Kind::Release(Release {
            handling: Some(handling),
            ..Default::default()
        })
    };
    let narrows = Err(SequencerError::ReleaseNarrows(case()));
    let less = amber(&["ca-rcmp"]);
    assert_eq!(
        life.say_to("us-dea", 3, release(less.clone()), less),
        narrows
    );
    life.say("us-dea", 3, release(green())).unwrap();
    life.say("us-cbp", 4, dispute()).unwrap();
}

#[test]
fn others_cannot_fill_a_case_up_and_a_retraction_always_has_room() {
    let mut life = Life::reported();
    for n in 0..MOST_DISPUTES {
        life.say("us-cbp", 100 + n as u128, dispute()).unwrap();
    }
    let full = || Err(SequencerError::CaseFull(case()));
    assert_eq!(life.say("us-cbp", 9_999, dispute()), full());
    life.say("us-dea", 2, amend(1)).unwrap();
    let others: usize = RULES
        .iter()
        .filter(|r| r.makers != Makers::Owner)
        .map(|r| r.most)
        .sum();
    assert!(others < MAX_STATEMENTS, "{others}");
    let filler = (0..MAX_STATEMENTS - life.said.len()).map(|_| (0, Effect::Released));
    life.record.statements.extend(filler);
    assert_eq!(life.say("us-dea", 3, amend(2)), full());
    life.say("us-dea", 4, retract()).unwrap();
}

#[test]
fn what_is_added_to_a_case_fits_an_answer_and_its_revisions_are_bounded_too() {
    let full = || Err(SequencerError::CaseFull(case()));
    let long = |bytes: usize| {
        Kind::Dispute(Dispute {
            reason: "x".repeat(bytes),
            ..Default::default()
        })
    };
    let mut life = Life::reported();
    life.say("us-cbp", 2, long(600_000)).unwrap();
    assert_eq!(life.say("us-cbp", 3, long(600_000)), full());
    life.say("us-cbp", 3, long(100_000)).unwrap();
    // Revisions have room of their own.
    life.say("us-dea", 4, amend(1)).unwrap();
    life.record.bytes.reports = MAX_REPORT_BYTES;
    assert_eq!(life.say("us-dea", 5, amend(2)), full());
    // And so has what the owner adds, whatever others did.
    life.record.bytes.others = MAX_ADDED_BYTES;
    let asked = (0..MOST_BY_OTHERS as u64).map(|_| (0, Effect::Asked));
    life.record.statements.extend(asked);
    life.say("us-dea", 6, find(1, None)).unwrap();
    life.say("us-dea", 8, ask("us-cbp")).unwrap();
    assert_eq!(life.say("us-cbp", 9, ask("ca-rcmp")), full());
    life.record.bytes.own = MAX_ADDED_BYTES;
    assert_eq!(life.say("us-dea", 10, find(1, None)), full());
    life.say("us-dea", 7, retract()).unwrap();
}

#[test]
fn a_corroboration_names_an_own_case_that_exists_and_a_declaration_a_known_overlap() {
    let mut life = Life::reported();
    let corroborate = |own_case: &str| {
        Kind::Corroboration(Corroboration {
            own_case: own_case.into(),
            ..Default::default()
        })
    };
    for other in ["agencies/us-cbp/cases/8", "agencies/us-dea/cases/1"] {
        let refused = Err(SequencerError::NoOwnCase(other.into()));
        assert_eq!(life.say("us-cbp", 2, corroborate(other)), refused);
    }
    life.say("us-cbp", 2, corroborate("agencies/us-cbp/cases/7"))
        .unwrap();
    let declare = |overlap: &str| {
        Kind::OverlapDeclaration(OverlapDeclaration {
            overlap: overlap.into(),
            ..Default::default()
        })
    };
    let unknown = Err(SequencerError::NoOverlap("other".into()));
    assert_eq!(life.say("us-dea", 3, declare("other")), unknown);
    life.say("us-dea", 3, declare("known")).unwrap();
}
