//! `casectl registry`: who is a member, with which keys, in which groups, and since when.

use casebroker_proto::{
    statement::{SignerCertificate, thumbprint},
    v1::{Group, Member, RecordedRegistryUpdate, SigningCertificate},
};
use clap::Subcommand;
use prost_types::Timestamp;

use crate::{
    Global,
    failure::Result,
    output::Output,
    rows::{show, to_values},
    table::Column,
    words,
};

/// Show members, their signing keys, groups, and every change that was ever recorded.
#[derive(Debug, Subcommand)]
pub enum Registry {
    /// Members and the certificates that they sign under
    #[command(after_help = "\
Examples:
  casectl registry members
  casectl -o json registry members | jq -r '.members[].name'")]
    Members,
    /// Groups that an audience may name
    #[command(after_help = "\
Examples:
  casectl registry groups")]
    Groups,
    /// Every change since the log began: which key was valid when. Each is an entry of the log
    #[command(after_help = "\
Examples:
  casectl registry updates
  casectl log receipt 0        the proof that the first one is in the log")]
    Updates,
}

/// Runs the command.
pub async fn run(command: Registry, global: &Global, out: &mut Output) -> Result<()> {
    let client = global.connect()?;
    match command {
        Registry::Members => {
            let members = client.members().await?;
            let rows = members.iter().flat_map(member_rows).collect();
            let columns = [
                Column::flexible("MEMBER", 10),
                Column::flexible("NAME", 8),
                Column::flexible("SIGNER", 6),
                Column::whole("X5T"),
                Column::whole("VALID UNTIL"),
                Column::whole("STATE"),
            ];
            let values = to_values("casebroker.v1.Member", &members)?;
            show("members", &columns, rows, values, out)
        }
        Registry::Groups => {
            let groups = client.groups().await?;
            let rows = groups.iter().map(group_row).collect();
            let columns = [
                Column::flexible("GROUP", 12),
                Column::flexible("NAME", 8),
                Column::flexible("MEMBERS", 20),
            ];
            let values = to_values("casebroker.v1.Group", &groups)?;
            show("groups", &columns, rows, values, out)
        }
        Registry::Updates => {
            let updates = client.registry_updates().await?;
            let rows = updates.iter().flat_map(update_rows).collect();
            let columns = [
                Column::number("POSITION"),
                Column::whole("RECORDED (UTC)"),
                Column::flexible("CHANGE", 30),
            ];
            let values = to_values("casebroker.v1.RecordedRegistryUpdate", &updates)?;
            show("updates", &columns, rows, values, out)
        }
    }
}

/// A row for each signing certificate; one without, for a member that has none.
fn member_rows(member: &Member) -> Vec<Vec<String>> {
    let name = words::id(&member.name).to_owned();
    let row = |key: [String; 4]| {
        let about = [name.clone(), member.display_name.clone()];
        about.into_iter().chain(key).collect()
    };
    if member.signing_certificates.is_empty() {
        return vec![row([
            "none".into(),
            String::new(),
            String::new(),
            String::new(),
        ])];
    }
    let certificates = member.signing_certificates.iter();
    certificates.map(|c| row(signing_cells(c))).collect()
}

fn signing_cells(signing: &SigningCertificate) -> [String; 4] {
    let x5t: String = hex::encode(thumbprint(&signing.certificate))
        .chars()
        .take(12)
        .collect();
    let certificate = SignerCertificate::from_der(&signing.certificate);
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let state = match &certificate {
        _ if signing.revoked => "revoked",
        Ok(certificate) if certificate.not_after < now => "expired",
        _ => "registered",
    };
    match certificate {
        Ok(certificate) => {
            let until = Timestamp {
                seconds: certificate.not_after,
                nanos: 0,
            };
            let until = words::minute(Some(&until));
            [certificate.id.name.to_string(), x5t, until, state.into()]
        }
        Err(e) => [e.to_string(), x5t, words::NOT_KNOWN.into(), state.into()],
    }
}

fn group_row(group: &Group) -> Vec<String> {
    let members: Vec<_> = group.members.iter().map(|name| words::id(name)).collect();
    vec![
        words::id(&group.name).to_owned(),
        group.display_name.clone(),
        members.join(", "),
    ]
}

fn update_rows(update: &RecordedRegistryUpdate) -> Vec<Vec<String>> {
    let changes = update.update.iter().flat_map(|u| &u.changes);
    let recorded = words::minute(update.record_time.as_ref());
    changes
        .map(|change| {
            vec![
                update.position.to_string(),
                recorded.clone(),
                words::registry_change(change),
            ]
        })
        .collect()
}
