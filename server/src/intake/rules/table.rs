//! The table: one row a kind of statement. `docs/statements.md` is made from it.

use casebroker_proto::{
    names::{CaseName, Role},
    v1::statement::Kind,
};

use crate::{
    identity::Caller,
    intake::IntakeError,
    state::{Effect, MAX_STATEMENTS},
};

/// Which agency may make a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Makers {
    /// The owner of the case.
    Owner,
    /// An agency that may see the case and does not own it.
    Others,
    /// The owner, and every agency that may see the case.
    Anybody,
    /// The agency that the request for evidence is addressed to.
    Addressee,
    /// The agency that made the dispute.
    Disputer,
    /// The owner, and an agency that the owner asked for evidence.
    OwnerOrAsked,
}

/// Who may see a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// It brings the handling of the case.
    Sets,
    /// Everybody who may see the case, and more.
    Widens,
    /// Nobody who may not see the case (originator control).
    Within,
}

/// The rules of one kind of statement.
#[derive(Debug)]
pub struct Rule {
    /// What the statement does to its case.
    pub effect: Effect,
    /// Name of the kind.
    pub kind: &'static str,
    /// Which agency may make it.
    pub makers: Makers,
    /// Which roles may, of that agency.
    pub roles: &'static [Role],
    /// Whether it may be made about a case that was taken back.
    pub after_retraction: bool,
    /// Who may see it.
    pub audience: Audience,
    /// Most of its kind that a case may have when another agency than the owner makes one.
    pub most: usize,
    /// What it changes, for people.
    pub changes: &'static str,
    /// What else must hold, for people; empty if nothing.
    pub condition: &'static str,
}

const BOTH: &[Role] = &[Role::System, Role::Officer];
const OFFICERS: &[Role] = &[Role::Officer];

/// Most statements of a kind that others than the owner may make about a case: they must not fill it up.
pub(super) const MOST_BY_OTHERS: usize = 1_000;
/// Most disputes of a case, and ends of one. A new end is held against all earlier ones.
pub(super) const MOST_DISPUTES: usize = 200;

/// The whole table, in the order of the contract.
#[rustfmt::skip]
pub static RULES: [Rule; 11] = [
    Rule {
        effect: Effect::Reported, kind: "report", makers: Makers::Owner, roles: BOTH, after_retraction: false,
        audience: Audience::Sets, most: 1,
        changes: "The case begins, at revision 1.",
        condition: "There is no case of that name yet.",
    },
    Rule {
        effect: Effect::Amended, kind: "amendment", makers: Makers::Owner, roles: BOTH, after_retraction: false,
        audience: Audience::Sets, most: MAX_STATEMENTS,
        changes: "The report is replaced by a new revision; the earlier ones stay in the history.",
        condition: "The revision expected is the current one.",
    },
    Rule {
        effect: Effect::Corroborated, kind: "corroboration", makers: Makers::Others, roles: OFFICERS, after_retraction: false,
        audience: Audience::Within, most: MOST_BY_OTHERS,
        changes: "Evidence, findings and a route of another agency stand beside the report. The status does not change.",
        condition: "A case named as one's own is one's own and exists; items named are in the report.",
    },
    Rule {
        effect: Effect::Asked, kind: "evidence_request", makers: Makers::Anybody, roles: OFFICERS, after_retraction: false,
        audience: Audience::Within, most: MOST_BY_OTHERS,
        changes: "A request is open until it is answered in full or declined.",
        condition: "The agency asked may see the case and the request, and is not the one that asks.",
    },
    Rule {
        effect: Effect::Answered, kind: "evidence_response", makers: Makers::Addressee, roles: OFFICERS, after_retraction: true,
        audience: Audience::Within, most: 2 * MOST_BY_OTHERS,
        changes: "The request is answered, answered in part, or declined; the newest answer counts.",
        condition: "The request was made about this case and is addressed to the agency that answers.",
    },
    Rule {
        effect: Effect::Disputed, kind: "dispute", makers: Makers::Others, roles: OFFICERS, after_retraction: false,
        audience: Audience::Within, most: MOST_DISPUTES,
        changes: "The case is disputed, and counted apart, until the dispute is ended or the case retracted.",
        condition: "",
    },
    Rule {
        effect: Effect::Resolved, kind: "dispute (end)", makers: Makers::Disputer, roles: OFFICERS, after_retraction: true,
        audience: Audience::Within, most: MOST_DISPUTES,
        changes: "The dispute is ended.",
        condition: "The dispute is the agency's own, about this case, and not ended yet.",
    },
    Rule {
        effect: Effect::Found, kind: "finding", makers: Makers::OwnerOrAsked, roles: BOTH, after_retraction: false,
        audience: Audience::Within, most: MOST_BY_OTHERS,
        changes: "A laboratory's result is added to an item, and the status judged anew.",
        condition: "Items named are in the report; who is not the owner names the owner's request that it answers.",
    },
    Rule {
        effect: Effect::Released, kind: "release", makers: Makers::Owner, roles: BOTH, after_retraction: false,
        audience: Audience::Widens, most: MAX_STATEMENTS,
        changes: "More may see the report in force.",
        condition: "",
    },
    Rule {
        effect: Effect::Retracted, kind: "retraction", makers: Makers::Owner, roles: BOTH, after_retraction: false,
        audience: Audience::Within, most: 1,
        changes: "The case counts nowhere any more, and stays visible as retracted, with the reason.",
        condition: "",
    },
    Rule {
        effect: Effect::Declared, kind: "overlap_declaration", makers: Makers::Owner, roles: OFFICERS, after_retraction: false,
        audience: Audience::Within, most: MOST_BY_OTHERS,
        changes: "The owner says whether an overlapping case is the same incident; it is once both owners say so.",
        condition: "The case has such an overlap and its owner is told of it; only what it declared itself it may take back without.",
    },
];

impl Rule {
    /// The row of a kind.
    pub fn of(kind: &Kind) -> &'static Self {
        let effect = Effect::of(kind);
        let row = RULES.iter().find(|rule| rule.effect == effect);
        // A test says that every kind has a row.
        row.unwrap_or(&RULES[0])
    }

    /// What can be said of the maker without any state: nothing that depends on whether the case exists.
    pub(in crate::intake) fn check_maker(
        &self,
        case: &CaseName,
        caller: &Caller,
    ) -> Result<(), IntakeError> {
        let (maker, owner) = (&caller.principal.agency, case.agency());
        match self.makers {
            Makers::Owner if maker != owner => {
                return Err(IntakeError::Agency {
                    owner: owner.id().into(),
                    caller: maker.id().into(),
                });
            }
            Makers::Others if maker == owner => return Err(IntakeError::OwnCase(self.kind)),
            _ => {}
        }
        let role = caller.principal.role;
        if self.roles.contains(&role) && (maker == owner || role == Role::Officer) {
            return Ok(());
        }
        Err(IntakeError::Role {
            role,
            kind: self.kind,
        })
    }
}
