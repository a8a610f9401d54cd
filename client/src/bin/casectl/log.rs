//! `casectl log`: checkpoints, receipts and consistency proofs, verified as they arrive; and what follows the log.

use std::{fs, path::PathBuf};

use casebroker_client::{Client, ClientError, LogTrust, ProofFile, VerifiedCheckpoint};
use casebroker_proto::{json, v1::ListProjectionsResponse};
use clap::Subcommand;

use crate::{
    Global,
    failure::{Exit, Failure, Result},
    output::{BAD, FAINT, GOOD, Output},
    submit::write_private,
    table::{Column, Layout},
};

/// Look at the tamper-evident log: checkpoints, receipts, consistency.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// Print the newest signed checkpoint, after comparing it with the newest one seen before
    #[command(after_help = "\
With log_vkey in the context the signature is verified, and the log is proved to have only grown since the newest checkpoint
seen before. If it shrank or forked, both checkpoints are printed and the exit status is 7.

Examples:
  casectl log checkpoint
  casectl log checkpoint > monday.checkpoint
  casectl -o json log checkpoint")]
    Checkpoint,
    /// Get the receipt of an entry, with the entry in it
    #[command(after_help = "\
The receipt is a C2SP tlog-proof; its `extra` line is the entry, so `casectl verify` needs nothing else.

Examples:
  casectl log receipt 42 -O 42.tlog-proof
  casectl log receipt 42 | casectl verify -")]
    Receipt {
        /// Position of the entry, from 0
        position: u64,
        /// Write the receipt into this file [default: standard output]
        #[arg(short = 'O', long = "out", value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Prove that one tree of the log is the beginning of another
    #[command(after_help = "\
The proof is verified against signed checkpoints: those given as files, the newest, and the one remembered. Exit status 7 if it is not,
or if two signed checkpoints of one size differ; --raw prints it all the same.

Examples:
  casectl log consistency 1000
  casectl log consistency monday.checkpoint
  casectl log consistency monday.checkpoint tuesday.checkpoint")]
    Consistency {
        /// The smaller tree: its size, or a file with its checkpoint
        old: String,
        /// The larger tree: its size, or a file with its checkpoint [default: the newest]
        new: Option<String>,
        /// Print the proof without verifying it: status 0 though no signed checkpoint is at hand
        #[arg(long)]
        raw: bool,
    },
    /// Show how far what is computed from the log has followed it
    #[command(after_help = "\
Listings, counts and trends are answered from the table; words are looked for in the text. Each follows the log, normally a few
milliseconds behind; what is being built anew is refused meanwhile.

Examples:
  casectl log projections
  casectl -o json log projections | jq .projections")]
    Projections,
}

/// Runs the command.
pub async fn run(args: Log, global: &Global, out: &mut Output) -> Result<()> {
    out.no_csv()?;
    let client = global.connect()?;
    match args {
        Log::Checkpoint => checkpoint(&client, out).await,
        Log::Receipt {
            position,
            out: file,
        } => receipt(&client, position, file, out).await,
        Log::Consistency { old, new, raw } => {
            consistency(&client, &old, new.as_deref(), raw, out).await
        }
        Log::Projections => projections(&client, out).await,
    }
}

async fn checkpoint(client: &Client, out: &mut Output) -> Result<()> {
    let before = client.trust().map_or(0, |trust| trust.known_size());
    let seen = client.checkpoint().await?;
    if out.is_json() {
        let mut value = to_json("casebroker.v1.GetCheckpointResponse", &seen.response)?;
        if let Some(map) = value.as_object_mut() {
            map.insert("treeSize".into(), seen.checkpoint.size.to_string().into());
            map.insert("rootHash".into(), seen.checkpoint.root.to_string().into());
            map.insert("verified".into(), seen.verified.into());
        }
        return out.document(&value);
    }
    if seen.response.checkpoint.is_empty() {
        return out.line("the log is empty; it has signed no checkpoint yet");
    }
    out.raw(&seen.response.checkpoint)?;
    out.flush()?;
    match (seen.verified, before) {
        (false, _) => out.note("not verified: the context has no log_vkey"),
        (true, 0) => out.note("signature verified; this is the first checkpoint seen of this log"),
        (true, size) => out.note(format_args!(
            "signature verified; the log only grew since size {size}"
        )),
    }
    Ok(())
}

async fn receipt(
    client: &Client,
    position: u64,
    file: Option<PathBuf>,
    out: &mut Output,
) -> Result<()> {
    let seen = client.receipt(position).await?;
    let proof = ProofFile::new(&seen.response.receipt, seen.response.entry.to_vec())
        .map_err(|e| Failure::new(Exit::Unproven, e.to_string(), "Do not rely on this answer."))?;
    if let Some(path) = &file {
        write_private(path, &proof.to_string())?;
    }
    if out.is_json() {
        let mut value = to_json("casebroker.v1.GetReceiptResponse", &seen.response)?;
        if let Some(map) = value.as_object_mut() {
            map.insert("verified".into(), seen.verified.into());
        }
        return out.document(&value);
    }
    match file {
        Some(path) => out.line(format_args!(
            "receipt for position {position}: {}",
            path.display()
        ))?,
        None => out.raw(&proof.to_string())?,
    }
    if !seen.verified {
        out.note("not verified: the context has no log_vkey");
    }
    Ok(())
}

async fn projections(client: &Client, out: &mut Output) -> Result<()> {
    let answer = client.list_projections().await?;
    if out.is_json() {
        return out.document(&to_json("casebroker.v1.ListProjectionsResponse", &answer)?);
    }
    show_projections(&answer, out)
}

fn show_projections(answer: &ListProjectionsResponse, out: &mut Output) -> Result<()> {
    let rows: Vec<_> = answer
        .projections
        .iter()
        .map(|projection| {
            let behind = answer.tree_size.saturating_sub(projection.as_of_position);
            let state = match (projection.rebuilding, behind) {
                (true, _) => "being built anew",
                (false, 0) => "up to date",
                (false, _) => "following",
            };
            vec![
                projection.name.clone(),
                projection.as_of_position.to_string(),
                behind.to_string(),
                state.to_owned(),
            ]
        })
        .collect();
    let columns = [
        Column::flexible("PROJECTION", 10),
        Column::number("POSITION"),
        Column::number("BEHIND"),
        Column::whole("STATE"),
    ];
    let layout = Layout::fit(&columns, &rows, out.width);
    let heading = out.paint(FAINT, layout.heading());
    out.line(heading)?;
    for row in &rows {
        out.line(layout.row(row))?;
    }
    let line = out.paint(
        FAINT,
        format_args!("the log has {} entries", answer.tree_size),
    );
    out.line(line)
}

/// A tree as the command line names it.
enum Tree {
    Size(u64),
    Held(VerifiedCheckpoint),
}

impl Tree {
    fn size(&self) -> u64 {
        match self {
            Self::Size(size) => *size,
            Self::Held(held) => held.checkpoint.size,
        }
    }
}

async fn consistency(
    client: &Client,
    old: &str,
    new: Option<&str>,
    raw: bool,
    out: &mut Output,
) -> Result<()> {
    let old = tree(client, old)?;
    let new = new.map(|new| tree(client, new)).transpose()?;
    let new_size = new.as_ref().map_or(0, Tree::size);
    let answer = client.consistency(old.size(), new_size).await?;
    // The roots come from signed checkpoints only: those given, the newest, and the one remembered.
    let newest = newest(client, &answer.response.checkpoint)?;
    let new_size = match (new_size, &newest) {
        (0, Some(newest)) => newest.checkpoint.size,
        (size, _) => size,
    };
    let proof = answer
        .response
        .consistency_proof
        .clone()
        .filter(|proof| proof.old_tree_size == old.size())
        .filter(|proof| new_size == 0 || proof.new_tree_size == new_size)
        .ok_or_else(|| {
            Failure::new(
                Exit::Unproven,
                format!("the broker gives no proof from {} to {new_size}", old.size()),
                "Do not rely on this log. Keep the checkpoints that you have, and show them to the operator and to the other members.",
            )
        })?;
    let known = client.trust().and_then(|trust| trust.known());
    let given = [Some(&old), new.as_ref()].into_iter().flatten();
    let given = given.filter_map(|tree| match tree {
        Tree::Held(held) => Some(held.clone()),
        Tree::Size(_) => None,
    });
    let signed: Vec<_> = given.chain(newest).chain(known).collect();
    refuse_fork(client, &signed)?;
    let of_size = |size| signed.iter().find(|c| c.checkpoint.size == size).cloned();
    let (smaller, larger) = (of_size(proof.old_tree_size), of_size(proof.new_tree_size));
    let missing = missing(
        client.trust().is_some(),
        [
            (smaller.is_some(), proof.old_tree_size),
            (larger.is_some(), proof.new_tree_size),
        ],
    );
    let ends = smaller.zip(larger);
    let verdict = ends.map(|(old, new)| {
        (
            casebroker_client::is_consistent(&old, &new, &proof),
            old,
            new,
        )
    });
    if let Some((false, old, new)) = &verdict {
        return Err(Failure {
            detail: format!("--- smaller\n{}--- larger\n{}", old.note, new.note).into(),
            ..Failure::new(
                Exit::Unproven,
                "the larger tree does not begin with the smaller one",
                "Keep both checkpoints below: together they prove it. Tell the operator and the other members.",
            )
        });
    }
    let verified = verdict.is_some();
    let unproven = || {
        Failure::new(
            Exit::Unproven,
            format!("the proof was not verified: {missing}"),
            "Give the checkpoints as files, or --raw to print the proof without verifying it.",
        )
    };
    let end = match verified || raw {
        true => Ok(()),
        false => Err(unproven()),
    };
    if out.is_json() {
        let mut value = to_json(
            "casebroker.v1.GetConsistencyProofResponse",
            &answer.response,
        )?;
        if let Some(map) = value.as_object_mut() {
            map.insert("verified".into(), verified.into());
        }
        out.document(&value)?;
        return end;
    }
    let sizes = format!("{} to {}", proof.old_tree_size, proof.new_tree_size);
    match verified {
        true => {
            let verdict = out.paint(
                GOOD,
                "verified: the larger tree begins with the smaller one",
            );
            out.line(format_args!("{sizes}: {verdict}"))?;
        }
        false => {
            let verdict = out.paint(BAD, "not verified");
            out.line(format_args!("{sizes}: {verdict}: {missing}"))?;
        }
    }
    for hash in &proof.hashes {
        let hash = out.paint(FAINT, hex::encode(hash));
        out.line(hash)?;
    }
    end
}

/// The newest checkpoint of an answer, verified; `None` without a key of the log.
fn newest(client: &Client, note: &str) -> Result<Option<VerifiedCheckpoint>> {
    let open = |trust: &LogTrust| {
        trust.open(note).map(|checkpoint| VerifiedCheckpoint {
            note: note.to_owned(),
            checkpoint,
        })
    };
    let opened = client.trust().map(open).transpose();
    opened.map_err(|e| ClientError::from(e).into())
}

/// Two signed checkpoints of one size with two roots are a fork, whatever the broker proves.
fn refuse_fork(client: &Client, signed: &[VerifiedCheckpoint]) -> Result<()> {
    let Some(trust) = client.trust() else {
        return Ok(());
    };
    for (i, one) in signed.iter().enumerate() {
        let (size, root) = (one.checkpoint.size, &one.checkpoint.root);
        let others = signed.iter().skip(i + 1);
        let mut of_size = others.filter(|other| other.checkpoint.size == size);
        if let Some(other) = of_size.find(|other| other.checkpoint.root != *root) {
            let what = "the log forked: two roots for one tree size";
            return Err(trust.breach(one, other, what).into());
        }
    }
    Ok(())
}

/// Why a proof could not be verified: what each end lacks.
fn missing(has_key: bool, ends: [(bool, u64); 2]) -> String {
    if !has_key {
        return "the context has no log_vkey".into();
    }
    let lacking = ends.iter().filter(|(held, _)| !held);
    let mut sizes: Vec<_> = lacking.map(|(_, size)| size.to_string()).collect();
    sizes.dedup();
    format!(
        "no signed checkpoint of size {} is at hand; give it as a file, as `casectl log checkpoint` printed it",
        sizes.join(" nor of size ")
    )
}

fn tree(client: &Client, text: &str) -> Result<Tree> {
    if let Ok(size) = text.parse() {
        return Ok(Tree::Size(size));
    }
    let note = fs::read_to_string(text).map_err(|e| Failure::file(text, &e))?;
    let Some(trust) = client.trust() else {
        return Err(Failure::usage(
            format!("the checkpoint in {text} cannot be verified: the context has no log_vkey"),
            "Add log_vkey to the context, or give the tree's size.",
        ));
    };
    let checkpoint = trust
        .open(&note)
        .map_err(|e| Failure::from(ClientError::from(e)))?;
    Ok(Tree::Held(VerifiedCheckpoint { note, checkpoint }))
}

fn to_json<T: prost::Message>(name: &str, message: &T) -> Result<serde_json::Value> {
    json::to_value(name, message).map_err(|e| ClientError::from(e).into())
}

#[cfg(test)]
mod tests {
    use casebroker_proto::v1::Projection;

    use super::*;

    #[test]
    fn a_projection_is_shown_with_how_far_it_is_behind() {
        let projection = |name: &str, as_of_position, rebuilding| Projection {
            name: name.into(),
            as_of_position,
            rebuilding,
        };
        let answer = ListProjectionsResponse {
            projections: vec![
                projection("table", 12_345, false),
                projection("text", 12_000, false),
                projection("x", 0, true),
            ],
            tree_size: 12_345,
        };
        let mut out = Output::kept(80);
        show_projections(&answer, &mut out).unwrap();
        let expected = "\
PROJECTION  POSITION  BEHIND  STATE
table          12345       0  up to date
text           12000     345  following
x                  0   12345  being built anew
the log has 12345 entries
";
        assert_eq!(out.text(), expected);
    }

    #[test]
    fn what_a_proof_lacks_is_named() {
        assert_eq!(
            missing(false, [(false, 1), (true, 9)]),
            "the context has no log_vkey"
        );
        assert!(missing(true, [(false, 1), (true, 9)]).contains("of size 1 is at hand"));
        assert!(missing(true, [(true, 1), (false, 9)]).contains("of size 9 is at hand"));
        assert!(missing(true, [(false, 1), (false, 9)]).contains("of size 1 nor of size 9"));
    }
}
