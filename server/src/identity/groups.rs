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
    if let Some([twice, _]) = members.array_windows().find(|[a, b]| a == b) {
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
