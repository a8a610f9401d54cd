//! Which role may call which method: the whole table.

use casebroker_proto::names::Role;

/// A method of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the contract")]
pub enum Method {
    Submit,
    SubmitStream,
    GetCase,
    ListCases,
    ListStatements,
    GetCheckpoint,
    GetReceipt,
    GetConsistencyProof,
    GetCaller,
    ListAccessRecords,
}

/// Whether a role may call a method. What it then sees is decided by [`super::may_see`].
pub fn may_call(role: Role, method: Method) -> bool {
    use Method::{
        GetCaller, GetCase, GetCheckpoint, GetConsistencyProof, GetReceipt, ListAccessRecords,
        ListCases, ListStatements, Submit, SubmitStream,
    };
    match method {
        Submit | SubmitStream => matches!(role, Role::System | Role::Officer),
        GetCase | ListCases | ListStatements => matches!(role, Role::System | Role::Officer),
        GetReceipt => matches!(role, Role::System | Role::Officer | Role::Auditor),
        // Of its own agency only: see `access::Query`.
        ListAccessRecords => role == Role::Auditor,
        // The log's size and roots are for every member: witnesses must know them.
        GetCheckpoint | GetConsistencyProof | GetCaller => true,
    }
}

/// Whether an answer of a method shows cases or statements, so that a purpose of use may be required.
pub fn reads_cases(method: Method) -> bool {
    use Method::{
        GetCaller, GetCase, GetCheckpoint, GetConsistencyProof, GetReceipt, ListAccessRecords,
        ListCases, ListStatements, Submit, SubmitStream,
    };
    match method {
        GetCase | ListCases | ListStatements | GetReceipt => true,
        Submit | SubmitStream | GetCheckpoint | GetConsistencyProof | GetCaller
        | ListAccessRecords => false,
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
            ] {
                assert!(!may_call(role, method), "{role} {method:?}");
            }
        }
        assert!(!may_call(Role::Operator, Method::GetReceipt));
    }

    #[test]
    fn only_auditors_read_the_access_record() {
        for role in Role::ALL {
            let may = may_call(role, Method::ListAccessRecords);
            assert_eq!(may, role == Role::Auditor, "{role}");
        }
    }
}
