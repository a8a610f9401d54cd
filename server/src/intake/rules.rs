//! The rules of a case's life, as far as they are built: what may be said in which state. Pure; the sequencer asks when it
//! knows the state.

use casebroker_proto::names::CaseName;

use super::Action;
use crate::{
    policy::{Groups, Subject, is_within},
    sequencer::SequencerError,
    state::{CaseRecord, MAX_STATEMENTS},
};

/// Whether the handling in force allows that of a statement about the case: a release names everybody who may see the case
/// and more, any other statement nobody who may not (originator control). A report and an amendment bring the case's own.
pub fn decide_audience(
    action: Action,
    case: &CaseName,
    new: Subject<'_>,
    in_force: Subject<'_>,
    groups: &dyn Groups,
) -> Result<(), SequencerError> {
    match action {
        Action::Report | Action::Amend { .. } => Ok(()),
        Action::Release if is_within(in_force, new, groups) => Ok(()),
        Action::Release => Err(SequencerError::ReleaseNarrows(case.clone())),
        Action::Retract if is_within(new, in_force, groups) => Ok(()),
        Action::Retract => Err(SequencerError::AudienceTooWide(case.clone())),
    }
}

/// Whether the state of a case allows an action: the rules of the life of a case, as far as they are built.
pub fn decide(
    action: Action,
    case: &CaseName,
    record: Option<&CaseRecord>,
) -> Result<(), SequencerError> {
    let Some(record) = record else {
        return match action {
            Action::Report => Ok(()),
            Action::Amend { .. } | Action::Retract | Action::Release => {
                Err(SequencerError::CaseNotFound(case.clone()))
            }
        };
    };
    if action == Action::Report {
        return Err(SequencerError::CaseExists(case.clone()));
    }
    if record.retracted() {
        return Err(SequencerError::CaseRetracted(case.clone()));
    }
    if record.statements.len() >= MAX_STATEMENTS {
        return Err(SequencerError::CaseFull(case.clone()));
    }
    match (action, record.revision()) {
        (
            Action::Amend {
                expected_revision: expected,
            },
            current,
        ) if expected != current => Err(SequencerError::RevisionConflict {
            case: case.clone(),
            current,
            expected,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Effect;

    fn record(effects: &[Effect]) -> CaseRecord {
        CaseRecord {
            statements: effects
                .iter()
                .enumerate()
                .map(|(n, e)| (n as u64, *e))
                .collect(),
        }
    }

    #[test]
    fn the_state_of_a_case_decides_what_may_follow() {
        use Effect::{Amended, Released, Reported, Retracted};
        let case = CaseName::from_ids("us-dea", "1").unwrap();
        let amend = |expected_revision| Action::Amend { expected_revision };
        let verdict = |action, effects: &[Effect]| {
            decide(
                action,
                &case,
                (!effects.is_empty()).then(|| record(effects)).as_ref(),
            )
        };
        assert_eq!(verdict(Action::Report, &[]), Ok(()));
        assert_eq!(
            verdict(amend(1), &[]),
            Err(SequencerError::CaseNotFound(case.clone()))
        );
        for action in [Action::Retract, Action::Release] {
            let missing = Err(SequencerError::CaseNotFound(case.clone()));
            assert_eq!(verdict(action, &[]), missing);
        }
        assert_eq!(
            verdict(Action::Report, &[Reported]),
            Err(SequencerError::CaseExists(case.clone()))
        );
        assert_eq!(verdict(amend(1), &[Reported]), Ok(()));
        assert_eq!(verdict(amend(2), &[Reported, Amended]), Ok(()));
        let conflict = SequencerError::RevisionConflict {
            case: case.clone(),
            current: 2,
            expected: 1,
        };
        assert_eq!(verdict(amend(1), &[Reported, Amended]), Err(conflict));
        assert_eq!(verdict(Action::Retract, &[Reported, Amended]), Ok(()));
        assert_eq!(verdict(amend(1), &[Reported, Released]), Ok(()));
        assert_eq!(verdict(Action::Release, &[Reported, Released]), Ok(()));
        for action in [amend(1), Action::Retract, Action::Release] {
            let retracted = verdict(action, &[Reported, Retracted]);
            assert_eq!(retracted, Err(SequencerError::CaseRetracted(case.clone())));
        }
    }
}
