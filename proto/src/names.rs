//! Resource names (AIP-122) and SPIFFE IDs, parsed strictly: what is accepted is printed back byte for byte.

use std::{fmt, str::FromStr};

/// Why a name was refused. The message states the rule, so it can stand in a field violation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The value has another form than the pattern.
    #[error("must have the form `{pattern}`")]
    Pattern {
        /// The form expected.
        pattern: &'static str,
    },
    /// A segment breaks the rule for ids.
    #[error(
        "id `{id}` must be 1 to 63 characters of a-z, 0-9 and '-', beginning and ending with a letter or digit"
    )]
    Id {
        /// The segment, cut to 80 characters.
        id: String,
    },
    /// The role is none of the known ones.
    #[error("role `{role}` must be one of system, officer, auditor, operator")]
    Role {
        /// The segment, cut to 80 characters.
        role: String,
    },
}

/// Longest id of a resource segment, in bytes; that of a DNS label (RFC 1035), so an id can stand in a host name.
pub const MAX_ID_BYTES: usize = 63;

/// Checks one id segment: 1 to 63 of `a-z`, `0-9`, `-`, no `-` at either end.
pub fn check_id(id: &str) -> Result<(), NameError> {
    let bytes = id.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let inside = bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if bytes.len() <= MAX_ID_BYTES && edge(bytes.first()) && edge(bytes.last()) && inside {
        Ok(())
    } else {
        Err(NameError::Id { id: cut(id) })
    }
}

/// An agency: `agencies/us-dea`. Holds the id alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgencyName(Box<str>);

impl AgencyName {
    /// From the id alone, such as `us-dea`.
    pub fn from_id(id: &str) -> Result<Self, NameError> {
        check_id(id)?;
        Ok(Self(id.into()))
    }

    /// The id alone.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl FromStr for AgencyName {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let id = s.strip_prefix("agencies/").ok_or(NameError::Pattern {
            pattern: "agencies/{agency}",
        })?;
        Self::from_id(id)
    }
}

impl fmt::Display for AgencyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the machinery of `write!`: each case is full of names.
        f.write_str("agencies/")?;
        f.write_str(&self.0)
    }
}

/// A group of agencies: `groups/five-lab-network`. Holds the id alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(Box<str>);

impl GroupName {
    /// From the id alone, such as `five-lab-network`.
    pub fn from_id(id: &str) -> Result<Self, NameError> {
        check_id(id)?;
        Ok(Self(id.into()))
    }

    /// The id alone.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let id = s.strip_prefix("groups/").ok_or(NameError::Pattern {
            pattern: "groups/{group}",
        })?;
        Self::from_id(id)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "groups/{}", self.0)
    }
}

/// A case: `agencies/us-dea/cases/2016-0042`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CaseName {
    agency: AgencyName,
    case: Box<str>,
}

impl CaseName {
    /// From the two ids.
    pub fn from_ids(agency: &str, case: &str) -> Result<Self, NameError> {
        check_id(case)?;
        Ok(Self {
            agency: AgencyName::from_id(agency)?,
            case: case.into(),
        })
    }

    /// Agency that owns the case.
    pub fn agency(&self) -> &AgencyName {
        &self.agency
    }

    /// Id of the case within its agency.
    pub fn case_id(&self) -> &str {
        &self.case
    }
}

impl FromStr for CaseName {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let pattern = NameError::Pattern {
            pattern: "agencies/{agency}/cases/{case}",
        };
        let mut parts = s.split('/');
        match (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) {
            (Some("agencies"), Some(agency), Some("cases"), Some(case), None) => {
                Self::from_ids(agency, case)
            }
            _ => Err(pattern),
        }
    }
}

impl fmt::Display for CaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.agency, f)?;
        f.write_str("/cases/")?;
        f.write_str(&self.case)
    }
}

/// A subscription: `agencies/us-dea/subscriptions/fentanyl-west`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionName {
    agency: AgencyName,
    subscription: Box<str>,
}

impl SubscriptionName {
    /// From the two ids.
    pub fn from_ids(agency: &str, subscription: &str) -> Result<Self, NameError> {
        check_id(subscription)?;
        Ok(Self {
            agency: AgencyName::from_id(agency)?,
            subscription: subscription.into(),
        })
    }

    /// Agency that it belongs to.
    pub fn agency(&self) -> &AgencyName {
        &self.agency
    }

    /// Its id within its agency.
    pub fn subscription_id(&self) -> &str {
        &self.subscription
    }
}

impl FromStr for SubscriptionName {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let pattern = "agencies/{agency}/subscriptions/{subscription}";
        let parts: Vec<&str> = s.splitn(5, '/').collect();
        match parts.as_slice() {
            ["agencies", agency, "subscriptions", subscription] => {
                Self::from_ids(agency, subscription)
            }
            _ => Err(NameError::Pattern { pattern }),
        }
    }
}

impl fmt::Display for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/subscriptions/{}", self.agency, self.subscription)
    }
}

/// What a caller may do; the third segment of its SPIFFE ID's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// An agency's system: submits.
    System,
    /// A liaison officer: queries, asks, answers, disputes, submits.
    Officer,
    /// Reads the log and the access record of its own agency.
    Auditor,
    /// Health, metrics, registry; never cases.
    Operator,
}

impl Role {
    /// Every role, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::System, Self::Officer, Self::Auditor, Self::Operator];

    /// The word in SPIFFE IDs, configuration and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Officer => "officer",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
        }
    }
}

impl FromStr for Role {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == s)
            .ok_or_else(|| NameError::Role { role: cut(s) })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SPIFFE ID of a caller: `spiffe://{trust domain}/agency/{agency}/{role}/{name}` (SPIFFE-ID, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PrincipalId {
    /// Trust domain, lower case.
    pub trust_domain: Box<str>,
    /// Agency that it speaks for.
    pub agency: AgencyName,
    /// What it may do.
    pub role: Role,
    /// Workload or officer.
    pub name: Box<str>,
}

impl FromStr for PrincipalId {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let pattern = NameError::Pattern {
            pattern: "spiffe://{trust domain}/agency/{agency}/{role}/{name}",
        };
        let (trust_domain, agency, role, name) = split_spiffe(s).ok_or(pattern)?;
        check_id(name)?;
        Ok(Self {
            trust_domain: trust_domain.into(),
            agency: AgencyName::from_id(agency)?,
            role: role.parse()?,
            name: name.into(),
        })
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, agency) = (&self.trust_domain, self.agency.id());
        write!(
            f,
            "spiffe://{domain}/agency/{agency}/{}/{}",
            self.role, self.name
        )
    }
}

/// SPIFFE ID of a signing certificate: `spiffe://{trust domain}/agency/{agency}/signer/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignerId {
    /// Trust domain, lower case.
    pub trust_domain: Box<str>,
    /// Agency that it signs for.
    pub agency: AgencyName,
    /// Name of the signing key.
    pub name: Box<str>,
}

impl FromStr for SignerId {
    type Err = NameError;

    fn from_str(s: &str) -> Result<Self, NameError> {
        let pattern = NameError::Pattern {
            pattern: "spiffe://{trust domain}/agency/{agency}/signer/{name}",
        };
        match split_spiffe(s) {
            Some((trust_domain, agency, "signer", name)) => {
                check_id(name)?;
                Ok(Self {
                    trust_domain: trust_domain.into(),
                    agency: AgencyName::from_id(agency)?,
                    name: name.into(),
                })
            }
            _ => Err(pattern),
        }
    }
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, agency) = (&self.trust_domain, self.agency.id());
        write!(f, "spiffe://{domain}/agency/{agency}/signer/{}", self.name)
    }
}

/// Trust domain, agency, role segment and name; nothing else may be in the URI.
fn split_spiffe(s: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = s.strip_prefix("spiffe://")?.split('/');
    let domain = parts.next().filter(|d| is_trust_domain(d))?;
    let ("agency", agency, role, name, None) = (
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next()?,
        parts.next(),
    ) else {
        return None;
    };
    Some((domain, agency, role, name))
}

/// SPIFFE-ID, section 2.1: lower-case letters, digits, '.', '-', '_'; no port, no user.
fn is_trust_domain(s: &str) -> bool {
    !s.is_empty()
        && s.len() <= 255
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b))
}

/// What somebody sent may stand in an error, cut so that it cannot flood one.
fn cut(s: &str) -> String {
    s.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_case_name_prints_as_it_was_parsed() {
        let name: CaseName = "agencies/us-dea/cases/2016-0042".parse().unwrap();
        assert_eq!(
            (name.agency().id(), name.case_id()),
            ("us-dea", "2016-0042")
        );
        assert_eq!(name.to_string(), "agencies/us-dea/cases/2016-0042");
    }

    #[test]
    fn names_with_anything_more_or_less_are_refused() {
        for bad in [
            "",
            "agencies",
            "agencies/",
            "agencies/us-dea/",
            "agencies/us-dea/cases",
            "agencies/us-dea/cases/",
            "agencies/us-dea/cases/a/b",
            "/agencies/us-dea/cases/a",
            "agencies/US-DEA/cases/a",
            "agencies/us-dea/cases/-a",
            "agencies/us-dea/cases/a-",
            "agencies/us-dea/cases/a b",
            "agencies/us-dea/cases/\u{e9}",
            "agencies/-/cases/a",
        ] {
            assert!(bad.parse::<CaseName>().is_err(), "{bad}");
        }
        assert!(check_id(&"a".repeat(63)).is_ok());
        assert!(check_id(&"a".repeat(64)).is_err());
    }

    #[test]
    fn a_signer_is_not_a_principal_and_a_principal_not_a_signer() {
        let signer = "spiffe://casebroker.example/agency/us-dea/signer/2026a";
        let system = "spiffe://casebroker.example/agency/us-dea/system/feed";
        assert!(signer.parse::<SignerId>().is_ok());
        assert!(signer.parse::<PrincipalId>().is_err());
        assert!(system.parse::<PrincipalId>().is_ok());
        assert!(system.parse::<SignerId>().is_err());
    }

    #[test]
    fn spiffe_ids_with_ports_queries_case_or_extra_segments_are_refused() {
        for bad in [
            "https://casebroker.example/agency/us-dea/system/feed",
            "spiffe://casebroker.example:443/agency/us-dea/system/feed",
            "spiffe://user@casebroker.example/agency/us-dea/system/feed",
            "spiffe://Casebroker.example/agency/us-dea/system/feed",
            "spiffe:///agency/us-dea/system/feed",
            "spiffe://casebroker.example/agency/us-dea/system/feed/",
            "spiffe://casebroker.example/agency/us-dea/system/feed?x=1",
            "spiffe://casebroker.example/agency/us-dea/system/feed#x",
            "spiffe://casebroker.example/agency/us-dea/root/feed",
            "spiffe://casebroker.example/agency/*/system/feed",
            "spiffe://casebroker.example/agency//system/feed",
        ] {
            assert!(bad.parse::<PrincipalId>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_parses_prints_back_unchanged(s in "[a-z0-9/:.-]{0,80}|groups/[a-z0-9-]{1,5}|agencies/[a-z0-9-]{1,5}/cases/[a-z0-9-]{1,5}|spiffe://[a-z.]{1,9}/agency/[a-z-]{1,5}/(system|officer|signer)/[a-z0-9-]{1,4}") {
            if let Ok(name) = s.parse::<CaseName>() { prop_assert_eq!(name.to_string(), s.clone()); }
            if let Ok(name) = s.parse::<AgencyName>() { prop_assert_eq!(name.to_string(), s.clone()); }
            if let Ok(name) = s.parse::<GroupName>() { prop_assert_eq!(name.to_string(), s.clone()); }
            if let Ok(name) = s.parse::<PrincipalId>() { prop_assert_eq!(name.to_string(), s.clone()); }
            if let Ok(name) = s.parse::<SignerId>() { prop_assert_eq!(name.to_string(), s); }
        }
    }
}
