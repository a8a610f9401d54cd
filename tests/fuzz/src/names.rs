//! Resource names, SPIFFE IDs and roles.

use std::{fmt::Display, str::FromStr};

use casebroker_proto::names::{
    AgencyName, CaseName, MAX_ID_BYTES, NameError, PrincipalId, Role, SignerId, check_id,
};

/// Longest message about a refused name, in bytes: it repeats 80 characters at most.
const MAX_ERROR_BYTES: usize = 80 * 4 + 160;

/// Takes the bytes for each kind of name.
pub fn run(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let agency = prints_back::<AgencyName>(text);
    let case = prints_back::<CaseName>(text);
    let principal = prints_back::<PrincipalId>(text);
    let signer = prints_back::<SignerId>(text);
    let role = prints_back::<Role>(text);
    let id = check_id(text).map_err(is_bounded).is_ok();

    // No text is two things at once; a role is also an id.
    let kinds = [
        agency.is_some(),
        case.is_some(),
        principal.is_some(),
        signer.is_some(),
        id,
    ];
    assert!(
        kinds.iter().filter(|kind| **kind).count() <= 1,
        "{text:?} is two kinds of name"
    );
    assert!(role.is_none() || id);
    assert_eq!(
        id,
        AgencyName::from_id(text).is_ok(),
        "an agency's id is an id"
    );
    if id {
        assert!(text.len() <= MAX_ID_BYTES && text.is_ascii());
    }
    if let Some(case) = &case {
        let again = CaseName::from_ids(case.agency().id(), case.case_id());
        assert_eq!(again.as_ref(), Ok(case));
    }
    if let Some(principal) = &principal {
        assert!(check_id(&principal.name).is_ok() && check_id(principal.agency.id()).is_ok());
    }
    kinds.contains(&true)
}

/// Parses; what is accepted is printed back byte for byte.
fn prints_back<T: FromStr<Err = NameError> + Display>(text: &str) -> Option<T> {
    let name = text.parse::<T>().map_err(is_bounded).ok()?;
    assert_eq!(name.to_string(), text);
    Some(name)
}

fn is_bounded(error: NameError) {
    assert!(error.to_string().len() <= MAX_ERROR_BYTES, "{error}");
}

/// One of each.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    [
        ("agency", "agencies/us-dea"),
        ("case", "agencies/us-dea/cases/2016-0042"),
        ("id", "2016-0042"),
        ("role", "auditor"),
        (
            "system",
            "spiffe://casebroker.example/agency/us-dea/system/feed",
        ),
        (
            "officer",
            "spiffe://casebroker.example/agency/cn-nncc/officer/liaison-2",
        ),
        (
            "signer",
            "spiffe://casebroker.example/agency/us-dea/signer/2026a",
        ),
        ("domain", "spiffe://a.b-c_d.9/agency/x/operator/0"),
    ]
    .map(|(name, text)| (name.into(), text.into()))
    .into_iter()
    .chain([("longest-id".into(), vec![b'a'; MAX_ID_BYTES])])
    .collect()
}
