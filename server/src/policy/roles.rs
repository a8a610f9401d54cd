//! Which role may call which method, and how far it sees: the whole table.

use casebroker_proto::names::{PrincipalId, Role};

use super::{Reach, Viewer};

/// A method of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the contract")]
pub enum Method {
    Submit,
    SubmitStream,
    GetCase,
    ListCases,
    ListStatements,
    FindOverlaps,
    ListTasks,
    CountCases,
    ComputeTrend,
    ListProjections,
    GetCheckpoint,
    GetReceipt,
    GetConsistencyProof,
    GetCaller,
    ListMembers,
    GetMember,
    ListGroups,
    ListRegistryUpdates,
    ListAccessRecords,
    CreateSubscription,
    GetSubscription,
    ListSubscriptions,
    UpdateSubscription,
    DeleteSubscription,
    Pull,
    StreamingPull,
    Acknowledge,
    ModifyAckDeadline,
    Nack,
    Seek,
    ListDeadLetters,
    ReplayDeadLetters,
    DropDeadLetters,
    ListDeliveries,
}

/// Whether a role may call a method. What it then sees is decided by [`super::may_see`] for its [`viewer`].
pub fn may_call(role: Role, method: Method) -> bool {
    use Method::*;
    match method {
        Submit | SubmitStream => matches!(role, Role::System | Role::Officer),
        GetCase | ListCases | ListStatements | FindOverlaps | ListTasks | CountCases
        | ComputeTrend => {
            matches!(role, Role::System | Role::Officer)
        }
        // Of its own agency only.
        CreateSubscription | GetSubscription | ListSubscriptions | UpdateSubscription
        | DeleteSubscription | Pull | StreamingPull | Acknowledge | ModifyAckDeadline | Nack
        | Seek | ListDeadLetters | ReplayDeadLetters | DropDeadLetters | ListDeliveries => {
            matches!(role, Role::System | Role::Officer)
        }
        GetReceipt => matches!(role, Role::System | Role::Officer | Role::Auditor),
        // Of its own agency only: see `access::Query`.
        ListAccessRecords => role == Role::Auditor,
        // The log's size and roots are for every member: witnesses must know them. So is who the members are.
        GetCheckpoint | GetConsistencyProof | GetCaller | ListProjections => true,
        ListMembers | GetMember | ListGroups | ListRegistryUpdates => true,
    }
}

/// Who a principal is when it reads. A system and an auditor have to do with their own agency's cases; what others shared is
/// for officers. An operator reads no cases at all, whatever its reach.
pub fn viewer(principal: &PrincipalId) -> Viewer {
    Viewer {
        agency: principal.agency.clone(),
        reach: match principal.role {
            Role::Officer => Reach::Audience,
            Role::System | Role::Auditor | Role::Operator => Reach::OwnCases,
        },
    }
}

/// Whether an answer of a method shows cases or statements, so that a purpose of use may be required.
pub fn reads_cases(method: Method) -> bool {
    // Every method by name: a new one is decided on, not overlooked.
    match method {
        Method::GetCase
        | Method::ListCases
        | Method::ListStatements
        | Method::FindOverlaps
        | Method::ListTasks
        | Method::CountCases
        | Method::ComputeTrend
        | Method::GetReceipt
        | Method::Pull
        | Method::StreamingPull
        | Method::ListDeadLetters
        | Method::ListDeliveries => true,
        Method::CreateSubscription
        | Method::GetSubscription
        | Method::ListSubscriptions
        | Method::UpdateSubscription
        | Method::DeleteSubscription
        | Method::Acknowledge
        | Method::ModifyAckDeadline
        | Method::Nack
        | Method::Seek
        | Method::ReplayDeadLetters
        | Method::DropDeadLetters
        | Method::Submit
        | Method::SubmitStream
        | Method::ListProjections
        | Method::GetCheckpoint
        | Method::GetConsistencyProof
        | Method::GetCaller
        | Method::ListMembers
        | Method::GetMember
        | Method::ListGroups
        | Method::ListRegistryUpdates
        | Method::ListAccessRecords => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_auditors_read_no_cases() {
        for role in [Role::Operator, Role::Auditor] {
            for method in [
                Method::Submit,
                Method::SubmitStream,
                Method::GetCase,
                Method::ListCases,
                Method::ListStatements,
                Method::FindOverlaps,
                Method::ListTasks,
                Method::CountCases,
                Method::ComputeTrend,
                Method::CreateSubscription,
                Method::Pull,
                Method::StreamingPull,
                Method::ListDeliveries,
            ] {
                assert!(!may_call(role, method), "{role} {method:?}");
            }
        }
        assert!(!may_call(Role::Operator, Method::GetReceipt));
    }

    #[test]
    fn only_officers_see_what_others_shared() {
        for role in Role::ALL {
            let id = format!("spiffe://casebroker.example/agency/us-dea/{role}/x");
            let expected = match role {
                Role::Officer => Reach::Audience,
                _ => Reach::OwnCases,
            };
            assert_eq!(viewer(&id.parse().unwrap()).reach, expected);
        }
    }

    #[test]
    fn only_auditors_read_the_access_record() {
        for role in Role::ALL {
            let may = may_call(role, Method::ListAccessRecords);
            assert_eq!(may, role == Role::Auditor, "{role}");
        }
    }
}
