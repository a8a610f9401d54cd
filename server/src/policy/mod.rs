//! What a caller may do and see.
//!
//! What it is for: one table of roles and methods, and one function that decides visibility. What it promises: every read,
//! list, history and receipt passes through [`may_see`]; a caller cannot tell "does not exist" from "not for you". What it
//! never does: read or write anything.

pub mod quotas;
mod roles;

use casebroker_proto::{
    names::AgencyName,
    v1::{Handling, Tlp},
};

pub use roles::{Method, may_call};

/// Whether an agency may see a statement: the one function that decides.
///
/// The agency that made the statement and the owner of its case always may. Else the audience decides; an empty audience
/// means every member, under TLP:GREEN and TLP:CLEAR only.
pub fn may_see(
    caller: &AgencyName,
    maker: &AgencyName,
    owner: &AgencyName,
    handling: &Handling,
) -> bool {
    if caller == maker || caller == owner {
        return true;
    }
    if handling.audience.is_empty() {
        return matches!(handling.tlp(), Tlp::Green | Tlp::Clear);
    }
    handling
        .audience
        .iter()
        .any(|member| member.strip_prefix("agencies/") == Some(caller.id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agency(id: &str) -> AgencyName {
        AgencyName::from_id(id).unwrap()
    }

    fn sees(caller: &str, tlp: Tlp, audience: &[&str]) -> bool {
        let handling = Handling {
            tlp: tlp.into(),
            audience: audience.iter().map(|a| (*a).to_owned()).collect(),
            ..Default::default()
        };
        may_see(
            &agency(caller),
            &agency("us-dea"),
            &agency("us-cbp"),
            &handling,
        )
    }

    #[test]
    fn maker_and_owner_always_see() {
        assert!(sees("us-dea", Tlp::Red, &["agencies/ca-rcmp"]));
        assert!(sees("us-cbp", Tlp::Red, &["agencies/ca-rcmp"]));
    }

    #[test]
    fn an_empty_audience_means_everybody_only_under_green_and_clear() {
        for tlp in [Tlp::Clear, Tlp::Green] {
            assert!(sees("cn-nncc", tlp, &[]));
        }
        for tlp in [Tlp::Unspecified, Tlp::Amber, Tlp::AmberStrict, Tlp::Red] {
            assert!(!sees("cn-nncc", tlp, &[]));
        }
    }

    #[test]
    fn a_named_audience_is_exact() {
        assert!(sees("ca-rcmp", Tlp::Red, &["agencies/ca-rcmp"]));
        for audience in [
            "agencies/ca-rcm",
            "ca-rcmp",
            "agencies/ca-rcmp2",
            "groups/ca-rcmp",
            "",
        ] {
            assert!(!sees("ca-rcmp", Tlp::Green, &[audience]), "{audience}");
        }
    }
}
