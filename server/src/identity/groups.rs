//! Groups of agencies: `groups.toml` in the members' folder.

use std::{collections::BTreeMap, path::Path};

use casebroker_proto::names::{AgencyName, check_id};
use serde::Deserialize;

use super::{IdentityError, files};

/// Most groups.
const MAX_GROUPS: usize = 1_000;
/// Most members of one group.
const MAX_GROUP_MEMBERS: usize = 200;
/// Longest `groups.toml`, bytes.
const MAX_BYTES: u64 = 8 << 20;
/// Longest contact of a member, characters.
const MAX_CONTACT_CHARS: usize = 200;
/// Longest display name, bytes.
pub(super) const MAX_DISPLAY_NAME_BYTES: usize = 200;

/// A group of agencies; its resource name is `groups/{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its id, in the form of every id.
    pub id: String,
    /// Name for people; the id if none was given.
    pub display_name: String,
    /// Who belongs to it, sorted, at least one, all of them members of the broker.
    pub members: Vec<AgencyName>,
}

/// `groups.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsFile {
    #[serde(default)]
    groups: BTreeMap<String, GroupTable>,
}

/// `[groups.<id>]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupTable {
    display_name: Option<String>,
    members: Vec<String>,
}

/// Reads the groups by id; none if there is no such file.
pub(super) fn read(
    path: &Path,
    is_member: impl Fn(&AgencyName) -> bool,
) -> Result<BTreeMap<String, Group>, IdentityError> {
    if !path.try_exists().map_err(|e| files::unreadable(path, e))? {
        return Ok(BTreeMap::new());
    }
    let file: GroupsFile = toml::from_str(&files::text(path, MAX_BYTES)?)
        .map_err(|e| files::content(path, e.to_string().trim_end().to_owned()))?;
    if file.groups.len() > MAX_GROUPS {
        let problem = format!("it has more than {MAX_GROUPS} groups");
        return Err(files::content(path, problem));
    }
    let mut groups = BTreeMap::new();
    for (id, table) in file.groups {
        let group = group(&id, table, &is_member)
            .map_err(|e| files::content(path, format!("[groups.{id}]: {e}")))?;
        groups.insert(id, group);
    }
    Ok(groups)
}

fn group(
    id: &str,
    table: GroupTable,
    is_member: impl Fn(&AgencyName) -> bool,
) -> Result<Group, String> {
    check_id(id).map_err(|e| e.to_string())?;
    let count = table.members.len();
    if !(1..=MAX_GROUP_MEMBERS).contains(&count) {
        return Err(format!(
            "`members` names {count} agencies; must name 1 to {MAX_GROUP_MEMBERS}"
        ));
    }
    let display_name = table.display_name.unwrap_or_else(|| id.to_owned());
    check_display_name(&display_name)?;
    let mut members = Vec::with_capacity(count);
    for member in &table.members {
        let agency = AgencyName::from_id(member).map_err(|e| e.to_string())?;
        if !is_member(&agency) {
            return Err(format!("`{member}` is not a member of this broker"));
        }
        members.push(agency);
    }
    members.sort();
    let mut pairs = members.iter().zip(members.iter().skip(1));
    if let Some((twice, _)) = pairs.find(|(a, b)| a == b) {
        return Err(format!("`{}` is named twice", twice.id()));
    }
    Ok(Group {
        id: id.to_owned(),
        display_name,
        members,
    })
}

/// A display name is shown on terminals and recorded: one short line.
pub(super) fn check_display_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_DISPLAY_NAME_BYTES || name.chars().any(char::is_control)
    {
        return Err(format!(
            "`display_name` must have 1 to {MAX_DISPLAY_NAME_BYTES} bytes and no control characters"
        ));
    }
    Ok(())
}

/// A contact is shown and recorded likewise, and may be left out.
pub(super) fn check_contact(contact: &str) -> Result<(), String> {
    let is_long = contact.chars().count() > MAX_CONTACT_CHARS;
    if is_long || contact.chars().any(char::is_control) {
        return Err(format!(
            "`contact` must have at most {MAX_CONTACT_CHARS} characters and no control characters"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BTreeMap<String, Group>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("groups.toml");
        std::fs::write(&path, text).unwrap();
        // Members are a0 to a999.
        let known = |agency: &AgencyName| {
            agency
                .id()
                .strip_prefix('a')
                .is_some_and(|n| n.parse::<u16>().is_ok_and(|n| n < 1_000))
        };
        read(&path, known).map_err(|e| e.to_string())
    }

    fn members(count: usize) -> String {
        let names: Vec<_> = (0..count).map(|n| format!("\"a{n}\"")).collect();
        format!("members = [{}]\n", names.join(", "))
    }

    #[test]
    fn without_the_file_there_are_no_groups() {
        let nowhere = Path::new("/nonexistent/groups.toml");
        assert_eq!(read(nowhere, |_| false).unwrap(), BTreeMap::new());
    }

    #[test]
    fn a_contact_is_one_short_line_or_nothing() {
        for good in [
            "",
            "liaison office, desk 3",
            &"点".repeat(MAX_CONTACT_CHARS),
        ] {
            assert_eq!(check_contact(good), Ok(()));
        }
        for bad in [
            "two\nlines",
            "\u{1b}[2J",
            &"x".repeat(MAX_CONTACT_CHARS + 1),
        ] {
            assert!(check_contact(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn members_are_sorted_and_the_id_stands_in_for_a_display_name() {
        let groups = parse(
            "[groups.b]\nmembers = [\"a9\", \"a1\"]\n\
             [groups.a]\ndisplay_name = \"A group\"\nmembers = [\"a1\"]\n",
        )
        .unwrap();
        let names: Vec<_> = groups.values().map(|g| g.display_name.as_str()).collect();
        assert_eq!(names, ["A group", "b"]);
        let ids: Vec<_> = groups["b"].members.iter().map(AgencyName::id).collect();
        assert_eq!(ids, ["a1", "a9"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_group() {
        for (text, words) in [
            ("[groups.a]\nmembers = [\"b1\"]\n", "`b1` is not a member"),
            ("[groups.a]\nmembers = []\n", "names 0 agencies"),
            ("[groups.a]\nmembers = [\"a1\", \"a1\"]\n", "named twice"),
            ("[groups.A]\nmembers = [\"a1\"]\n", "[groups.A]"),
            (
                "[groups.a]\ndisplay_name = \"\"\nmembers = [\"a1\"]\n",
                "display_name",
            ),
            (
                "[groups.a]\ncolour = 1\nmembers = [\"a1\"]\n",
                "unknown field",
            ),
            ("[group.a]\nmembers = [\"a1\"]\n", "unknown field"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn groups_and_their_members_are_bounded() {
        let one = |count| parse(&format!("[groups.a]\n{}", members(count)));
        assert_eq!(one(200).unwrap()["a"].members.len(), 200);
        one(201).unwrap_err();
        let many = |count: usize| {
            let groups = (0..count).map(|n| format!("[groups.g{n}]\nmembers = [\"a1\"]\n"));
            parse(&groups.collect::<String>())
        };
        assert_eq!(many(1_000).unwrap().len(), 1_000);
        many(1_001).unwrap_err();
    }
}
